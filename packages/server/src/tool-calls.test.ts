/** Reasoning and calls of tools on the wire, over a model whose words the test decides. */

import { createStubModel } from '@steelyard/engine/testing';
import type { ChatMessage } from '@steelyard/text';
import { describe, expect, it } from 'vitest';
import { events, post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { chatChunkSchema, chatResponseSchema } from './schemas/chat-response.ts';
import { createServer } from './server.ts';

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const messages = [{ role: 'user', content: 'Weather in Oslo and Rome?' }];
const call = (city: string) =>
  `<tool_call>\n{"name": "weather", "arguments": {"city": "${city}"}}\n</tool_call>`;

function serverThatSays(text: string, marks = '<tool_call> </think>') {
  const asked: (readonly ChatMessage[])[] = [];
  const model = createStubModel({
    marks,
    reply: (given) => {
      asked.push(given);
      return text;
    },
  });
  const { app } = createServer({ models: providerOf([model]), chatPage: false });
  const ask = (body: object) =>
    post(app, '/v1/chat/completions', { model: 'stub', messages, tools, ...body });
  return {
    asked,
    ask,
    async whole(body: object = {}) {
      const answer = chatResponseSchema.parse(await (await ask(body)).json());
      return { ...answer.choices[0]!, usage: answer.usage };
    },
    async streamed(body: object = {}) {
      const chunks = await events<unknown>(await ask({ stream: true, ...body }));
      return chunks.flatMap((chunk) => chatChunkSchema.parse(chunk).choices);
    },
  };
}

type Streamed = Awaited<ReturnType<ReturnType<typeof serverThatSays>['streamed']>>;

/** Pieces of calls joined as clients do it: by index, the first with id and name. */
function callsOf(choices: Streamed) {
  const calls: { id: string; name: string; arguments: string; pieces: number }[] = [];
  for (const { index, id, function: piece } of choices.flatMap(({ delta }) => delta.tool_calls ?? [])) {
    expect(id === undefined).toBe(index < calls.length);
    expect(piece.name === undefined).toBe(index < calls.length);
    const call = (calls[index] ??= { id: id!, name: piece.name!, arguments: '', pieces: 0 });
    call.arguments += piece.arguments;
    call.pieces++;
  }
  return calls;
}

const both = serverThatSays(`<think>Two cities.</think>\nOne moment.\n${call('Oslo')}\n${call('Rome')}`);
const args = (city: string) => JSON.stringify({ city });

it('answers reasoning, text and calls apart', async () => {
  const { message, finish_reason, usage } = await both.whole();
  expect(message).toMatchObject({ reasoning_content: 'Two cities.', content: 'One moment.' });
  expect(message.tool_calls!.map((one) => one.function)).toEqual([
    { name: 'weather', arguments: args('Oslo') },
    { name: 'weather', arguments: args('Rome') },
  ]);
  expect(new Set(message.tool_calls!.map(({ id }) => id)).size).toBe(2);
  expect(finish_reason).toBe('tool_calls');
  const { reasoning_tokens } = usage.completion_tokens_details;
  expect(reasoning_tokens).toBeGreaterThan(0);
  expect(reasoning_tokens).toBeLessThan(usage.completion_tokens);
});

it('streams the same', async () => {
  const choices = await both.streamed();
  const joined = (key: 'content' | 'reasoning_content') =>
    choices.map(({ delta }) => delta[key] ?? '').join('');
  expect([joined('reasoning_content'), joined('content')]).toEqual(['Two cities.', 'One moment.']);
  const calls = callsOf(choices);
  expect(calls.map((one) => [one.name, JSON.stringify(JSON.parse(one.arguments))])).toEqual([
    ['weather', args('Oslo')],
    ['weather', args('Rome')],
  ]);
  // While they are written, not when they are whole.
  for (const { pieces } of calls) expect(pieces).toBeGreaterThan(1);
  expect(choices.at(-1)!.finish_reason).toBe('tool_calls');
});

it('makes one call where they may not be parallel', async () => {
  const { message } = await both.whole({ parallel_tool_calls: false });
  expect(message.tool_calls).toHaveLength(1);
  const choices = await both.streamed({ parallel_tool_calls: false });
  expect(callsOf(choices)).toMatchObject([{ arguments: '{"city": "Oslo"}' }]);
});

it('has no content beside a bare call, and takes call and result back', async () => {
  const server = serverThatSays(call('Oslo'));
  const { message } = await server.whole();
  expect(message.content).toBeNull();
  const { id } = message.tool_calls![0]!;
  const result = { role: 'tool', tool_call_id: id, content: 'Rain.' };
  await server.whole({ messages: [...messages, message, result] });
  expect(server.asked.at(-1)!.slice(1)).toEqual([
    { role: 'assistant', content: null, tool_calls: message.tool_calls },
    result,
  ]);
});

it('leaves as text what is no call, or was not asked for', async () => {
  const broken = await serverThatSays('<tool_call>{"name": </tool_call>').whole();
  expect(broken.message.content).toBe('<tool_call>{"name": </tool_call>');
  expect(broken.finish_reason).toBe('stop');
  const unasked = await serverThatSays(call('Oslo')).whole({ tool_choice: 'none' });
  expect(unasked.message).toMatchObject({ content: call('Oslo') });
});

it('refuses tools for a model that marks no calls', async () => {
  const response = await serverThatSays('Hello.', 'plain').ask({});
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param: 'tools' } });
});

