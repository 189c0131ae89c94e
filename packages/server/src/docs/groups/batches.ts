import { CLIENT, type Group } from './group.ts';

export const batches: Group = {
  slug: 'batches',
  title: 'Batches',
  text:
    'Requests in a file, one per line, answered in the background when nobody else waits. Lines are checked before ' +
    'anything is computed; what was answered outlives a restart, and the rest goes on. Answers are in the output file, ' +
    'failures in the error file.',
  paths: ['/v1/batches'],
  examples: [
    {
      title: 'Two questions over night',
      language: 'js',
      code: `import { toFile } from 'openai';
${CLIENT}
const lines = ['Name a river.', 'Name a lake.'].map((content, i) =>
  JSON.stringify({
    custom_id: String(i),
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'MODEL', messages: [{ role: 'user', content }], max_completion_tokens: 32 },
  }),
);
const file = await client.files.create({
  file: await toFile(Buffer.from(lines.join('\\n')), 'questions.jsonl'),
  purpose: 'batch',
});
let batch = await client.batches.create({
  input_file_id: file.id,
  endpoint: '/v1/chat/completions',
  completion_window: '24h',
});
while (batch.status !== 'completed') {
  await new Promise((resolve) => setTimeout(resolve, 100));
  batch = await client.batches.retrieve(batch.id);
}
console.log(await (await client.files.content(batch.output_file_id)).text());`,
    },
  ],
};
