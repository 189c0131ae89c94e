import { createStubModel } from '@steelyard/engine/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { namedEvents, post } from '../../test/requests.ts';
import { createServer } from '../server.ts';
import { providerOf } from '../model-provider.ts';
import {
  messageEventSchema,
  messageSchema,
  type MessageEvent,
  type MessageObject,
} from '../schemas/message-object.ts';

const fake = fakeModel();
const thinker = createStubModel({
  name: 'thinker',
  marks: '<think> </think> <tool_call>',
  reply: () => '<think> so many thoughts </think> The answer.',
});
const ponderer = createStubModel({
  name: 'ponderer',
  marks: '<think> </think> <tool_call>',
  reply: () => `<think> ${'so '.repeat(1500)}</think> The answer.`,
});
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call>',
  reply: () =>
    'Wait. <tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>' +
    '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>',
});
const { app } = createServer({
  models: providerOf([fake, createStubModel(), thinker, ponderer, caller]),
  chatPage: false,
  onError: () => {},
});

const hi = [{ role: 'user', content: 'hi there' }];
const weather = {
  name: 'weather',
  description: 'The weather now.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

async function whole(body: object): Promise<MessageObject> {
  const response = await post(app, '/v1/messages', { model: 'stub', max_tokens: 50, messages: hi, ...body });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return messageSchema.strict().parse(JSON.parse(text));
}

async function streamed(body: object): Promise<MessageEvent[]> {
  const all = { model: 'stub', max_tokens: 50, messages: hi, stream: true, ...body };
  const response = await post(app, '/v1/messages', all);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const events = await namedEvents<MessageEvent>(response);
  for (const event of events) messageEventSchema.parse(event);
  return events;
}

async function refused(body: object, path = '/v1/messages'): Promise<{ status: number; message: string }> {
  const all = { model: 'stub', max_tokens: 50, messages: hi, ...body };
  const response = await post(app, path, all);
  const { type, error, request_id } = (await response.json()) as {
    type: string;
    error: { type: string; message: string };
    request_id: string;
  };
  expect(type).toBe('error');
  expect(request_id).toBe(response.headers.get('request-id'));
  return { status: response.status, ...error };
}

describe('a message', () => {
  it('is whole', async () => {
    const message = await whole({});
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'stub',
      content: [{ type: 'text', text: 'hi there' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
    });
    expect(message.id).toMatch(/^msg_/);
    expect(message.usage.input_tokens).toBeGreaterThan(0);
  });

  it('counts tokens from the cache apart', async () => {
    const { usage } = await whole({ model: 'fake', messages: [{ role: 'user', content: 'a b c d e' }] });
    expect(usage).toMatchObject({ input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 3 });
  });

  it('streams the same in events', async () => {
    const events = await streamed({});
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'ping',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const [start] = events;
    const counted = await post(app, '/v1/messages/count_tokens', { model: 'stub', messages: hi });
    const { input_tokens } = (await counted.json()) as { input_tokens: number };
    expect(start).toMatchObject({ message: { content: [], stop_reason: null, usage: { input_tokens } } });
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'end_turn' }, usage: { input_tokens } });
  });

  it('says what ended it', async () => {
    const text = [{ role: 'user', content: 'one two three four' }];
    expect(await whole({ messages: text, max_tokens: 2 })).toMatchObject({
      content: [{ text: 'one two' }],
      stop_reason: 'max_tokens',
    });
    expect(await whole({ messages: text, stop_sequences: [' three'] })).toMatchObject({
      content: [{ text: 'one two' }],
      stop_reason: 'stop_sequence',
      stop_sequence: ' three',
    });
  });

  it('hands the model what was said, in the words of templates', async () => {
    await whole({
      model: 'fake',
      system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral' } }],
      tools: undefined,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Look' }, document('the text')] },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'hm', signature: 'x' },
            { type: 'text', text: 'I ask.' },
            { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Oslo' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't1', content: 'no line', is_error: true },
            { type: 'text', text: 'So?' },
          ],
        },
      ],
      temperature: 0.5,
      top_k: 3,
    });
    const { prompt, options } = fake.asked.at(-1)!;
    expect(prompt).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Look\nthe text' },
      {
        role: 'assistant',
        content: 'I ask.',
        reasoning_content: 'hm',
        tool_calls: [
          { id: 't1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 't1', content: 'Error: no line' },
      { role: 'user', content: 'So?' },
    ]);
    expect(options).toMatchObject({ maxTokens: 50, sampling: { temperature: 0.5, topK: 3 } });
  });

  it('goes on from a last message of the assistant', async () => {
    await whole({ model: 'fake', messages: [...hi, { role: 'assistant', content: 'Once upon' }] });
    const { prompt, options } = fake.asked.at(-1)!;
    expect(prompt).toEqual(hi);
    expect(options.answerPrefix).toBe('Once upon');
  });
});

