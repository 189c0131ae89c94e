/** ollama-js against the server over a socket, unchanged but for its host. */

import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import { Ollama } from 'ollama';
import { afterAll, beforeAll, expect, it } from 'vitest';

const model = createStubModel({ name: 'stub', delayMs: 1, contextLength: 2000 });
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call> <think> </think>',
  reply: (given) => {
    const last = given.at(-1)!;
    if (last.role === 'tool') return `It says: ${last.content as string}`;
    return '<think> Let me ask. </think><tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  },
});
const say = (content: string) => [{ role: 'user', content }];
let server: SteelyardServer;
let ollama: Ollama;

beforeAll(async () => {
  server = createServer({
    models: providerOf([model, caller]),
    embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
    port: 0,
    chatPage: false,
    limits: { drainMs: 0 },
    depot: {
      list: () => Promise.resolve([]),
      pull(_, { onProgress }) {
        onProgress({ phase: 'download', file: 'x', receivedBytes: 1, fileIndex: 0, fileCount: 1 });
        return Promise.reject(new Error('the test has no network'));
      },
    },
  });
  const { url } = await server.listen();
  ollama = new Ollama({ host: url });
});

afterAll(() => server.close());

it('lists, shows, and knows what runs', async () => {
  expect((await ollama.list()).models.map(({ name }) => name)).toEqual(['stub', 'caller', 'vectors']);
  expect((await ollama.show({ model: 'caller' })).capabilities).toContain('tools');
  expect((await ollama.ps()).models).toHaveLength(3);
  expect((await ollama.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
});

it('chats whole and streaming', async () => {
  const answer = await ollama.chat({ model: 'stub', messages: say('Grüße 🎉'), options: { num_ctx: 512 } });
  expect(answer.message.content).toBe('Grüße 🎉');
  expect(answer.eval_count).toBeGreaterThan(1);
  let text = '';
  for await (const { message } of await ollama.chat({
    model: 'stub',
    messages: say('naïve 漢字 🎉'),
    stream: true,
    keep_alive: '5m',
  }))
    text += message.content;
  expect(text).toBe('naïve 漢字 🎉');
});

it('calls a tool after thinking, and takes the result back', async () => {
  const tools = [
    {
      type: 'function',
      function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
    },
  ];
  const first = await ollama.chat({ model: 'caller', messages: say('Weather?'), tools, think: true });
  expect(first.message).toMatchObject({
    thinking: 'Let me ask.',
    tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }],
  });
  const result = { role: 'tool', content: 'Rain.', tool_name: 'weather' };
  const messages = [...say('Weather?'), first.message, result];
  expect((await ollama.chat({ model: 'caller', messages, tools })).message.content).toBe('It says: Rain.');
});

it('generates, holds to a format, and embeds', async () => {
  expect((await ollama.generate({ model: 'stub', prompt: 'one two' })).response).toBe('one two');
  const { response } = await ollama.generate({ model: 'stub', prompt: 'x', format: 'json' });
  expect(JSON.parse(response!)).toBeTypeOf('object');
  const { embeddings } = await ollama.embed({ model: 'vectors', input: ['one', 'two'] });
  expect(embeddings).toHaveLength(2);
  expect((await ollama.embeddings({ model: 'vectors', prompt: 'one' })).embedding).toEqual(embeddings[0]);
});

it('stops generating when the stream is aborted', async () => {
  const stream = await ollama.chat({ model: 'stub', messages: say('word '.repeat(1500)), stream: true });
  let count = 0;
  await expect(async () => {
    for await (const _ of stream) if (++count === 5) stream.abort();
  }).rejects.toThrow();
  await expect.poll(() => model.stats().running).toBe(0);
});

it('gets errors that it understands', async () => {
  await expect(ollama.chat({ model: 'none', messages: say('x') })).rejects.toMatchObject({
    status_code: 404,
  });
  const pull = async () => {
    for await (const _ of await ollama.pull({ model: 'llama3.2', stream: true }));
  };
  await expect(pull()).rejects.toThrow(/log says why/);
});
