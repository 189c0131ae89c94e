/** The older form of tools on the wire, over a model whose words the test decides. */

import { createStubModel } from '@steelyard/engine/testing';
import type { ChatMessage } from '@steelyard/text';
import { describe, expect, it } from 'vitest';
import { events, post } from '../test/requests.ts';
import { providerOf } from './model-provider.ts';
import { chatChunkSchema, chatResponseSchema } from './schemas/chat-response.ts';
import { createServer } from './server.ts';

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const functions = [
  {
    name: 'weather',
    description: 'The weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
];
const user = { role: 'user', content: 'Weather in Oslo?' };

function serverThatSays(text: string) {
  const asked: (readonly ChatMessage[])[] = [];
  const model = createStubModel({
    marks: '<tool_call> </think>',
    reply: (given) => {
      asked.push(given);
      return text;
    },
  });
  const { app } = createServer({ models: providerOf([model]), chatPage: false });
  const ask = (body: object) =>
    post(app, '/v1/chat/completions', { model: 'stub', messages: [user], functions, ...body });
  return { asked, ask };
}

const errorOf = async (response: Response) => {
  const { error } = (await response.json()) as { error: object };
  return { status: response.status, ...error };
};

describe('functions', () => {
  it('are called, and answered in their own form', async () => {
    const { ask } = serverThatSays(`Well. ${CALL}\n${CALL}`);
    const answer = chatResponseSchema.parse(await (await ask({})).json()).choices[0]!;
    expect(answer.finish_reason).toBe('function_call');
    expect(answer.message).toMatchObject({
      content: 'Well.',
      function_call: { name: 'weather', arguments: '{"city":"Oslo"}' },
    });
    expect(answer.message).not.toHaveProperty('tool_calls');
  });

  it('stream so too', async () => {
    const { ask } = serverThatSays(CALL);
    const chunks = await events<unknown>(await ask({ stream: true }));
    const choices = chunks.flatMap((chunk) => chatChunkSchema.parse(chunk).choices);
    const pieces = choices.flatMap(({ delta }) => delta.function_call ?? []);
    expect(pieces[0]!.name).toBe('weather');
    expect(pieces.slice(1).every(({ name }) => name === undefined)).toBe(true);
    expect(JSON.parse(pieces.map(({ arguments: args }) => args).join(''))).toEqual({ city: 'Oslo' });
    expect(choices.at(-1)!.finish_reason).toBe('function_call');
    expect(choices.some(({ delta }) => 'tool_calls' in delta)).toBe(false);
  });

  it('are made where one is named, and not where none may be', async () => {
    const babbling = serverThatSays('unused');
    const named = { function_call: { name: 'weather' }, seed: 3 };
    const whole: unknown = await (await babbling.ask(named)).json();
    const made = chatResponseSchema.parse(whole).choices[0]!;
    expect(made.finish_reason).toBe('function_call');
    expect(Object.keys(JSON.parse(made.message.function_call!.arguments) as object)).toContain('city');
    const none: unknown = await (await serverThatSays(CALL).ask({ function_call: 'none' })).json();
    expect(chatResponseSchema.parse(none).choices[0]!.message).toMatchObject({ content: CALL });
  });

  it('get their results, which the model reads as those of tools', async () => {
    const { ask, asked } = serverThatSays('Rain.');
    const called = { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{}' } };
    const result = { role: 'function', name: 'weather', content: '{"sky": "rain"}' };
    expect((await ask({ messages: [user, called, result] })).status).toBe(200);
    const [, call, answered] = asked.at(-1)!;
    const id = call!.tool_calls![0]!.id;
    expect(call).toMatchObject({ tool_calls: [{ function: { name: 'weather', arguments: '{}' } }] });
    expect(answered).toEqual({ role: 'tool', tool_call_id: id, content: '{"sky": "rain"}' });
  });

  it('of earlier messages are read where the request has tools', async () => {
    const { ask, asked } = serverThatSays('Rain.');
    const called = { role: 'assistant', function_call: { name: 'weather', arguments: '{}' } };
    const tools = [{ type: 'function', function: functions[0] }];
    const body = {
      functions: null,
      tools,
      messages: [user, called, { role: 'function', name: 'weather', content: 'x' }],
    };
    expect((await ask(body)).status).toBe(200);
    expect(asked.at(-1)!.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
  });

  it.each([
    ['beside tools', { tools: [{ type: 'function', function: { name: 'other' } }] }, 'functions'],
    ['beside a choice of tools', { tool_choice: 'auto' }, 'functions'],
    ['chosen and not there', { functions: [], function_call: { name: 'weather' } }, 'function_call'],
    ['chosen, but another', { function_call: { name: 'other' } }, 'tool_choice'],
    [
      'a result without a call',
      { messages: [user, { role: 'function', name: 'weather', content: 'x' }] },
      'messages[1].name',
    ],
    [
      'a call in both forms',
      {
        messages: [
          user,
          {
            role: 'assistant',
            function_call: { name: 'a', arguments: '{}' },
            tool_calls: [{ id: '1', type: 'function', function: { name: 'a', arguments: '{}' } }],
          },
        ],
      },
      'messages[1].function_call',
    ],
    ['without a name', { functions: [{ description: 'x' }] }, 'functions[0].name'],
  ])('are refused: %s', async (_, body, param) => {
    expect(await errorOf(await serverThatSays('x').ask(body))).toMatchObject({ status: 400, param });
  });
});
