import { EXAMPLE_BASE, type Group } from './group.ts';

export const files: Group = {
  slug: 'files',
  title: 'Files and uploads',
  text:
    'What other endpoints read and write. Files stay until they are deleted or their time is over. ' +
    'Large ones come in parts as an upload, which becomes a file when it is complete.',
  paths: ['/v1/files', '/v1/uploads'],
  examples: [
    {
      title: 'Uploading, and listing',
      language: 'sh',
      code: `echo '{"note": "hello"}' > /tmp/steelyard-example.jsonl
curl --fail-with-body -s ${EXAMPLE_BASE}/v1/files -F purpose=user_data -F file=@/tmp/steelyard-example.jsonl &&
  curl --fail-with-body -s ${EXAMPLE_BASE}/v1/files`,
    },
  ],
};
