import { CapacityError, RequestError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { fakeModel, type FakeModel, type FakeOptions } from '../../test/fake-model.ts';
import { events, post } from '../../test/requests.ts';
import { providerOf } from '../model-provider.ts';
import {
  chatChunkSchema,
  chatResponseSchema,
  type ChatChunk,
  type ChatResponse,
} from '../schemas/chat-response.ts';
import { createServer } from '../server.ts';

const hello = { model: 'fake', messages: [{ role: 'user', content: 'Say hello' }] };

function serverWith(options: FakeOptions = {}) {
  const model: FakeModel = fakeModel(options);
  const { app } = createServer({ models: providerOf([model]), chatPage: false, onError: () => {} });
  const chat = (body: unknown) => post(app, '/v1/chat/completions', body);
  return { app, model, chat };
}

async function errorOf(response: Response) {
  const body = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...body.error };
}

describe('whole answers', () => {
  it('has the message, the finish reason, the usage and the timings', async () => {
    const { chat } = serverWith();
    const response = await chat(hello);
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    const body = chatResponseSchema.parse(await response.json());
    expect(body.id).toMatch(/^chatcmpl-/);
    expect(body.system_fingerprint).toMatch(/^fp_[0-9a-f]{10}$/);
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello world!', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(body.usage).toMatchObject({
      prompt_tokens: 2,
      completion_tokens: 3,
      total_tokens: 5,
      prompt_tokens_details: { cached_tokens: 2 },
    });
    expect(body.timings).toEqual({ queued_ms: 1, prefill_ms: 2, decode_ms: 3 });
  });

  it.each([
    ['a text', 'Hello there!'],
    [
      'parts',
      [
        { type: 'text', text: 'Hello' },
        { type: 'text', text: ' there!' },
      ],
    ],
  ])('hands on a prediction that is %s, and tells what came of it', async (_, content) => {
    const { chat, model } = serverWith();
    const response = await chat({ ...hello, prediction: { type: 'content', content } });
    const { usage } = (await response.json()) as ChatResponse;
    expect(model.asked[0]!.options.prediction).toBe('Hello there!');
    expect(usage.completion_tokens_details).toMatchObject({
      accepted_prediction_tokens: 4,
      rejected_prediction_tokens: 1,
    });
  });

  it('hands the engine what was asked', async () => {
    const { chat, model } = serverWith();
    await chat({
      ...hello,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 7,
      min_p: 0.1,
      repetition_penalty: 1.1,
      presence_penalty: 1,
      frequency_penalty: -1,
      logit_bias: { 5: -100 },
      seed: 40,
      n: 2,
      stop: ['a', 'b'],
      max_completion_tokens: 9,
      logprobs: true,
      top_logprobs: 3,
      user: 'me',
      metadata: { a: 'b' },
      service_tier: 'auto',
      store: false,
    });
    expect(model.asked).toHaveLength(2);
    const [first, second] = model.asked;
    expect(first!.options).toMatchObject({
      maxTokens: 9,
      stop: ['a', 'b'],
      logprobs: 3,
      sampling: {
        temperature: 0.5,
        topP: 0.9,
        topK: 7,
        minP: 0.1,
        repetitionPenalty: 1.1,
        presencePenalty: 1,
        frequencyPenalty: -1,
        logitBias: { 5: -100 },
        seed: 40,
      },
    });
    expect(second!.options.sampling?.seed).toBe(41);
  });

  it('takes defaults for null and for absent fields', async () => {
    const { chat, model } = serverWith();
    const response = await chat({
      ...hello,
      temperature: null,
      stop: null,
      n: null,
      seed: null,
      max_tokens: null,
    });
    expect(response.status).toBe(200);
    expect(model.asked[0]!.options.sampling).toMatchObject({ temperature: 1, topP: 1 });
    expect(model.asked[0]!.options.sampling).not.toHaveProperty('seed');
    expect(model.asked[0]!.options).not.toHaveProperty('maxTokens');
  });

  it('names the tier that every request is served at, where one is asked for', async () => {
    const { chat } = serverWith();
    const whole = chatResponseSchema.parse(await (await chat({ ...hello, service_tier: 'flex' })).json());
    expect(whole.service_tier).toBe('default');
    const chunks = await events<ChatChunk>(await chat({ ...hello, service_tier: 'auto', stream: true }));
    expect(chunks.every(({ service_tier: tier }) => tier === 'default')).toBe(true);
    expect(await (await chat(hello)).json()).not.toHaveProperty('service_tier');
  });

  it.each([
    ['low', /briefly/],
    ['high', /in detail/],
  ])('asks for verbosity %s in the system message', async (verbosity, hint) => {
    const { chat, model } = serverWith();
    await chat({ ...hello, verbosity });
    await chat({
      ...hello,
      verbosity,
      messages: [{ role: 'developer', content: 'Be kind' }, ...hello.messages],
    });
    const [alone, beside] = model.asked.map(({ prompt }) => prompt as { role: string; content: string }[]);
    expect(alone).toEqual([
      { role: 'system', content: expect.stringMatching(hint) as string },
      ...hello.messages,
    ]);
    expect(beside![0]!.content).toMatch(new RegExp(`^Be kind\n\n.*${hint.source}`));
    expect(beside).toHaveLength(2);
    await chat({ ...hello, verbosity: 'medium' });
    expect(model.asked.at(-1)!.prompt).toEqual(hello.messages);
  });

  it('joins text parts, and gives developer messages the older role', async () => {
    const { chat, model } = serverWith();
    const parts = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ];
    await chat({
      model: 'fake',
      messages: [
        { role: 'developer', content: 'Be kind' },
        { role: 'assistant', content: 'Yes', refusal: null },
        { role: 'user', content: parts },
      ],
    });
    expect(model.asked[0]!.prompt).toEqual([
      { role: 'system', content: 'Be kind' },
      { role: 'assistant', content: 'Yes' },
      { role: 'user', content: 'one\ntwo' },
    ]);
  });

  it('reports log-probabilities with bytes and alternatives', async () => {
    const { chat } = serverWith({ pieces: ['é'] });
    const response = await chat({ ...hello, logprobs: true, top_logprobs: 2 });
    const body = (await response.json()) as ChatResponse;
    expect(body.choices[0]!.logprobs!.content).toEqual([
      {
        token: 'é',
        logprob: -0.5,
        bytes: [195, 169],
        top_logprobs: [
          { token: 'alt0', logprob: -0.5, bytes: [195, 169] },
          { token: 'alt1', logprob: -1.5, bytes: [195, 169] },
        ],
      },
    ]);
  });

  it('counts the prompt of several choices once', async () => {
    const { chat } = serverWith();
    const body = (await (await chat({ ...hello, n: 3 })).json()) as ChatResponse;
    expect(body.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(body.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 9 });
    expect(body.timings).toBeUndefined();
  });

  it('says when the length ended it', async () => {
    const { chat } = serverWith();
    const body = (await (await chat({ ...hello, max_tokens: 1 })).json()) as ChatResponse;
    expect(body.choices[0]).toMatchObject({ message: { content: 'Hello' }, finish_reason: 'length' });
  });
});

