/** Responses without storage: what is asked of the model, what comes back, and what is refused. */

import { RequestError } from '@steelyard/core';
import { createStubModel, type StubOptions } from '@steelyard/engine/testing';
import { describe, expect, it } from 'vitest';
import { fakeModel, pause, type FakeOptions } from '../../test/fake-model.ts';
import { namedEvents, post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import { responseEventSchema, type ResponseEvent } from '../schemas/response-events.ts';
import { responseSchema, type ResponseObject } from '../schemas/response-object.ts';
import { createServer } from '../server.ts';

function serverWith(options: FakeOptions = {}) {
  const model = fakeModel(options);
  const { app } = createServer({ models: providerOf([model]), chatPage: false, onError: () => {} });
  return {
    model,
    ...asker((body) => post(app, '/v1/responses', { model: 'fake', input: 'Say hello', ...body })),
  };
}

function stubServer(options: StubOptions) {
  const { app } = createServer({ models: providerOf([createStubModel(options)]), chatPage: false });
  return asker((body) => post(app, '/v1/responses', { model: 'stub', input: 'Weather in Oslo?', ...body }));
}

/** Strict about what comes back: every object and event is of its schema, and holds nothing else. */
function asker(ask: (body: object) => Promise<Response>) {
  return {
    ask,
    whole: async (body: object = {}): Promise<ResponseObject> => {
      const response = await ask(body);
      expect(response.status).toBe(200);
      const answer: unknown = await response.json();
      expect(responseSchema.parse(answer)).toEqual(answer);
      return answer as ResponseObject;
    },
    streamed: async (body: object = {}): Promise<ResponseEvent[]> => {
      const events = await namedEvents<ResponseEvent>(await ask({ stream: true, ...body }));
      for (const event of events) expect(responseEventSchema.parse(event)).toEqual(event);
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
      return events;
    },
  };
}

async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}

const types = (events: readonly ResponseEvent[]) => events.map(({ type }) => type.replace('response.', ''));
/** The same for answers to the same request, at any time. */
const withoutIds = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, one: unknown) =>
      ['id', 'item_id', 'call_id', 'created_at', 'completed_at'].includes(key) ? '' : one,
    ),
  );

describe('whole answers', () => {
  it('has the message, the usage and what was asked', async () => {
    const { whole } = serverWith();
    const answer = await whole({
      instructions: 'Be kind',
      metadata: { a: 'b' },
      user: 'me',
      temperature: 0.5,
    });
    expect(answer).toMatchObject({
      object: 'response',
      status: 'completed',
      model: 'fake',
      instructions: 'Be kind',
      metadata: { a: 'b' },
      user: 'me',
      temperature: 0.5,
      top_p: 1,
      // Nothing can be kept here.
      store: false,
      error: null,
      incomplete_details: null,
      text: { format: { type: 'text' } },
      usage: {
        input_tokens: 4,
        input_tokens_details: { cached_tokens: 2, cache_write_tokens: 0 },
        output_tokens: 3,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 7,
      },
    });
    expect(answer.id).toMatch(/^resp_[0-9a-f]{32}$/);
    expect(answer.output).toEqual([
      {
        id: expect.stringMatching(/^msg_/) as string,
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Hello world!', annotations: [], logprobs: [] }],
      },
    ]);
  });

  it('says when the length ended it', async () => {
    const { whole, streamed } = serverWith();
    const answer = await whole({ max_output_tokens: 2 });
    expect(answer).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      completed_at: null,
      output: [{ status: 'incomplete', content: [{ text: 'Hello world' }] }],
    });
    expect(types(await streamed({ max_output_tokens: 2 })).at(-1)).toBe('incomplete');
  });

  it('has an empty message where the model said nothing', async () => {
    const answer = await serverWith({ pieces: [] }).whole();
    expect(answer.output).toMatchObject([{ type: 'message', content: [{ text: '' }] }]);
  });

  it('hands the engine what was asked', async () => {
    const { whole, model } = serverWith();
    await whole({
      temperature: 0.5,
      top_p: 0.9,
      seed: 3,
      max_output_tokens: 9,
      top_logprobs: 3,
      reasoning: { effort: 'low', summary: 'auto' },
      tools: [{ type: 'function', name: 'f', parameters: { type: 'object' }, strict: false }],
    });
    expect(model.asked[0]!.options).toMatchObject({
      maxTokens: 9,
      logprobs: 3,
      reasoningEffort: 'low',
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
      sampling: { temperature: 0.5, topP: 0.9, seed: 3 },
    });
  });

  it('reports log-probabilities where they are included', async () => {
    const { whole, streamed } = serverWith({ pieces: ['é'] });
    const logprobs = [{ token: 'é', logprob: -0.5, bytes: [195, 169], top_logprobs: [] }];
    const include = ['message.output_text.logprobs'];
    expect((await whole({ include })).output).toMatchObject([{ content: [{ logprobs }] }]);
    // OpenAI's events have no bytes.
    const { bytes: _bytes, ...inEvent } = logprobs[0]!;
    const events = await streamed({ include });
    const delta = events.find(({ type }) => type === 'response.output_text.delta');
    expect(delta).toMatchObject({ logprobs: [inEvent] });
    expect(JSON.stringify(delta)).not.toContain('bytes');
  });
});

