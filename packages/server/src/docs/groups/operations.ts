import { EXAMPLE_BASE, type Group } from './group.ts';

export const operations: Group = {
  slug: 'operations',
  title: 'Operations',
  text: 'For those who run the server: health, and measurements in the format of Prometheus.',
  paths: ['/health', '/health/live', '/health/ready', '/metrics'],
  examples: [
    {
      title: 'Health',
      language: 'sh',
      code: `curl --fail-with-body -s ${EXAMPLE_BASE}/health`,
    },
    {
      title: 'Ready for requests',
      language: 'sh',
      code: `curl --fail-with-body -s ${EXAMPLE_BASE}/health/ready`,
    },
  ],
};