describe('streams', () => {
  it('pads every piece to an even length where that is asked for', async () => {
    const { chat } = serverWith({ pieces: ['a', 'bcdefgh', 'ijk'] });
    const stream_options = { include_obfuscation: true, include_usage: true };
    const response = await chat({ ...hello, stream: true, stream_options });
    const chunks = (await events<unknown>(response)).map((one) => chatChunkSchema.parse(one));
    for (const chunk of chunks.slice(0, -1)) {
      expect(chunk.obfuscation).toMatch(/^[\w-]+$/);
      expect(JSON.stringify(chunk).length % 64).toBe(0);
    }
    expect(chunks.at(-1)).not.toHaveProperty('obfuscation');
    const plain = await events<object>(await chat({ ...hello, stream: true }));
    for (const chunk of plain) expect(chunk).not.toHaveProperty('obfuscation');
  });

  it('frames events to the letter', async () => {
    const { chat } = serverWith({ pieces: ['Hi'] });
    const response = await chat({ ...hello, stream: true });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const text = await response.text();
    const frames = text.split('\n\n');
    expect(frames.pop()).toBe('');
    expect(frames.pop()).toBe('data: [DONE]');
    const chunks = frames.map((frame) => {
      expect(frame).toMatch(/^data: \{.*\}$/);
      return chatChunkSchema.parse(JSON.parse(frame.slice(6)));
    });
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks.map((chunk) => chunk.choices[0])).toEqual([
      {
        index: 0,
        delta: { role: 'assistant', content: '', refusal: null },
        logprobs: null,
        finish_reason: null,
      },
      { index: 0, delta: { content: 'Hi' }, logprobs: null, finish_reason: null },
      { index: 0, delta: {}, logprobs: null, finish_reason: 'stop' },
    ]);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('ends with usage where asked, null before', async () => {
    const { chat } = serverWith();
    const response = await chat({ ...hello, stream: true, stream_options: { include_usage: true } });
    const chunks = await events<ChatChunk>(response);
    const last = chunks.pop()!;
    expect(last.choices).toEqual([]);
    expect(last.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
    expect(chunks.every((chunk) => chunk.usage === null)).toBe(true);
  });

  it('interleaves choices, each with its index', async () => {
    const { chat } = serverWith();
    const chunks = await events<ChatChunk>(await chat({ ...hello, stream: true, n: 2 }));
    const order = chunks.flatMap((chunk) =>
      chunk.choices[0]!.delta.content ? [chunk.choices[0]!.index] : [],
    );
    expect(order).toEqual([0, 1, 0, 1, 0, 1]);
    for (const index of [0, 1]) {
      const own = chunks.map((chunk) => chunk.choices[0]!).filter((choice) => choice.index === index);
      expect(own[0]!.delta.role).toBe('assistant');
      expect(own.map((choice) => choice.delta.content ?? '').join('')).toBe('Hello world!');
      expect(own.at(-1)!.finish_reason).toBe('stop');
    }
  });

  it('answers an error before the first event with its status', async () => {
    const { chat } = serverWith({ contextLength: 1 });
    expect(await errorOf(await chat({ ...hello, stream: true }))).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      message: expect.stringContaining('2 tokens') as string,
    });
  });

  it('turns an error in the middle into an error event and ends without [DONE]', async () => {
    const { chat } = serverWith({ failAt: { index: 1, error: new Error('secret detail') } });
    const text = await (await chat({ ...hello, stream: true })).text();
    const last = text.trimEnd().split('\n\n').at(-1)!;
    expect(JSON.parse(last.slice(6))).toMatchObject({
      error: { type: 'server_error', code: 'internal_error' },
    });
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('secret');
  });
});