describe('messages for the model', () => {
  const prompt = async (body: object) => {
    const { whole, model } = serverWith();
    await whole(body);
    return model.asked[0]!.prompt;
  };

  it('puts one system message first', async () => {
    const input = [
      { role: 'developer', content: 'Be brief' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'one' },
          { type: 'input_text', text: 'two' },
        ],
      },
    ];
    expect(await prompt({ instructions: 'Be kind', input })).toEqual([
      { role: 'system', content: 'Be kind\n\nBe brief' },
      { role: 'user', content: 'one\ntwo' },
    ]);
  });

  it('makes one message of the thoughts, text and calls of a turn', async () => {
    const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' });
    const result = (id: string) => ({ type: 'function_call_output', call_id: id, output: `got ${id}` });
    const input = [
      { role: 'user', content: 'Do' },
      { type: 'reasoning', id: 'rs_1', summary: [], content: [{ type: 'reasoning_text', text: 'Hm' }] },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Well', annotations: [] }],
      },
      call('a'),
      call('b'),
      result('a'),
      result('b'),
      { role: 'assistant', content: 'Done' },
      { role: 'user', content: 'Thanks' },
    ];
    const toolCall = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } });
    expect(await prompt({ input })).toEqual([
      { role: 'user', content: 'Do' },
      {
        role: 'assistant',
        content: 'Well',
        reasoning_content: 'Hm',
        tool_calls: [toolCall('a'), toolCall('b')],
      },
      { role: 'tool', tool_call_id: 'a', content: 'got a' },
      { role: 'tool', tool_call_id: 'b', content: 'got b' },
      { role: 'assistant', content: 'Done' },
      { role: 'user', content: 'Thanks' },
    ]);
  });
});

