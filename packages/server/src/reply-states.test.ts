/**
 * What an answer may be at each point where a model's words could lead it astray: thoughts before a required call, text
 * before thoughts, headers in another order, constraints that cannot be held to. Whole and streaming, in both APIs.
 */

import { createStubModel } from '@steelyard/engine/testing';
import type { LanguageModel } from '@steelyard/engine';
import { UnsupportedError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { events, namedEvents, post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { chatChunkSchema, chatResponseSchema } from './schemas/chat-response.ts';
import type { ResponseEvent } from './schemas/response-events.ts';
import type { ResponseObject } from './schemas/response-object.ts';
import { createServer } from './server.ts';

const QWEN = '<tool_call> <think> </think>';
const HARMONY = '<|channel|> <|message|>';
const CALL = '<tool_call>\n{"name": "count", "arguments": {"n": 3}}\n</tool_call>';

/** What an answer holds, whichever API gave it. */
interface Told {
  reasoning: string;
  content: string;
  calls: { name: string; arguments: unknown }[];
  /** In words of chat completions. */
  finish: string;
}

interface Ask {
  readonly content?: string;
  readonly schema?: object;
  readonly required?: boolean;
  readonly maxTokens?: number;
}

const parameters = {
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
  additionalProperties: false,
};
const schema = parameters;

function serverOf(model: LanguageModel) {
  return createServer({ models: providerOf([model]), chatPage: false, onError: () => {} }).app;
}

function chatBody({ content = 'Count.', schema, required, maxTokens }: Ask) {
  return {
    model: 'stub',
    messages: [{ role: 'user', content }],
    ...(schema
      ? { response_format: { type: 'json_schema', json_schema: { name: 'n', schema, strict: true } } }
      : { tools: [{ type: 'function', function: { name: 'count', parameters } }] }),
    ...(required ? { tool_choice: 'required' } : {}),
    ...(maxTokens ? { max_tokens: maxTokens } : {}),
  };
}

function responseBody({ content = 'Count.', schema, required, maxTokens }: Ask) {
  return {
    model: 'stub',
    input: content,
    ...(schema
      ? { text: { format: { type: 'json_schema', name: 'n', schema, strict: true } } }
      : { tools: [{ type: 'function', name: 'count', parameters, strict: false }] }),
    ...(required ? { tool_choice: 'required' } : {}),
    ...(maxTokens ? { max_output_tokens: maxTokens } : {}),
  };
}

type Way = (reply: string, marks: string, ask: Ask) => Promise<Told>;

const said = (reply: string, marks: string) => serverOf(createStubModel({ marks, reply: () => reply }));

async function chat(reply: string, marks: string, ask: Ask): Promise<Told> {
  const response = await post(said(reply, marks), '/v1/chat/completions', chatBody(ask));
  expect(response.status).toBe(200);
  const { message, finish_reason } = chatResponseSchema.parse(await response.json()).choices[0]!;
  return {
    reasoning: message.reasoning_content ?? '',
    content: message.content ?? '',
    calls: (message.tool_calls ?? []).map(({ function: { name, arguments: args } }) => ({
      ...{ name, arguments: JSON.parse(args) as unknown },
    })),
    finish: finish_reason,
  };
}

async function streamedChat(reply: string, marks: string, ask: Ask): Promise<Told> {
  const body = { ...chatBody(ask), stream: true };
  const chunks = await events<unknown>(await post(said(reply, marks), '/v1/chat/completions', body));
  const choices = chunks.flatMap((chunk) => chatChunkSchema.parse(chunk).choices);
  const joined = (key: 'content' | 'reasoning_content') =>
    choices.map(({ delta }) => delta[key] ?? '').join('');
  const calls: { name: string; text: string }[] = [];
  for (const { index, function: piece } of choices.flatMap(({ delta }) => delta.tool_calls ?? []))
    (calls[index] ??= { name: piece.name!, text: '' }).text += piece.arguments;
  // A required call comes after the thoughts that led to it.
  const thought = choices.findLastIndex(({ delta }) => delta.reasoning_content);
  const called = choices.findIndex(({ delta }) => delta.tool_calls);
  if (ask.required && called >= 0) expect(thought).toBeLessThan(called);
  return {
    reasoning: joined('reasoning_content'),
    content: joined('content'),
    calls: calls.map(({ name, text }) => ({ name, arguments: JSON.parse(text) as unknown })),
    finish: choices.at(-1)!.finish_reason!,
  };
}

function toldBy({ output, status, incomplete_details: why }: ResponseObject): Told {
  const texts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const thoughts = output.flatMap((item) => (item.type === 'reasoning' ? (item.content ?? []) : []));
  const calls = output.flatMap((item) =>
    item.type === 'function_call'
      ? [{ name: item.name, arguments: JSON.parse(item.arguments) as unknown }]
      : [],
  );
  const ended = calls.length > 0 ? 'tool_calls' : 'stop';
  return {
    reasoning: thoughts.map(({ text }) => text).join(''),
    content: texts.map((part) => ('text' in part ? part.text : '')).join(''),
    calls,
    finish: status === 'incomplete' && why?.reason === 'max_output_tokens' ? 'length' : ended,
  };
}

async function whole(reply: string, marks: string, ask: Ask): Promise<Told> {
  const response = await post(said(reply, marks), '/v1/responses', responseBody(ask));
  expect(response.status).toBe(200);
  return toldBy((await response.json()) as ResponseObject);
}

async function streamedResponse(reply: string, marks: string, ask: Ask): Promise<Told> {
  const body = { ...responseBody(ask), stream: true };
  const all = await namedEvents<ResponseEvent>(await post(said(reply, marks), '/v1/responses', body));
  const last = all.at(-1)!;
  if (last.type !== 'response.completed' && last.type !== 'response.incomplete')
    throw new Error(`the stream ends with ${last.type}`);
  const told = toldBy(last.response);
  const deltas = (type: ResponseEvent['type']) =>
    all.map((event) => (event.type === type && 'delta' in event ? event.delta : '')).join('');
  expect(deltas('response.output_text.delta')).toBe(told.content);
  expect(deltas('response.reasoning_text.delta')).toBe(told.reasoning);
  const args = deltas('response.function_call_arguments.delta');
  if (told.calls.length === 1) expect(JSON.parse(args)).toEqual(told.calls[0]!.arguments);
  return told;
}

const ways: [string, Way][] = [
  ['chat', chat],
  ['streamed chat', streamedChat],
  ['response', whole],
  ['streamed response', streamedResponse],
];

describe.each(ways)('%s', (_, ask) => {
  it('thinks before a required call', async () => {
    expect(await ask(`<think> Three. </think>\n\n${CALL}`, QWEN, { required: true })).toEqual({
      reasoning: 'Three.',
      content: '',
      calls: [{ name: 'count', arguments: { n: expect.any(Number) as unknown } }],
      finish: 'tool_calls',
    });
  });

  it('thinks before a required call where the prompt has opened the thoughts', async () => {
    const told = await ask(`Three. </think>\n\n${CALL}`, QWEN, { required: true, content: 'Count. <think>' });
    expect(told).toMatchObject({ reasoning: 'Three.', content: '', calls: [{ name: 'count' }] });
  });

  it('makes the required call though the model goes on in words', async () => {
    const told = await ask('<think> Three. </think>\n\nI would rather say it in words.', QWEN, {
      required: true,
    });
    expect(told).toMatchObject({ reasoning: 'Three.', content: '', finish: 'tool_calls' });
    expect(told.calls).toEqual([{ name: 'count', arguments: { n: expect.any(Number) as unknown } }]);
  });

  it('says that it was cut off within thoughts, without a call', async () => {
    const told = await ask(`<think> a b c d e f g </think>\n\n${CALL}`, QWEN, {
      required: true,
      maxTokens: 4,
    });
    expect(told).toMatchObject({ content: '', calls: [], finish: 'length' });
    expect(told.reasoning).toMatch(/^a b/);
  });

  it('has no text before its thoughts under a schema', async () => {
    const told = await ask('Sure, here it is. <think> Three. </think>\n\n{"n": 3}', QWEN, { schema });
    expect(told.finish).toBe('stop');
    expect(JSON.parse(told.content)).toEqual({ n: expect.any(Number) as unknown });
    expect(told.content + told.reasoning).not.toContain('Sure');
  });

  it('keeps thoughts out of an answer under a schema', async () => {
    expect(await ask('<think> Three. </think>\n\n{"n": 3}', QWEN, { schema })).toEqual({
      reasoning: 'Three.',
      content: expect.stringMatching(/^\{"n": ?-?\d+\}$/) as unknown,
      calls: [],
      finish: 'stop',
    });
  });

  it('shows text before thoughts as text where nothing is held to', async () => {
    const told = await ask(`Let me see. <think> Three. </think> ${CALL}`, QWEN.replace(' <think>', ''), {});
    expect(told).toMatchObject({ reasoning: 'Three.', content: 'Let me see.', calls: [{ name: 'count' }] });
  });

  const call = '<|message|>{"n": 3}';
  it.each([
    ['the recipient behind the channel', `<|channel|>commentary to=functions.count <|constrain|>json${call}`],
    ['the recipient before the channel', ` to=functions.count<|channel|>commentary <|constrain|>json${call}`],
    ['the format before the recipient', `<|channel|>commentary <|constrain|>json to=functions.count${call}`],
    ['a recipient in the channel of thoughts', `<|channel|>analysis to=functions.count${call}`],
    ['no channel', ` to=functions.count${call}`],
    [
      'thoughts after a word to the reader',
      `<|channel|>commentary<|message|>I count.<|end|><|start|>assistant<|channel|>analysis<|message|>Three.<|end|><|start|>assistant to=functions.count<|channel|>commentary${call}`,
    ],
  ])('reads a call of gpt-oss with %s', async (__, reply) => {
    const told = await ask(`<|start|>assistant${reply}`, HARMONY, {});
    expect(told.calls).toEqual([{ name: 'count', arguments: { n: 3 } }]);
    expect(told.finish).toBe('tool_calls');
    expect(told.content).toBe(reply.includes('I count.') ? 'I count.' : '');
  });

  it('reads the answer of gpt-oss before and after its thoughts', async () => {
    const told = await ask(
      '<|channel|>final<|message|>First.<|end|><|start|>assistant<|channel|>final<|message|> Second.',
      HARMONY,
      {},
    );
    expect(told).toMatchObject({ reasoning: '', calls: [], finish: 'stop' });
    expect(told.content).toMatch(/^First\.\s*Second\.$/);
  });

  it('cuts an answer under a schema only with the reason length', async () => {
    const told = await ask('{"n": 3}', QWEN, { schema, maxTokens: 1 });
    expect(told.finish).toBe('length');
    expect(() => JSON.parse(told.content) as unknown).toThrow();
  });
});

/** A model that can be asked, and whose engine fails before or after some text. */
function failing(error: Error, after: string | undefined): LanguageModel {
  const model = createStubModel({ marks: QWEN });
  async function* chat(): AsyncGenerator<never> {
    await Promise.resolve();
    if (after !== undefined) yield { type: 'text', text: after, tokens: [1] } as never;
    throw error;
  }
  return { ...model, info: model.info, chat: () => chat() };
}

const unknownFormat = { type: 'object', properties: { a: { $ref: 'https://example.com/other.json' } } };

describe.each([
  ['chat', '/v1/chat/completions', chatBody],
  ['responses', '/v1/responses', responseBody],
] as const)('constraints fail closed in %s', (_, path, bodyOf) => {
  it.each([false, true])('where a schema cannot be held to (stream: %s)', async (stream) => {
    const body = { ...bodyOf({ schema: unknownFormat }), stream };
    const response = await post(said('{"a": 1}', QWEN), path, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_json_schema' } });
  });

  it.each([
    [new UnsupportedError('the grammar library cannot run here'), 400],
    [new Error('out of memory'), 500],
  ])('where the engine cannot make the constraint (%s)', async (error, status) => {
    for (const stream of [false, true]) {
      const response = await post(serverOf(failing(error, undefined)), path, {
        ...bodyOf({ schema }),
        stream,
      });
      if (stream && path === '/v1/responses' && response.status === 200) {
        const all = await namedEvents<ResponseEvent>(response);
        expect(all.at(-1)!.type).toBe('response.failed');
        continue;
      }
      expect(response.status).toBe(status);
      expect(Object.keys((await response.json()) as object)).toEqual(['error']);
    }
  });

  it('where the engine fails on the way', async () => {
    const app = serverOf(failing(new Error('lost'), '{"n": '));
    const response = await post(app, path, bodyOf({ schema }));
    expect(response.status).toBe(500);
    expect(Object.keys((await response.json()) as object)).toEqual(['error']);
    const text = await (await post(app, path, { ...bodyOf({ schema }), stream: true })).text();
    expect(text).not.toContain('"finish_reason":"stop"');
    expect(text).not.toContain('response.completed');
    expect(text).toMatch(/"error"|response\.failed/);
  });
});