describe('errors', () => {
  const user = { role: 'user', content: 'x' };
  const cases: [string, object, { param: string | null; code: string; message?: string }][] = [
    ['no model', { messages: [user] }, { param: 'model', code: 'missing_required_parameter' }],
    ['no messages', { model: 'fake' }, { param: 'messages', code: 'missing_required_parameter' }],
    [
      'empty messages',
      { model: 'fake', messages: [] },
      { param: 'messages', code: 'array_below_min_length' },
    ],
    ['messages not an array', { ...hello, messages: 'x' }, { param: 'messages', code: 'invalid_type' }],
    [
      'no role',
      { ...hello, messages: [{ content: 'x' }] },
      { param: 'messages[0].role', code: 'missing_required_parameter' },
    ],
    [
      'unknown role',
      { ...hello, messages: [user, { role: 'boss', content: 'x' }] },
      { param: 'messages[1].role', code: 'invalid_value' },
    ],
    [
      'no content',
      { ...hello, messages: [{ role: 'user' }] },
      { param: 'messages[0].content', code: 'missing_required_parameter' },
    ],
    [
      'number content',
      { ...hello, messages: [{ role: 'user', content: 5 }] },
      { param: 'messages[0].content', code: 'invalid_type' },
    ],
    [
      'part without text',
      { ...hello, messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      { param: 'messages[0].content[0].text', code: 'missing_required_parameter' },
    ],
    [
      'image part',
      {
        ...hello,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'x' },
              { type: 'image_url', image_url: { url: 'x' } },
            ],
          },
        ],
      },
      { param: 'messages[0].content[1]', code: 'unsupported_parameter' },
    ],
    [
      'assistant without content',
      { ...hello, messages: [{ role: 'assistant' }] },
      { param: 'messages[0].content', code: 'missing_required_parameter' },
    ],
    [
      'function result',
      { ...hello, messages: [{ role: 'function', content: 'x', name: 'y' }] },
      { param: 'messages[0].name', code: 'invalid_value' },
    ],
    [
      'temperature text',
      { ...hello, temperature: 'hot' },
      {
        param: 'temperature',
        code: 'invalid_type',
        message: "Invalid type for 'temperature': expected a number, but got a string.",
      },
    ],
    [
      'temperature high',
      { ...hello, temperature: 3 },
      {
        param: 'temperature',
        code: 'decimal_above_max_value',
        message: "Invalid 'temperature': got 3, expected at most 2.",
      },
    ],
    [
      'top_logprobs high',
      { ...hello, logprobs: true, top_logprobs: 21 },
      { param: 'top_logprobs', code: 'integer_above_max_value' },
    ],
    ['another tier', { ...hello, service_tier: 'banana' }, { param: 'service_tier', code: 'invalid_value' }],
    [
      'a result of no call',
      { ...hello, messages: [user, { role: 'tool', tool_call_id: 'call_9', content: 'x' }] },
      { param: 'messages[1].tool_call_id', code: 'invalid_value' },
    ],
    [
      'an allowed tool that is not there',
      {
        ...hello,
        tools: [{ type: 'function', function: { name: 'f' } }],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'g' } }] },
        },
      },
      { param: 'tool_choice.allowed_tools.tools[0]', code: 'invalid_value' },
    ],
    [
      'a grammar',
      { ...hello, response_format: { type: 'grammar', grammar: 'root ::= ("a"' } },
      {
        param: 'response_format.grammar',
        code: 'invalid_grammar',
        message: expect.stringContaining("line 1: expected ')'") as string,
      },
    ],
    [
      'a pattern',
      { ...hello, response_format: { type: 'regex', pattern: '(?=a)b' } },
      { param: 'response_format.pattern', code: 'invalid_grammar' },
    ],
    [
      'n fraction',
      { ...hello, n: 1.5 },
      {
        param: 'n',
        code: 'invalid_type',
        message: "Invalid type for 'n': expected an integer, but got a decimal.",
      },
    ],
    ['n zero', { ...hello, n: 0 }, { param: 'n', code: 'integer_below_min_value' }],
    [
      'five stops',
      { ...hello, stop: ['a', 'b', 'c', 'd', 'e'] },
      { param: 'stop', code: 'array_above_max_length' },
    ],
    ['empty stop', { ...hello, stop: '' }, { param: 'stop', code: 'string_below_min_length' }],
    ['stop with a number', { ...hello, stop: ['a', 1] }, { param: 'stop[1]', code: 'invalid_type' }],
    ['bias key', { ...hello, logit_bias: { abc: 1 } }, { param: 'logit_bias.abc', code: 'invalid_value' }],
    [
      'bias value',
      { ...hello, logit_bias: { 1: 101 } },
      { param: 'logit_bias.1', code: 'decimal_above_max_value' },
    ],
    [
      'bias outside the vocabulary',
      { ...hello, logit_bias: { 100: 1 } },
      { param: 'logit_bias', code: 'invalid_value' },
    ],
    ['top_logprobs alone', { ...hello, top_logprobs: 2 }, { param: 'top_logprobs', code: 'invalid_value' }],
    [
      'stream_options alone',
      { ...hello, stream_options: { include_usage: true } },
      { param: 'stream_options', code: 'invalid_value' },
    ],
    [
      'two limits',
      { ...hello, max_tokens: 1, max_completion_tokens: 2 },
      { param: 'max_tokens', code: 'invalid_value' },
    ],
    ['unknown field', { ...hello, temprature: 1 }, { param: 'temprature', code: 'unknown_parameter' }],
    [
      'unknown inner field',
      { ...hello, messages: [{ ...user, colour: 1 }] },
      { param: 'messages[0].colour', code: 'unknown_parameter' },
    ],
    [
      'a tool without a name',
      { ...hello, tools: [{ type: 'function', function: {} }] },
      { param: 'tools[0].function.name', code: 'missing_required_parameter' },
    ],
    [
      'a call without its id',
      {
        ...hello,
        messages: [
          { role: 'assistant', tool_calls: [{ type: 'function', function: { name: 'f', arguments: '{}' } }] },
        ],
      },
      { param: 'messages[0].tool_calls[0].id', code: 'missing_required_parameter' },
    ],
    [
      'json',
      {
        ...hello,
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'x', schema: { anyOf: [{ not: {} }] } },
        },
      },
      { param: 'response_format.json_schema.schema.anyOf[0].not', code: 'invalid_json_schema' },
    ],
  ];
  it.each(cases)('%s', async (_, body, expected) => {
    const { chat, model } = serverWith();
    const error = await errorOf(await chat(body));
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', ...expected });
    expect(model.asked).toHaveLength(0);
  });

  it('501 for an answer to keep where nothing is kept', async () => {
    const { chat, model } = serverWith();
    const error = await errorOf(await chat({ ...hello, store: true }));
    expect(error).toMatchObject({ status: 501, code: 'storage_not_configured' });
    expect(model.asked).toHaveLength(0);
  });

  it('404 for a model that is not there', async () => {
    const { chat } = serverWith();
    const error = await errorOf(await chat({ ...hello, model: 'other' }));
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
  });

  it('gives the engine its say: request errors with param, capacity as 429', async () => {
    const refused = serverWith({
      failAt: { index: 0, error: new RequestError('the template says no', 'messages') },
    });
    expect(await errorOf(await refused.chat(hello))).toMatchObject({ status: 400, param: 'messages' });
    const full = serverWith({ failAt: { index: 1, error: new CapacityError('no pages') } });
    const response = await full.chat(hello);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await errorOf(response)).toMatchObject({ status: 429, type: 'rate_limit_error' });
  });
});