describe('streams', () => {
  it('are padded to an even length where that is asked for', async () => {
    const { streamed } = serverWith({ pieces: ['a', 'bcdefgh', 'ijk'] });
    const events = await streamed({ stream_options: { include_obfuscation: true } });
    const deltas = events.filter((event) => 'delta' in event);
    expect(deltas).toHaveLength(3);
    for (const event of deltas) expect(JSON.stringify(event).length % 64).toBe(0);
    expect(events.filter((event) => 'obfuscation' in event)).toEqual(deltas);
  });

  it('tells a text event by event', async () => {
    const server = serverWith({ pieces: ['Hi', ' you'] });
    const events = await server.streamed();
    expect(types(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    expect(events[4]).toMatchObject({ delta: 'Hi', output_index: 0, content_index: 0 });
    expect(events[6]).toMatchObject({ text: 'Hi you' });
    const last = events.at(-1) as Extract<ResponseEvent, { type: 'response.completed' }>;
    expect(withoutIds(last.response)).toEqual(withoutIds(await server.whole()));
    expect((events[0] as typeof last).response).toMatchObject({
      id: last.response.id,
      status: 'in_progress',
      output: [],
    });
  });

  it('answers an error before the first event with its status', async () => {
    const { ask } = serverWith({ contextLength: 1 });
    expect(await errorOf(await ask({ stream: true }))).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'input',
    });
  });

  it('ends as failed after an error in the middle, and shows no secrets', async () => {
    const broken = { failAt: { index: 1, error: new Error('secret detail') } };
    const events = await serverWith(broken).streamed();
    expect(types(events).slice(-2)).toEqual(['output_item.done', 'failed']);
    expect(events.at(-1)).toMatchObject({
      response: { status: 'failed', error: { code: 'server_error' }, output: [{ status: 'incomplete' }] },
    });
    expect(JSON.stringify(events)).not.toContain('secret');
    expect(await errorOf(await serverWith(broken).ask({}))).toMatchObject({ status: 500 });
  });

  it('stops the model when the reader leaves', async () => {
    const { ask, model } = serverWith({ pieces: Array(1000).fill('x') as string[], pace: pause(1) });
    const reader = (await ask({ stream: true })).body!.getReader();
    await reader.read();
    await reader.cancel();
    await expect.poll(() => model.aborted()).toBe(1);
  });
});

