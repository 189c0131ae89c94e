import { createStubModel } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { events, post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { chatChunkSchema, chatResponseSchema } from './schemas/chat-response.ts';
import { createServer } from './server.ts';

const { app } = createServer({ models: providerOf([createStubModel()]), chatPage: false, onError: () => {} });
const schema = {
  type: 'object',
  properties: { ok: { type: 'boolean' }, n: { type: 'integer', minimum: 1, maximum: 99 } },
  required: ['ok', 'n'],
  additionalProperties: false,
};
const body = {
  model: 'stub',
  messages: [{ role: 'user', content: 'Say something that is no JSON' }],
  response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
};
const isAnswer = { ok: expect.any(Boolean) as unknown, n: expect.any(Number) as unknown };

describe('response_format', () => {
  it.each([1, 2, 3])('holds a whole answer to its schema (seed %i)', async (seed) => {
    const response = await post(app, '/v1/chat/completions', { ...body, seed });
    expect(response.status).toBe(200);
    const [choice] = chatResponseSchema.parse(await response.json()).choices;
    expect(choice!.finish_reason).toBe('stop');
    expect(JSON.parse(choice!.message.content!)).toEqual(isAnswer);
  });

  it('holds a streamed answer to it', async () => {
    const response = await post(app, '/v1/chat/completions', { ...body, stream: true });
    const deltas = (await events<unknown>(response)).map((one) => chatChunkSchema.parse(one));
    const text = deltas.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(JSON.parse(text)).toEqual(isAnswer);
  });

  it.each([
    ['Qwen and DeepSeek R1', '</think>'],
    ['gpt-oss', '<|channel|> <|message|>'],
    ['Command A', '<|START_THINKING|>'],
  ])('lets %s think first, and then holds the answer to it', async (_, marks) => {
    const models = providerOf([createStubModel({ marks })]);
    const thinking = createServer({ models, chatPage: false, onError: () => {} }).app;
    const thoughts: string[] = [];
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const response = await post(thinking, '/v1/chat/completions', { ...body, seed, stream: true });
      const deltas = (await events<unknown>(response)).flatMap((one) => chatChunkSchema.parse(one).choices);
      const all = (key: 'content' | 'reasoning_content') =>
        deltas.map(({ delta }) => delta[key] ?? '').join('');
      expect(JSON.parse(all('content'))).toEqual(isAnswer);
      thoughts.push(all('reasoning_content'));
    }
    expect(thoughts.some((text) => text !== '')).toBe(true);
    expect(thoughts.some((text) => text === '')).toBe(true);
  });

  it.each([
    [{ type: 'grammar', grammar: 'root ::= "[" [0-9]{2} "]"' }, /^\[\d{2}\]$/],
    [{ type: 'regex', pattern: 'ok|(?:no ){2}never' }, /^(?:ok|no no never)$/],
  ])('holds an answer to %j', async (format, expected) => {
    for (const stream of [false, true]) {
      const response = await post(app, '/v1/chat/completions', { ...body, response_format: format, stream });
      expect(response.status).toBe(200);
      const text = stream
        ? (await events<unknown>(response))
            .flatMap((one) => chatChunkSchema.parse(one).choices)
            .map(({ delta }) => delta.content ?? '')
            .join('')
        : chatResponseSchema.parse(await response.json()).choices[0]!.message.content;
      expect(text).toMatch(expected);
    }
  });

  it('says that an answer was cut off', async () => {
    const response = await post(app, '/v1/chat/completions', { ...body, max_tokens: 4 });
    const [choice] = chatResponseSchema.parse(await response.json()).choices;
    expect(choice!.finish_reason).toBe('length');
    expect(() => JSON.parse(choice!.message.content!) as unknown).toThrow();
  });

  it('makes an object of json_object, and refuses stop strings, which could cut it', async () => {
    const wanted = { ...body, response_format: { type: 'json_object' } };
    const response = await post(app, '/v1/chat/completions', { ...wanted, seed: 4 });
    const [choice] = chatResponseSchema.parse(await response.json()).choices;
    if (choice!.finish_reason === 'stop') expect(JSON.parse(choice!.message.content!)).toBeTypeOf('object');
    const refused = await post(app, '/v1/chat/completions', { ...wanted, stop: ['}'] });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { param: 'stop' } });
  });
});