const typed = (name: string, properties: object) => ({
  type: 'function',
  function: {
    name,
    strict: true,
    parameters: {
      type: 'object',
      properties,
      required: Object.keys(properties),
      additionalProperties: false,
    },
  },
});
const two = [typed('on', { ok: { type: 'boolean' } }), typed('count', { n: { type: 'integer' } })];
// Random words: only the constraint makes a call of them.
const babble = serverThatSays('unused');

it.each([1, 2, 3, 4])(
  'makes a call where one is required, its arguments as asked (seed %i)',
  async (seed) => {
    const { message, finish_reason } = await babble.whole({ tools: two, tool_choice: 'required', seed });
    expect(finish_reason).toBe('tool_calls');
    expect(message).toMatchObject({ content: null });
    const [made] = message.tool_calls!;
    const args = JSON.parse(made!.function.arguments) as Record<string, unknown>;
    expect(args).toEqual(
      made!.function.name === 'on'
        ? { ok: expect.any(Boolean) as unknown }
        : { n: expect.any(Number) as unknown },
    );
  },
);

it('calls the tool named, streaming too, though the prompt let the model think first', async () => {
  const choice = { tools: two, tool_choice: { type: 'function', function: { name: 'count' } }, seed: 5 };
  const thought = [{ role: 'user', content: 'Count. <think>' }];
  for (const choices of [
    await babble.streamed(choice),
    await babble.streamed({ ...choice, messages: thought }),
  ]) {
    expect(callsOf(choices)).toMatchObject([{ name: 'count' }]);
    expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe('');
  }
});

/** Marks of the families, as their templates have them, and whether the model may think first. */
const families: [string, string, boolean][] = [
  ['Qwen', '<tool_call> </think>', true],
  ['gpt-oss', '<|channel|> <|message|>', true],
  ['Command A', '<|START_THINKING|> <|START_ACTION|>', true],
  ['DeepSeek', '<｜tool▁calls▁begin｜> </think>', true],
  ['Command R', "Write 'Action:' followed by", false],
  ['Mistral of 2024', '[TOOL_CALLS]', false],
  ['Mistral', '[TOOL_CALLS] [ARGS]', false],
  ['Llama', '<|python_tag|> "parameters"', false],
  ['Jamba', '<tool_calls>', false],
];

it.each(families)('%s makes the required call, thoughts before it or none', async (_, marks, thinks) => {
  const server = serverThatSays('unused', marks);
  const thoughts: string[] = [];
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const choices = await server.streamed({ tools: two, tool_choice: 'required', seed });
    const all = (key: 'content' | 'reasoning_content') =>
      choices.map(({ delta }) => delta[key] ?? '').join('');
    expect(all('content')).toBe('');
    const [made, ...others] = callsOf(choices);
    expect(others).toEqual([]);
    const args = JSON.parse(made!.arguments) as object;
    expect(Object.keys(args)).toEqual([made!.name === 'on' ? 'ok' : 'n']);
    expect(choices.at(-1)!.finish_reason).toBe('tool_calls');
    thoughts.push(all('reasoning_content'));
  }
  expect(thoughts.some((text) => text !== '')).toBe(thinks);
});