describe('reasoning and tools', () => {
  const call = (city: string) =>
    `<tool_call>\n{"name": "weather", "arguments": {"city": "${city}"}}\n</tool_call>`;
  const tools = [{ type: 'function', name: 'weather', parameters: { type: 'object' } }];
  const server = stubServer({
    marks: '<tool_call> </think>',
    reply: () => `<think>Two cities.</think>\nOne moment.\n${call('Oslo')}\n${call('Rome')}`,
  });

  it('come as items of their own, streaming as whole', async () => {
    const answer = await server.whole({ tools });
    expect(answer.output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Two cities.' }] },
      { type: 'message', content: [{ text: 'One moment.' }] },
      { type: 'function_call', name: 'weather', arguments: '{"city": "Oslo"}', status: 'completed' },
      { type: 'function_call', name: 'weather', arguments: '{"city": "Rome"}', status: 'completed' },
    ]);
    expect(answer.usage!.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    const events = await server.streamed({ tools });
    const last = events.at(-1) as Extract<ResponseEvent, { type: 'response.completed' }>;
    expect(withoutIds(last.response)).toEqual(withoutIds(answer));
    expect([...new Set(types(events))]).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'reasoning_text.delta',
      'reasoning_text.done',
      'content_part.done',
      'output_item.done',
      'output_text.delta',
      'output_text.done',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'completed',
    ]);
  });

  it('tell arguments while they are written, of calls in one list too', async () => {
    const list = '[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {"b": [2]}}]';
    const lister = stubServer({ marks: '<tool_calls>', reply: () => `<tool_calls>${list}</tool_calls>` });
    const answer = await lister.whole({ tools });
    expect(answer.output).toMatchObject([
      { type: 'function_call', name: 'f', arguments: '{"a": 1}', status: 'completed' },
      { type: 'function_call', name: 'g', arguments: '{"b": [2]}', status: 'completed' },
    ]);
    const events = await lister.streamed({ tools });
    for (const [output_index, item] of answer.output.entries()) {
      const pieces = events.flatMap((event) =>
        event.type === 'response.function_call_arguments.delta' && event.output_index === output_index
          ? [event.delta]
          : [],
      );
      expect(pieces.length).toBeGreaterThan(1);
      expect(pieces.join('')).toBe((item as { arguments: string }).arguments);
    }
  });

  it('take a call that came to nothing for one, and its text for a message', async () => {
    const broken = '<tool_call>{"name": "f", "arguments": {"a": </tool_call>';
    const answer = await stubServer({ marks: '<tool_call>', reply: () => broken }).whole({ tools });
    expect(answer.output).toMatchObject([
      { type: 'function_call', name: 'f', arguments: '{"a": ', status: 'incomplete' },
      { type: 'message', content: [{ text: broken }] },
    ]);
  });

  it('make one call where they may not be parallel', async () => {
    const { output } = await server.whole({ tools, parallel_tool_calls: false });
    expect(output.filter(({ type }) => type === 'function_call')).toHaveLength(1);
  });

  it('carry thoughts for those who keep their own history', async () => {
    const asked: unknown[] = [];
    const thinker = stubServer({
      marks: '</think>',
      reply: (given) => {
        asked.push(given);
        return '<think>Grüße.</think>Yes.';
      },
    });
    const { output } = await thinker.whole({ include: ['reasoning.encrypted_content'] });
    const [thought] = output as [Extract<(typeof output)[number], { type: 'reasoning' }>];
    const { content: _, ...sealed } = thought;
    await thinker.whole({
      input: [{ role: 'user', content: 'One' }, sealed, output[1], { role: 'user', content: 'Two' }],
    });
    expect(asked.at(-1)).toMatchObject([{}, { reasoning_content: 'Grüße.', content: 'Yes.' }, {}]);
    const content = sealed.encrypted_content!;
    expect(Buffer.from(content.split('.')[1]!, 'base64url').includes('Grüße')).toBe(false);
    const tampered = content.slice(0, -3) + (content.endsWith('AAA') ? 'BBB' : 'AAA');
    const plain = `steelyard.${Buffer.from('Grüße.').toString('base64url')}`;
    for (const encrypted_content of ['gAAAA', tampered, plain]) {
      const foreign = { ...sealed, encrypted_content };
      expect(await errorOf(await thinker.ask({ input: [foreign] }))).toMatchObject({
        status: 400,
        param: 'input[0].encrypted_content',
      });
    }
  });

  const typed = (name: string, properties: object) => ({
    type: 'function',
    name,
    strict: true,
    parameters: {
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
  });
  const two = [typed('on', { ok: { type: 'boolean' } }), typed('count', { n: { type: 'integer' } })];
  const babble = stubServer({ marks: '<tool_call> </think>', reply: () => 'unused' });

  it.each([
    ['required', 'required', /on|count/],
    ['named', { type: 'function', name: 'count' }, /count/],
    ['allowed', { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'on' }] }, /on/],
  ])('are forced to a call that is %s', async (_, choice, name) => {
    for (const seed of [1, 2]) {
      const answer = await babble.whole({ tools: two, tool_choice: choice, seed });
      const calls = answer.output.filter(({ type }) => type !== 'reasoning');
      expect(calls).toHaveLength(1);
      const [made] = calls as [Extract<ResponseObject['output'][number], { type: 'function_call' }>];
      expect(made.name).toMatch(name);
      const args = JSON.parse(made.arguments) as object;
      expect(Object.keys(args)).toEqual([made.name === 'on' ? 'ok' : 'n']);
      expect(answer.tools.every((one) => one.type === 'function' && one.strict)).toBe(true);
      expect(answer.tool_choice).toEqual(choice);
    }
  });
});

