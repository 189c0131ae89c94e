import { RequestError } from '@steelyard/core';
import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { fakeModel } from '../../../test/fake-model.ts';
import { post } from '../../../test/requests.ts';
import type { ModelDepot, StoredModel } from '../../model-depot.ts';
import { providerOf } from '../../model-provider.ts';
import {
  ollamaChatAnswerSchema,
  ollamaGenerateAnswerSchema,
  ollamaPsSchema,
  ollamaShowAnswerSchema,
  ollamaTagsSchema,
  type OllamaProgress,
} from '../../schemas/ollama-answer.ts';
import { createServer } from '../../server.ts';

const stored: StoredModel = {
  name: 'stub',
  source: 'hf:owner/stub',
  path: '/models/stub.gguf',
  files: [],
  bytes: 123,
  digest: 'abc',
  pulledAt: '2026-01-02T03:04:05.000Z',
  license: 'mit',
};
const pulled: string[] = [];
const removed: string[] = [];
const copied: [string, string][] = [];
const depot: ModelDepot = {
  list: () => Promise.resolve([stored, { ...stored, name: 'idle' }]),
  pull(source, { onProgress }) {
    pulled.push(source);
    if (source.includes('broken')) return Promise.reject(new Error('no line'));
    onProgress({
      phase: 'download',
      file: 'a.gguf',
      receivedBytes: 5,
      totalBytes: 9,
      fileIndex: 0,
      fileCount: 1,
    });
    return Promise.resolve(stored);
  },
  copy(name, to) {
    if (to === 'taken') return Promise.reject(new RequestError('belongs to another', 'name'));
    return Promise.resolve(copied.push([name, to]));
  },
  remove: (name) => Promise.resolve(removed.push(name)),
};
const fake = fakeModel();
const caller = createStubModel({
  name: 'caller',
  marks: '<think> </think> <tool_call>',
  reply: () =>
    '<think> hm hm hm </think> Well. <tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>',
});
const options = {
  models: providerOf([createStubModel(), fake, caller]),
  embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors' })]),
  chatPage: false,
  onError: () => {},
};
const { app } = createServer({ ...options, depot });

const hi = [{ role: 'user', content: 'hi there' }];
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];

async function json(path: string, body?: object, method = 'POST'): Promise<Record<string, unknown>> {
  const response = await (body && method === 'POST'
    ? post(app, path, body)
    : app.request(path, { method, body: body && JSON.stringify(body) }));
  const text = await response.text();
  return { status: response.status, ...(JSON.parse(text) as object) };
}

