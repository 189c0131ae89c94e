/** Custom tools of chat completions: told as functions, called by their own form. */

import { createStubModel } from '@steelyard/engine/testing';
import type { ChatMessage } from '@steelyard/text';
import { describe, expect, it } from 'vitest';
import { events, post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { wireChunkSchema, wireResponseSchema } from './schemas/custom-calls.ts';
import { createServer } from './server.ts';

const messages = [{ role: 'user', content: 'What is 2 + 2?' }];
const grammar = { syntax: 'regex', definition: String.raw`^\d{1,2} [+] \d{1,2}$` };
const sum = (format?: object) => ({ type: 'custom', custom: { name: 'sum', description: 'Adds', format } });
const held = sum({ type: 'grammar', grammar });
const weather = { type: 'function', function: { name: 'weather', parameters: { type: 'object' } } };
const said = (name: string, args: object) =>
  `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;

function serverThatSays(text: string) {
  const asked: (readonly ChatMessage[])[] = [];
  const model = createStubModel({
    marks: '<tool_call>',
    reply: (given) => {
      asked.push(given);
      return text;
    },
  });
  const { app } = createServer({ models: providerOf([model]), chatPage: false });
  const ask = (body: object) =>
    post(app, '/v1/chat/completions', { model: 'stub', messages, tools: [weather, sum()], ...body });
  return {
    asked,
    ask,
    async whole(body: object = {}) {
      const answer: unknown = await (await ask(body)).json();
      expect(wireResponseSchema.parse(answer)).toEqual(answer);
      return wireResponseSchema.parse(answer).choices[0]!;
    },
    async streamed(body: object = {}) {
      const chunks = await events<unknown>(await ask({ stream: true, ...body }));
      return chunks.flatMap((chunk) => wireChunkSchema.parse(chunk).choices);
    },
  };
}

const both = serverThatSays(
  `Well.\n${said('sum', { input: '2 + "2"\n' })}\n${said('weather', { city: 'Oslo' })}`,
);

describe('calls', () => {
  const custom = { type: 'custom', custom: { name: 'sum', input: '2 + "2"\n' } };

  it('have their input as text, beside those of functions', async () => {
    const { message, finish_reason } = await both.whole();
    expect(finish_reason).toBe('tool_calls');
    expect(message).toMatchObject({
      content: 'Well.',
      tool_calls: [custom, { type: 'function', function: { name: 'weather' } }],
    });
  });

  it('come in one piece of a stream', async () => {
    const choices = await both.streamed();
    const pieces = choices.flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(pieces.filter((piece) => 'custom' in piece)).toEqual([
      { index: 0, id: expect.any(String) as string, ...custom },
    ]);
    const functions = pieces.flatMap((piece) => ('function' in piece ? piece.function.arguments : []));
    expect(JSON.parse(functions.join(''))).toEqual({ city: 'Oslo' });
    expect(choices.at(-1)!.finish_reason).toBe('tool_calls');
  });

  it('are left out where the answer was cut off before their end', async () => {
    const choices = await both.streamed({ tools: [held], tool_choice: 'required', max_tokens: 8 });
    expect(choices.at(-1)!.finish_reason).toBe('length');
    expect(choices.flatMap(({ delta }) => delta.tool_calls ?? [])).toEqual([]);
  });

  it('have what the model wrote instead where it wrote no input', async () => {
    const { message } = await serverThatSays(said('sum', { a: 2 })).whole();
    expect(message.tool_calls).toMatchObject([{ custom: { input: '{"a":2}' } }]);
  });

  it('are told to the model again as it made them', async () => {
    const call = { id: 'call_1', ...custom };
    const history = [
      ...messages,
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: '4' },
    ];
    await both.whole({ messages: history });
    expect(both.asked.at(-1)![1]!.tool_calls).toEqual([
      { id: 'call_1', type: 'function', function: { name: 'sum', arguments: '{"input":"2 + \\"2\\"\\n"}' } },
    ]);
  });
});

describe('inputs', () => {
  const babble = serverThatSays('unused');

  it.each([
    ['required', { tools: [held], tool_choice: 'required' }],
    ['named', { tools: [weather, held], tool_choice: { type: 'custom', custom: { name: 'sum' } } }],
    [
      'allowed',
      {
        tools: [weather, held],
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'required', tools: [{ type: 'custom', custom: { name: 'sum' } }] },
        },
      },
    ],
  ])('match their pattern where the call is %s', async (_, body) => {
    for (const seed of [1, 2, 3]) {
      const { message } = await babble.whole({ ...body, seed });
      const input = expect.stringMatching(/^\d{1,2} [+] \d{1,2}$/) as string;
      expect(message.tool_calls).toMatchObject([{ type: 'custom', custom: { name: 'sum', input } }]);
    }
  });

  it('match it where the model calls by itself', async () => {
    const server = serverThatSays('Well, so. <tool_call>');
    for (const seed of [1, 2, 3]) {
      const { message } = await server.whole({ tools: [held], seed });
      const [call] = message.tool_calls ?? [];
      expect(call && 'custom' in call && call.custom.input).toMatch(/^\d{1,2} [+] \d{1,2}$/);
    }
  });
});

it.each([
  [
    'Lark',
    [sum({ type: 'grammar', grammar: { ...grammar, syntax: 'lark' } })],
    'tools[0].custom.format.grammar.syntax',
  ],
  [
    'a pattern that is not regular',
    [weather, sum({ type: 'grammar', grammar: { ...grammar, definition: '(?=a)b' } })],
    'tools[1].custom.format.grammar.definition',
  ],
  ['one name for two', [weather, { type: 'custom', custom: { name: 'weather' } }], 'tools[1].custom.name'],
  ['no name', [{ type: 'custom', custom: {} }], 'tools[0].custom.name'],
])('refuses %s', async (_, tools, param) => {
  const response = await both.ask({ tools });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param } });
});