describe('thinking', () => {
  it('comes in blocks of its own, signed', async () => {
    const { content, usage } = await whole({ model: 'thinker', thinking: { type: 'adaptive' } });
    expect(content).toMatchObject([
      { type: 'thinking', thinking: 'so many thoughts' },
      { type: 'text', text: 'The answer.' },
    ]);
    expect(usage.output_tokens_details.thinking_tokens).toBeGreaterThan(0);
    const events = await streamed({ model: 'thinker', thinking: { type: 'adaptive' } });
    const deltas = events.flatMap((event) => (event.type === 'content_block_delta' ? event.delta.type : []));
    expect([...new Set(deltas)]).toEqual(['thinking_delta', 'signature_delta', 'text_delta']);
  });

  it('keeps to its budget', async () => {
    const { content } = await whole({
      model: 'ponderer',
      thinking: { type: 'enabled', budget_tokens: 1024 },
      max_tokens: 2000,
    });
    const [thoughts, answer] = content;
    expect(thoughts?.type === 'thinking' && thoughts.thinking.split(' ')).toHaveLength(1024);
    expect(answer).toMatchObject({ text: 'The answer.' });
    const none = await whole({ model: 'thinker', thinking: { type: 'disabled' } });
    expect(none.content).toMatchObject([{ text: 'The answer.' }]);
  });

  it('may stay hidden, and is given back by its signature', async () => {
    const display = 'omitted';
    const { content } = await whole({ model: 'thinker', thinking: { type: 'adaptive', display } });
    expect(content[0]).toMatchObject({ type: 'thinking', thinking: '' });
    await whole({ model: 'fake', messages: [...hi, { role: 'assistant', content }, ...hi] });
    expect(fake.asked.at(-1)!.prompt[1]).toMatchObject({ reasoning_content: 'so many thoughts' });
  });
});

describe('tools', () => {
  let calls: MessageObject;
  beforeAll(async () => {
    calls = await whole({ model: 'caller', tools: [weather] });
  });

  it('are called in blocks, several at a time unless forbidden', async () => {
    expect(calls).toMatchObject({
      content: [
        { type: 'text', text: 'Wait.' },
        { type: 'tool_use', name: 'weather', input: { city: 'Oslo' } },
        { type: 'tool_use', name: 'weather', input: { city: 'Rome' } },
      ],
      stop_reason: 'tool_use',
    });
    const tool_choice = { type: 'auto', disable_parallel_tool_use: true };
    expect((await whole({ model: 'caller', tools: [weather], tool_choice })).content).toHaveLength(2);
  });

  it('stream their input as JSON, while it is written', async () => {
    const events = await streamed({ model: 'caller', tools: [weather] });
    const pieces = new Map<number, string[]>();
    for (const event of events) {
      if (event.type !== 'content_block_delta' || event.delta.type !== 'input_json_delta') continue;
      pieces.set(event.index, [...(pieces.get(event.index) ?? []), event.delta.partial_json]);
    }
    const inputs = [...pieces.values()];
    expect(inputs.map((all) => JSON.parse(all.join('')) as unknown)).toEqual([
      { city: 'Oslo' },
      { city: 'Rome' },
    ]);
    for (const all of inputs) expect(all.length).toBeGreaterThan(1);
  });

  it.each([{ type: 'any' }, { type: 'tool', name: 'weather' }])('must be called: %o', async (tool_choice) => {
    const { content, stop_reason } = await whole({
      model: 'caller',
      max_tokens: 500,
      tools: [{ ...weather, input_schema: { ...weather.input_schema, additionalProperties: false } }],
      tool_choice,
    });
    expect(content.map(({ type }) => type)).toEqual(['tool_use']);
    expect(stop_reason).toBe('tool_use');
  });

  it('are left alone with none', async () => {
    const { content } = await whole({ model: 'caller', tools: [weather], tool_choice: { type: 'none' } });
    expect(content.map(({ type }) => type)).toEqual(['text']);
  });
});