async function lines<T>(path: string, body: object): Promise<T[]> {
  const response = await post(app, path, body);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  const text = await response.text();
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

describe('a chat', () => {
  it('streams lines unless told otherwise, and ends with what it took', async () => {
    const all = await lines('/api/chat', { model: 'stub:latest', messages: hi });
    const answers = all.map((line) => ollamaChatAnswerSchema.strict().parse(line));
    expect(answers.map(({ message }) => message.content).join('')).toBe('hi there');
    const last = answers.at(-1)!;
    expect(last).toMatchObject({ model: 'stub', done: true, done_reason: 'stop', eval_count: 3 });
    expect(Number.isInteger(last.total_duration)).toBe(true);
    expect(answers.slice(0, -1).every(({ done }) => !done)).toBe(true);
  });

  it('comes whole, with thoughts and calls apart', async () => {
    const body = { model: 'caller', messages: hi, tools, stream: false };
    const answer = await json('/api/chat', body);
    expect(answer).toMatchObject({
      done: true,
      message: {
        content: 'Well.',
        thinking: 'hm hm hm',
        tool_calls: [{ function: { index: 0, name: 'weather', arguments: { city: 'Oslo' } } }],
      },
    });
    const without = await json('/api/chat', { ...body, think: false });
    expect(without.message).not.toHaveProperty('thinking');
  });

  it('hands on options, calls and their results', async () => {
    await json('/api/chat', {
      model: 'fake',
      stream: false,
      messages: [
        ...hi,
        {
          role: 'assistant',
          content: '',
          tool_calls: [
            { function: { name: 'a', arguments: { n: 1 } } },
            { function: { name: 'b', arguments: {} } },
          ],
        },
        { role: 'tool', tool_name: 'b', content: 'two' },
        { role: 'tool', tool_name: 'a', content: 'one' },
      ],
      options: {
        temperature: 0,
        num_predict: 7,
        top_k: 1,
        num_ctx: 2048,
        num_thread: 4,
        stop: ['x'],
        seed: 5,
      },
    });
    const { prompt, options: asked } = fake.asked.at(-1)!;
    expect(prompt.slice(1)).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_0', type: 'function', function: { name: 'a', arguments: '{"n":1}' } },
          { id: 'call_1', type: 'function', function: { name: 'b', arguments: '{}' } },
        ],
      },
      { role: 'tool', content: 'two', tool_call_id: 'call_1' },
      { role: 'tool', content: 'one', tool_call_id: 'call_0' },
    ]);
    expect(asked).toMatchObject({
      maxTokens: 7,
      stop: ['x'],
      sampling: { temperature: 0, topK: 1, seed: 5 },
    });
  });

  it('is held to a format', async () => {
    const format = {
      type: 'object',
      properties: { n: { enum: [1, 2] } },
      required: ['n'],
      additionalProperties: false,
    };
    const { message } = await json('/api/chat', { model: 'stub', messages: hi, format, stream: false });
    expect([1, 2]).toContain((JSON.parse((message as { content: string }).content) as { n: number }).n);
  });

  it('without messages only loads the model, or gives it up', async () => {
    expect(await json('/api/chat', { model: 'stub', messages: [] })).toMatchObject({ done_reason: 'load' });
    expect(await json('/api/generate', { model: 'stub', keep_alive: 0 })).toMatchObject({
      done_reason: 'unload',
    });
  });
});

it('generates from a prompt, by the template or raw', async () => {
  const all = await lines('/api/generate', { model: 'stub', prompt: 'one two', system: 'Be kind.' });
  const answers = all.map((line) => ollamaGenerateAnswerSchema.strict().parse(line));
  expect(answers.map(({ response }) => response).join('')).toBe('one two');
  await json('/api/generate', { model: 'fake', prompt: 'one', raw: true, stream: false });
  expect(fake.asked.at(-1)!.prompt).toBe('one');
});

it('makes vectors, in both shapes', async () => {
  const { embeddings } = await json('/api/embed', { model: 'vectors', input: ['one two', 'three'] });
  expect(embeddings).toHaveLength(2);
  const { embedding } = await json('/api/embeddings', { model: 'vectors', prompt: 'one two' });
  expect(embedding).toEqual((embeddings as number[][])[0]);
  const long = 'word '.repeat(20_000);
  const cut = await json('/api/embed', { model: 'vectors', input: long });
  expect(cut).toMatchObject({ status: 200, prompt_eval_count: 512 });
  const asked = await json('/api/embed', { model: 'vectors', input: long, truncate: false });
  expect(asked.prompt_eval_count).not.toBe(512);
});

