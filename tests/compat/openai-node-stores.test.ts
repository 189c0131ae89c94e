/** Batches, stored chats, vector stores and moderations by OpenAI's official Node SDK, over a socket. */

import { toFile } from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

let kept: KeptOverSocket;
beforeAll(async () => {
  kept = await startKeptServer({ moderation: { model: 'stub' } });
}, 120_000);
afterAll(() => kept?.close());

const messages = (content: string) => [{ role: 'user' as const, content }];

it('runs a batch and reads its answers', async () => {
  const { files, batches } = kept.client;
  const lines = ['one', 'two'].map((text) =>
    JSON.stringify({
      custom_id: text,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: 'stub', messages: messages(text) },
    }),
  );
  const file = await toFile(Buffer.from(lines.join('\n')), 'in.jsonl');
  const { id: input_file_id } = await files.create({ file, purpose: 'batch' });
  const asked = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
  let batch = await batches.create({ ...asked, metadata: { a: 'b' } });
  while (batch.status !== 'completed') batch = await batches.retrieve(batch.id);
  expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
  const output = await (await files.content(batch.output_file_id!)).text();
  const contents = output
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { response } = JSON.parse(line) as {
        response: { body: { choices: { message: { content: string } }[] } };
      };
      return response.body.choices[0]!.message.content;
    });
  expect(contents).toEqual(['one', 'two']);
  const seen: string[] = [];
  for await (const one of batches.list({ limit: 1 })) seen.push(one.id);
  expect(seen).toContain(batch.id);
  await expect(batches.cancel(batch.id)).rejects.toMatchObject({ status: 409 });
});

it('keeps chat completions that ask for it', async () => {
  const { completions } = kept.client.chat;
  const asked = { model: 'stub', messages: messages('keep me'), store: true, metadata: { topic: 'keeping' } };
  const { id } = await completions.create(asked);
  const stream = completions.stream({ ...asked, stream: true });
  const streamed = await stream.finalChatCompletion();
  const listed: string[] = [];
  for await (const one of completions.list({ metadata: { topic: 'keeping' }, limit: 1 })) listed.push(one.id);
  expect(listed).toEqual([id, streamed.id]);
  expect((await completions.retrieve(id)).choices[0]!.message.content).toBe('keep me');
  await completions.update(id, { metadata: { topic: 'other' } });
  for await (const message of completions.messages.list(id)) expect(message.content).toBe('keep me');
  expect(await completions.delete(id)).toMatchObject({ deleted: true });
});

it('reads files into a vector store, and searches it', async () => {
  const { vectorStores } = kept.client;
  const store = await vectorStores.create({
    name: 'rivers',
    expires_after: { anchor: 'last_active_at', days: 1 },
  });
  const batch = await vectorStores.fileBatches.uploadAndPoll(
    store.id,
    {
      files: [
        await toFile(Buffer.from('The Danube flows into the Black Sea.'), 'danube.txt'),
        await toFile(Buffer.from('# Fruit\n\nApples and pears.'), 'fruit.md'),
      ],
    },
    { pollIntervalMs: 50 },
  );
  expect(batch.file_counts).toMatchObject({ completed: 2, total: 2 });
  const found: string[] = [];
  for await (const result of vectorStores.search(store.id, { query: 'Where does the Danube flow?' }))
    found.push(result.filename);
  expect(found[0]).toBe('danube.txt');
  for await (const file of vectorStores.files.list(store.id)) {
    await vectorStores.files.update(file.id, { vector_store_id: store.id, attributes: { kind: file.id } });
    const parts: string[] = [];
    for await (const part of vectorStores.files.content(file.id, { vector_store_id: store.id }))
      parts.push(part.text!);
    expect(parts).toHaveLength(1);
  }
  expect((await vectorStores.retrieve(store.id)).status).toBe('completed');
  expect(await vectorStores.delete(store.id)).toMatchObject({ deleted: true });
});

it('judges texts', async () => {
  const { results, model } = await kept.client.moderations.create({ input: ['a', 'b'] });
  expect(model).toBe('stub');
  expect(results).toHaveLength(2);
  expect(typeof results[0]!.categories['self-harm/intent']).toBe('boolean');
});
