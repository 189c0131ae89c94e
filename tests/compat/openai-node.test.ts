/** OpenAI's official Node SDK against the server over a socket, unchanged but for its base URL. */

import { createStubEmbeddingModel, createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const embedder = createStubEmbeddingModel({ name: 'vectors' });
const model = createStubModel({ name: 'stub', delayMs: 1, contextLength: 2000 });
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call>',
  reply: (given) => {
    const last = given.at(-1)!;
    if (last.role === 'tool') return `It says: ${last.content as string}`;
    return '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  },
});
let server: SteelyardServer;
let client: OpenAI;
const messages = (content: string) => [{ role: 'user' as const, content }];

beforeAll(async () => {
  server = createServer({
    models: providerOf([model, caller]),
    embeddingModels: providerOf([embedder]),
    port: 0,
    chatPage: false,
    apiKey: 'sesame',
    limits: { drainMs: 0 },
  });
  const { url } = await server.listen();
  client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sesame', maxRetries: 0 });
});

afterAll(() => server.close());

it('lists models and retrieves one', async () => {
  const names: string[] = [];
  for await (const one of client.models.list()) names.push(one.id);
  expect(names).toEqual(['stub', 'caller', 'vectors']);
  expect(await client.models.retrieve('stub')).toMatchObject({ id: 'stub', object: 'model' });
});

it('decodes vectors, which it asks for in base64', async () => {
  const input = ['one two', 'three'];
  const { data, usage } = await client.embeddings.create({ model: 'vectors', input });
  const { vectors } = await embedder.embed(input);
  expect(data.map(({ embedding }) => embedding)).toEqual(vectors.map((vector) => [...vector]));
  expect(usage.total_tokens).toBe(3);
});

it('runs tools until the model answers', async () => {
  const asked: unknown[] = [];
  const runner = client.chat.completions.runTools({
    model: 'caller',
    messages: messages('Weather in Oslo?'),
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'The weather now.',
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
          parse: (text: string) => JSON.parse(text) as { city: string },
          function(args: { city: string }) {
            asked.push(args);
            return 'Rain.';
          },
        },
      },
    ],
  });
  expect(await runner.finalContent()).toBe('It says: Rain.');
  expect(asked).toEqual([{ city: 'Oslo' }]);
});

describe('chat completions', () => {
  it('answers whole', async () => {
    const answer = await client.chat.completions.create({ model: 'stub', messages: messages('Grüße 🎉') });
    expect(answer.choices[0]!.message).toEqual({ role: 'assistant', content: 'Grüße 🎉', refusal: null });
    expect(answer.choices[0]!.finish_reason).toBe('stop');
    expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
    expect(answer._request_id).toMatch(/^req_/);
  });

  it('takes its own answer back as history', async () => {
    const first = await client.chat.completions.create({ model: 'stub', messages: messages('one') });
    const second = await client.chat.completions.create({
      model: 'stub',
      messages: [...messages('one'), first.choices[0]!.message, ...messages('two')],
    });
    expect(second.choices[0]!.message.content).toBe('two');
  });

  it('streams whole characters, usage last', async () => {
    const stream = await client.chat.completions.create({
      model: 'stub',
      messages: messages('naïve 漢字 🎉'),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.delta.content ?? '';
      expect(piece).not.toContain('\uFFFD');
      text += piece;
      last = chunk;
    }
    expect(text).toBe('naïve 漢字 🎉');
    expect(last!.usage!.completion_tokens).toBeGreaterThan(3);
  });

  it('works through the streaming helper, which assembles the message', async () => {
    const runner = client.chat.completions.stream({ model: 'stub', messages: messages('assembled'), n: 2 });
    const final = await runner.finalChatCompletion();
    expect(final.choices.map((choice) => choice.message.content)).toEqual(['assembled', 'assembled']);
  });

  it('stops generating when the stream is aborted', async () => {
    const stream = await client.chat.completions.create({
      model: 'stub',
      messages: messages('word '.repeat(1500)),
      stream: true,
    });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 5) break;
    await expect.poll(() => model.stats().running).toBe(0);
    expect(chunks).toBe(5);
  });

  it('gives n choices, logprobs and stop', async () => {
    const answer = await client.chat.completions.create({
      model: 'stub',
      messages: messages('ab END cd'),
      n: 2,
      seed: 7,
      logprobs: true,
      top_logprobs: 2,
      stop: ' END',
    });
    expect(answer.choices.map((choice) => choice.message.content)).toEqual(['ab', 'ab']);
    const [first] = answer.choices[0]!.logprobs!.content!;
    expect(first).toMatchObject({ token: 'ab', bytes: [97, 98] });
    expect(first!.logprob).toBeLessThanOrEqual(0);
    expect(first!.top_logprobs).toHaveLength(2);
  });

  it('cuts at max_completion_tokens', async () => {
    const answer = await client.chat.completions.create({
      model: 'stub',
      messages: messages('one two three four'),
      max_completion_tokens: 3,
    });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'length',
      message: { content: 'one two three' },
    });
    expect(answer.usage!.completion_tokens).toBe(3);
  });
});

describe('completions', () => {
  it('answers whole, for several prompts, with echo', async () => {
    const answer = await client.completions.create({ model: 'stub', prompt: ['ab', 'cd'], echo: true });
    expect(answer.choices.map((choice) => choice.text)).toEqual(['abab', 'cdcd']);
  });

  it('streams', async () => {
    const stream = await client.completions.create({
      model: 'stub',
      prompt: 'abc',
      stream: true,
      logprobs: 1,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]!.text;
    expect(text).toBe('abc');
  });
});

describe('errors become the classes of the SDK', () => {
  const chat = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>) =>
    client.chat.completions.create({ model: 'stub', messages: messages('hi'), ...body });

  it('400 with param', async () => {
    const error = await chat({ temperature: 9 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, param: 'temperature', type: 'invalid_request_error' });
  });

  it('400 context_length_exceeded, streaming or not', async () => {
    for (const stream of [false, true]) {
      const call = client.chat.completions.create({
        model: 'stub',
        messages: messages('word '.repeat(3000)),
        stream,
      });
      const error = await Promise.resolve(call).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(OpenAI.BadRequestError);
      expect(error).toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
      expect((error as Error).message).toContain('2000');
    }
  });

  it('404 for an unknown model', async () => {
    await expect(chat({ model: 'none' })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.models.retrieve('none')).rejects.toThrow(OpenAI.NotFoundError);
  });

  it('401 for a wrong key', async () => {
    const other = client.withOptions({ apiKey: 'guess' });
    await expect(other.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it('says no to tools instead of forgetting them', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }];
    await expect(chat({ tools })).rejects.toMatchObject({ status: 400, param: 'tools' });
  });
});