it('holds an answer to a schema', async () => {
  const schema = {
    type: 'object',
    properties: { yes: { type: 'boolean' } },
    required: ['yes'],
    additionalProperties: false,
  };
  const { content } = await whole({ output_config: { format: { type: 'json_schema', schema } } });
  expect(JSON.parse((content[0] as { text: string }).text)).toHaveProperty('yes');
});

function document(data: string) {
  return { type: 'document', source: { type: 'text', media_type: 'text/plain', data } };
}

describe('refusals, in the shape of Anthropic', () => {
  it.each([
    [{ max_tokens: undefined }, 'max_tokens'],
    [{ max_tokens: 0 }, 'max_tokens'],
    [{ temperature: 1.5 }, 'temperature'],
    [{ messages: [] }, 'messages'],
    [{ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }, 'image'],
    [{ messages: [...hi, { role: 'assistant', content: 'so ' }] }, 'white space'],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'web_search_20250305'],
    [{ tools: [weather] }, 'calls no tools'],
    [{ tools: [weather], model: 'caller', tool_choice: { type: 'tool', name: 'other' } }, "'other'"],
    [{ thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 1024 }, 'budget_tokens'],
    [{ thinking: { type: 'enabled', budget_tokens: 1023 }, max_tokens: 2000 }, 'budget_tokens'],
    [{ thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 }, "'stub' does not think"],
    [{ output_config: { format: { type: 'json_schema', schema: { type: 'odd' } } } }, 'schema'],
    [{ context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }, 'clear_tool_uses'],
    [{ anything: 1 }, 'anything'],
    [
      { messages: [...hi, { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't9' }] }] },
      "'t9' is no call",
    ],
    [
      {
        messages: [
          ...hi,
          { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }] },
          ...hi,
        ],
      },
      "'t1' of the message before has no result",
    ],
  ])('%o', async (body, words) => {
    const error = await refused(body);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(error.message).toContain(words);
  });

  it('of a model that is not there', async () => {
    const error = { status: 404, type: 'not_found_error' };
    expect(await refused({ model: 'none' })).toMatchObject(error);
    expect(
      await refused({ model: 'none', max_tokens: undefined }, '/v1/messages/count_tokens'),
    ).toMatchObject(error);
  });

  it('of another method, by the path; and elsewhere by the header', async () => {
    const wrong = await app.request('/v1/messages');
    expect(wrong.status).toBe(405);
    expect(await wrong.json()).toMatchObject({ type: 'error' });
    const headers = { 'anthropic-version': '2023-06-01' };
    expect(await (await app.request('/v1/none', { headers })).json()).toMatchObject({ type: 'error' });
    expect(await (await app.request('/v1/none')).json()).toHaveProperty('error.code', 'unknown_url');
  });

  it('in a stream that fails on its way', async () => {
    const broken = fakeModel({ name: 'broken', failAt: { index: 1, error: new Error('boom') } });
    const server = createServer({ models: providerOf([broken]), chatPage: false, onError: () => {} });
    const body = { model: 'broken', max_tokens: 9, messages: hi, stream: true };
    const text = await (await post(server.app, '/v1/messages', body)).text();
    expect(text).toMatch(/event: error\ndata: {"type":"error","error":{"type":"api_error"/);
    expect(text).not.toContain('message_stop');
  });
});