describe('models', () => {
  it('are listed with what the store knows', async () => {
    const { models } = ollamaTagsSchema.parse(await json('/api/tags', undefined, 'GET'));
    expect(models.map(({ name }) => name)).toEqual(['stub', 'fake', 'caller', 'vectors']);
    expect(models[0]).toMatchObject({ size: 123, digest: 'abc', modified_at: '2026-01-02T03:04:05.000Z' });
    const running = ollamaPsSchema.parse(await json('/api/ps', undefined, 'GET'));
    expect(running.models[0]).toMatchObject({ name: 'stub', size_vram: 0 });
  });

  it('are shown with what they can do', async () => {
    const shown = ollamaShowAnswerSchema.parse(await json('/api/show', { model: 'caller:latest' }));
    expect(shown.capabilities).toEqual(['completion', 'tools', 'thinking']);
    expect(shown).toMatchObject({ template: '<think> </think> <tool_call>', parameters: 'num_ctx 4096' });
    expect(await json('/api/show', { name: 'vectors' })).toMatchObject({ capabilities: ['embedding'] });
    expect(await json('/api/version', undefined, 'GET')).toHaveProperty('version');
  });

  it('are pulled from registries, with progress', async () => {
    const all = await lines<OllamaProgress>('/api/pull', { model: 'llama3.2:1b' });
    expect(all).toEqual([
      { status: 'pulling a.gguf', digest: 'a.gguf', completed: 5, total: 9 },
      { status: 'success' },
    ]);
    await json('/api/pull', { model: 'hf.co/owner/repo:Q4_K_M', stream: false });
    expect(pulled).toEqual(['ollama:llama3.2:1b', 'hf:owner/repo:Q4_K_M']);
    expect(await lines('/api/pull', { model: 'broken' })).toMatchObject([
      { error: expect.any(String) as string },
    ]);
  });

  it.each([
    'file:/etc/passwd',
    '/etc/passwd',
    'http://10.0.0.1/x.gguf',
    'oci:host/x',
    '10.0.0.1:5000/x',
    '../x',
  ])('are not pulled from %s', async (model) => {
    const before = pulled.length;
    const { status, error } = await json('/api/pull', { model });
    expect([status, error]).toEqual([400, expect.stringContaining("Invalid 'model'")]);
    expect(pulled).toHaveLength(before);
  });

  it('are deleted unless they are in memory', async () => {
    const remove = (name: string) =>
      app.request('/api/delete', { method: 'DELETE', body: JSON.stringify({ name }) });
    expect((await remove('idle')).status).toBe(200);
    expect(removed).toEqual(['idle']);
    expect((await remove('stub')).status).toBe(409);
    expect((await remove('none')).status).toBe(404);
  });

  it('get another name', async () => {
    const copy = (source: string, destination: string) => post(app, '/api/copy', { source, destination });
    expect((await copy('idle', 'mine:latest')).status).toBe(200);
    expect(copied).toEqual([['idle', 'mine']]);
    expect((await copy('none', 'mine')).status).toBe(404);
    expect((await copy('idle', 'taken')).status).toBe(400);
    expect((await post(app, '/api/copy', { source: 'idle' })).status).toBe(400);
  });

  it('are neither pulled nor deleted where the server was not given that', async () => {
    const { app: closed } = createServer(options);
    expect((await post(closed, '/api/pull', { model: 'x' })).status).toBe(403);
    expect((await post(closed, '/api/copy', { source: 'idle', destination: 'x' })).status).toBe(403);
    expect((await closed.request('/api/tags')).status).toBe(200);
  });
});

describe('refusals, in the shape of Ollama', () => {
  it.each([
    [{ messages: [{ role: 'user', content: 'x', images: ['aGk='] }] }, 'Images'],
    [{ model: 'none' }, "'none'"],
    [{ options: { mirostat: 1 } }, 'Mirostat'],
    [{ options: { anything: 1 } }, 'anything'],
    [{ keep_alive: 'soon' }, 'keep_alive'],
    [{ tools }, 'calls no tools'],
    [{ format: { type: 'odd' } }, 'format'],
  ])('%o', async (body, words) => {
    const { status, error } = await json('/api/chat', { model: 'stub', messages: hi, ...body });
    expect([400, 404]).toContain(status);
    expect(error).toContain(words);
  });

  it.each([{ suffix: 'x' }, { template: 'x' }, { context: [1] }, { images: ['aGk='] }])(
    '%o',
    async (body) => {
      expect(await json('/api/generate', { model: 'stub', prompt: 'x', ...body })).toMatchObject({
        status: 400,
      });
    },
  );

  it('takes a body that curl calls a form, but not from a browser', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const ask = (headers: Record<string, string>) =>
      app.request('/api/show', { method: 'POST', headers, body: '{"model":"stub"}' });
    expect((await ask(form)).status).toBe(200);
    expect((await ask({ ...form, 'sec-fetch-site': 'cross-site' })).status).toBe(415);
  });
});