describe('formats', () => {
  const schema = {
    type: 'object',
    properties: { ok: { type: 'boolean' } },
    required: ['ok'],
    additionalProperties: false,
  };
  const format = { type: 'json_schema', name: 'answer', strict: true, schema };

  it('hold the text to a schema', async () => {
    const answer = await stubServer({}).whole({ text: { format } });
    const [message] = answer.output as [Extract<ResponseObject['output'][number], { type: 'message' }>];
    const [part] = message.content;
    expect(part!.type).toBe('output_text');
    expect(JSON.parse((part as { text: string }).text)).toEqual({ ok: expect.any(Boolean) as unknown });
    expect(answer.text.format).toEqual(format);
  });

  it.each([
    [{ type: 'grammar', grammar: 'root ::= "yes" | "no"' }, /^(?:yes|no)$/],
    [{ type: 'regex', pattern: '[a-c]{3}-\\d{2}' }, /^[a-c]{3}-\d{2}$/],
  ])('hold the text to %j', async (plain, expected) => {
    const answer = await stubServer({}).whole({ text: { format: plain, verbosity: 'low' } });
    expect(answer.output).toMatchObject([{ content: [{ text: expect.stringMatching(expected) as string }] }]);
    expect(answer.text).toEqual({ format: plain, verbosity: 'low' });
  });

  it('are refused by the path of what cannot be held to', async () => {
    const bad = { ...format, schema: { type: 'object', properties: { a: { not: {} } } } };
    expect(await errorOf(await stubServer({}).ask({ text: { format: bad } }))).toMatchObject({
      status: 400,
      code: 'invalid_json_schema',
      param: expect.stringMatching(/^text\.format\.schema\./) as string,
    });
  });
});

describe('truncation', () => {
  const said = (n: number) => [
    { role: 'user', content: `question ${n}` },
    { role: 'assistant', content: `answer ${n}` },
  ];
  const input = [...[1, 2, 3, 4, 5, 6, 7, 8].flatMap(said), { role: 'user', content: 'last question' }];

  it('leaves out the oldest turns, and keeps the instructions', async () => {
    const { whole, model, ask } = serverWith({ contextLength: 14 });
    expect(await errorOf(await ask({ input, instructions: 'Be kind' }))).toMatchObject({
      code: 'context_length_exceeded',
    });
    const answer = await whole({ input, instructions: 'Be kind', truncation: 'auto' });
    expect(answer.status).toBe('completed');
    const prompt = model.asked.at(-1)!.prompt as { role: string; content: string }[];
    expect(prompt[0]).toEqual({ role: 'system', content: 'Be kind' });
    expect(prompt[1]!.role).toBe('user');
    expect(prompt.at(-1)!.content).toBe('last question');
  });

  it('gives up where the last turn alone is too long', async () => {
    const { ask } = serverWith({ contextLength: 1 });
    expect(await errorOf(await ask({ input, truncation: 'auto' }))).toMatchObject({
      code: 'context_length_exceeded',
    });
  });
});

