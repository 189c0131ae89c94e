import { EXAMPLE_BASE, type Group } from './group.ts';

export const models: Group = {
  slug: 'models',
  title: 'Models',
  text: 'What requests may name, with facts about the weights.',
  paths: ['/v1/models'],
  examples: [
    {
      title: 'What is served',
      language: 'sh',
      code: `curl --fail-with-body -s ${EXAMPLE_BASE}/v1/models`,
    },
  ],
};
