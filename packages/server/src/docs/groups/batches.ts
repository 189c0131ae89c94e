import { CLIENT, type Group } from './group.ts';

export const batches: Group = {
  slug: 'batches',
  title: 'Batches',
  text:
    'Requests in a file, one per line, answered in the background when nobody else waits. Lines are checked before ' +
    'anything is computed; what was answered outlives a restart, and the rest goes on. Answers are in the output file, ' +
    'failures in the error file. Each line is held to what its key may do when it is answered: scopes, models, budget, ' +
    'and whether the key still works. What it may not do any more is in the error file under the code that a request ' +
    'would get; limits by the minute are waited for, and half of each is left to requests. Lines go to other providers ' +
    'by the same routes as requests do: labels of the request that makes the batch (its header, its metadata) hold for ' +
    'all of them, and `steelyard.computed_by` beside a response says where it was computed.',
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