describe('what is refused', () => {
  const user = { role: 'user', content: 'x' };
  const tool = { type: 'function', name: 'f' };
  const cases: [string, object, { param: string | null; code?: string; status?: number }][] = [
    ['no model', { model: undefined }, { param: 'model', code: 'missing_required_parameter' }],
    ['an unknown model', { model: 'none' }, { param: 'model', status: 404 }],
    ['no input', { input: undefined }, { param: 'input', code: 'missing_required_parameter' }],
    ['empty input', { input: [] }, { param: 'input', code: 'missing_required_parameter' }],
    ['input of another type', { input: 5 }, { param: 'input', code: 'invalid_type' }],
    ['an unknown field', { inptu: 1 }, { param: 'inptu', code: 'unknown_parameter' }],
    ['an unknown role', { input: [{ role: 'boss', content: 'x' }] }, { param: 'input[0].role' }],
    ['no content', { input: [{ role: 'user' }] }, { param: 'input[0].content' }],
    [
      'an image',
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'x' }, { type: 'input_image' }] }] },
      { param: 'input[0].content[1]', code: 'unsupported_parameter' },
    ],
    ['a search without its tool', { tool_choice: { type: 'file_search' } }, { param: 'tool_choice' }],
    [
      'a search without what is kept',
      { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] },
      { param: null, status: 501 },
    ],
    [
      'an approval of nothing',
      { input: [user, { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true }] },
      { param: 'input[1].approval_request_id' },
    ],
    [
      'an image among results',
      {
        input: [
          { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
          { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_file' }] },
        ],
      },
      { param: 'input[1].output[0]', code: 'unsupported_parameter' },
    ],
    [
      'another item',
      { input: [user, { type: 'shell_call' }] },
      { param: 'input[1].type', code: 'unsupported_parameter' },
    ],
    [
      'an item of no known type',
      { input: [{ type: 'fun' }] },
      { param: 'input[0].type', code: 'invalid_value' },
    ],
    ['a reference to nothing', { input: [{ id: 'msg_1' }] }, { param: 'input[0]', status: 404 }],
    [
      'an item twice',
      {
        input: [
          { ...user, type: 'message', id: 'msg_1' },
          { ...user, type: 'message', id: 'msg_1' },
        ],
      },
      { param: 'input[1].id' },
    ],
    [
      'a result without its call',
      { input: [user, { type: 'function_call_output', call_id: 'a', output: 'x' }] },
      { param: 'input[1].call_id' },
    ],
    [
      'a call without its result',
      { input: [user, { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' }] },
      { param: 'input' },
    ],
    ['tools of others', { tools: [tool, { type: 'web_search' }] }, { param: 'tools[1].type' }],
    ['deferred tools', { tools: [{ ...tool, defer_loading: true }] }, { param: 'tools[0].defer_loading' }],
    ['another choice', { tools: [tool], tool_choice: { type: 'shell' } }, { param: 'tool_choice' }],
    [
      'a choice among others',
      { tools: [tool], tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'shell' }] } },
      { param: 'tool_choice.tools[0].type' },
    ],
    ['an effort', { model: 'plain', reasoning: { effort: 'high' } }, { param: 'reasoning.effort' }],
    ['a summary', { reasoning: { summary: 'detailed' } }, { param: 'reasoning.summary' }],
    ['other reasoning shown', { reasoning: { context: 'all_turns' } }, { param: 'reasoning.context' }],
    [
      'a grammar',
      { text: { format: { type: 'grammar', grammar: 'start ::= "a"' } } },
      { param: 'text.format.grammar', code: 'invalid_grammar' },
    ],
    ['what no tool answers', { include: ['web_search_call.results'] }, { param: 'include[0]' }],
    ['unknown extras', { include: ['all'] }, { param: 'include[0]', code: 'invalid_value' }],
    ['a stored prompt', { prompt: { id: 'pmpt_1' } }, { param: 'prompt' }],
    ['moderation', { moderation: { model: 'x' } }, { param: 'moderation' }],
    ['context management', { context_management: [{ type: 'compaction' }] }, { param: 'context_management' }],
    ['options of a stream alone', { stream_options: {} }, { param: 'stream_options' }],
    [
      'two pasts',
      { previous_response_id: 'resp_1', conversation: 'conv_1' },
      { param: 'previous_response_id' },
    ],
    ['background unstored', { background: true, store: false }, { param: 'background' }],
    [
      'much metadata',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])) },
      { param: 'metadata' },
    ],
    ['long metadata', { metadata: { a: 'x'.repeat(513) } }, { param: 'metadata.a' }],
    ['too hot', { temperature: 3 }, { param: 'temperature' }],
    ['no tokens', { max_output_tokens: 0 }, { param: 'max_output_tokens' }],
    [
      'keeping without storage',
      { store: true },
      { param: null, code: 'storage_not_configured', status: 501 },
    ],
    ['background without storage', { background: true }, { param: null, status: 501 }],
    ['a past without storage', { previous_response_id: 'resp_1' }, { param: null, status: 501 }],
  ];

  // As the engine says it of a model whose template knows no efforts.
  const error = new RequestError('the template knows no efforts', 'reasoning_effort');
  const plain = fakeModel({ name: 'plain', failAt: { index: 0, error } });
  const { app } = createServer({ models: providerOf([fakeModel(), plain]), chatPage: false });
  const ask = (body: object) => post(app, '/v1/responses', { model: 'fake', input: 'Say hello', ...body });
  it.each(cases)('%s', async (_, body, expected) => {
    expect(await errorOf(await ask(body))).toMatchObject({ status: 400, ...expected });
  });
});