/** Where a call begins, in families whose calls have a mark of their own. */
const marks: [string, string, string][] = [
  ['Qwen', '<tool_call> </think>', '<tool_call>'],
  ['Command A', '<|START_THINKING|> <|START_ACTION|>', '<|START_ACTION|>'],
  ['DeepSeek', '<｜tool▁calls▁begin｜> </think>', '<｜tool▁calls▁begin｜>'],
  ['Command R', "Write 'Action:' followed by", 'Action:'],
  ['Mistral of 2024', '[TOOL_CALLS]', '[TOOL_CALLS]'],
  ['Mistral', '[TOOL_CALLS] [ARGS]', '[TOOL_CALLS]'],
  ['Jamba', '<tool_calls>', '<tool_calls>'],
];

describe('a call that need not be made', () => {
  it.each(marks)('%s holds to strict tools once it begins', async (_, template, mark) => {
    for (const seed of [1, 2, 3]) {
      const choices = await serverThatSays(`Well, so. ${mark}`, template).streamed({ tools: two, seed });
      const [made] = callsOf(choices);
      const args = JSON.parse(made!.arguments) as object;
      expect(Object.keys(args)).toEqual([made!.name === 'on' ? 'ok' : 'n']);
      expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe('Well, so.');
    }
  });

  it.each(marks)('%s may answer in words all the same', async (_, template) => {
    const { message } = await serverThatSays('Just a few words.', template).whole({ tools: two });
    expect(message).toMatchObject({ content: 'Just a few words.' });
    expect(message).not.toHaveProperty('tool_calls');
  });

  it.each([
    ['gpt-oss', '<|channel|> <|message|>'],
    ['Llama', '<|python_tag|> "parameters"'],
  ])('%s cannot be told when it begins, and says so', async (_, template) => {
    const response = await serverThatSays('Hello.', template).ask({ tools: two });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'tools' } });
  });
});

it.each([
  ['auto', undefined],
  ['required', /^on$/],
] as const)('is told of no tools but those allowed (%s)', async (mode, name) => {
  const allowed_tools = { mode, tools: [{ type: 'function', function: { name: 'on' } }] };
  const tool_choice = { type: 'allowed_tools', allowed_tools };
  for (const seed of [1, 2]) {
    const { message } = await babble.whole({ tools: two, tool_choice, seed });
    if (name)
      expect(message.tool_calls!.map((one) => one.function.name)).toEqual([expect.stringMatching(name)]);
    else expect(message).not.toHaveProperty('tool_calls');
  }
});

it.each([
  [
    'a tool that was not given',
    { tool_choice: { type: 'function', function: { name: 'other' } } },
    'tool_choice',
  ],
  ['a call without tools', { tools: [], tool_choice: 'required' }, 'tool_choice'],
  [
    'a choice of no tools',
    { tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [] } } },
    'tool_choice.allowed_tools.tools',
  ],
])('refuses %s', async (_, body, param) => {
  const response = await babble.ask(body);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param } });
});

it('refuses to force a model that writes calls in Python', async () => {
  const response = await serverThatSays('x', '<start_of_turn>').ask({ tool_choice: 'required' });
  expect(await response.json()).toMatchObject({ error: { param: 'tool_choice' } });
});

describe('a schema for the answer', () => {
  const schema = { type: 'object', properties: { warm: { type: 'boolean' } }, required: ['warm'] };
  const response_format = { type: 'json_schema', json_schema: { name: 'weather', schema } };
  const isHeld = (content: string | null) => {
    expect(typeof (JSON.parse(content!) as { warm: unknown }).warm).toBe('boolean');
    return 'answer';
  };
  /** What comes of random logits, each answer held to the schema and each call to its form. */
  const outcomes = async (marks: string) => {
    const server = serverThatSays('Nothing of the kind.', marks);
    const seen = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const { message, finish_reason } = await server.whole({ response_format, seed });
      const [one, ...others] = message.tool_calls ?? [];
      seen.add(one ? 'call' : isHeld(message.content));
      if (!one) continue;
      expect([one.function.name, typeof JSON.parse(one.function.arguments)]).toEqual(['weather', 'object']);
      expect([message.content, finish_reason, others]).toEqual([null, 'tool_calls', []]);
    }
    return [...seen].sort();
  };

  it.each(['<tool_call>', '<tool_call> </think>', '[TOOL_CALLS] [ARGS]'])(
    'leaves room for a call, by a model that marks calls: %s',
    async (marks) => expect(await outcomes(marks)).toEqual(['answer', 'call']),
  );

  it('is all that is answered where a call has no mark of its own', async () => {
    expect(await outcomes('<|python_tag|> "parameters"')).toEqual(['answer']);
  });
});
