/** Anthropic's official Node SDK against the server over a socket, unchanged but for its base URL. */

import Anthropic from '@anthropic-ai/sdk';
import { createStubModel } from '@steelyard/engine/testing';
import { createServer, providerOf, type SteelyardServer } from '@steelyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const model = createStubModel({ name: 'stub', delayMs: 1, contextLength: 2000 });
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call> <think> </think>',
  reply: (given) => {
    const last = given.at(-1)!;
    if (last.role === 'tool') return `It says: ${last.content as string}`;
    return '<think> Let me ask. </think><tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  },
});
const tools: Anthropic.Tool[] = [
  {
    name: 'weather',
    description: 'The weather now.',
    input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
];
const say = (content: string): Anthropic.MessageParam[] => [{ role: 'user', content }];
let server: SteelyardServer;
let client: Anthropic;

beforeAll(async () => {
  server = createServer({
    models: providerOf([model, caller]),
    port: 0,
    chatPage: false,
    apiKey: 'sesame',
    limits: { drainMs: 0 },
  });
  const { url } = await server.listen();
  client = new Anthropic({ baseURL: url, apiKey: 'sesame', maxRetries: 0 });
});

afterAll(() => server.close());

it('answers whole, with what it counted', async () => {
  const message = await client.messages.create({
    model: 'stub',
    max_tokens: 100,
    system: 'Be brief.',
    messages: say('Grüße 🎉'),
  });
  expect(message.content).toMatchObject([{ type: 'text', text: 'Grüße 🎉' }]);
  expect(message.stop_reason).toBe('end_turn');
  const counted = await client.messages.countTokens({
    model: 'stub',
    system: 'Be brief.',
    messages: say('Grüße 🎉'),
  });
  expect(message.usage.input_tokens).toBe(counted.input_tokens);
  expect(message._request_id).toMatch(/^req_/);
});

it('streams through the helper, which assembles the message', async () => {
  const stream = client.messages.stream({ model: 'stub', max_tokens: 100, messages: say('naïve 漢字 🎉') });
  let text = '';
  stream.on('text', (piece) => (text += piece));
  const message = await stream.finalMessage();
  expect(text).toBe('naïve 漢字 🎉');
  expect(message).toMatchObject({ content: [{ text }], stop_reason: 'end_turn' });
  expect(message.usage.output_tokens).toBeGreaterThan(3);
});

it('stops generating when the stream is left', async () => {
  const stream = await client.messages.create({
    model: 'stub',
    max_tokens: 1500,
    messages: say('word '.repeat(1500)),
    stream: true,
  });
  let count = 0;
  for await (const _ of stream) if (++count === 6) break;
  await expect.poll(() => model.stats().running).toBe(0);
});

it('calls a tool after thinking, and takes the result and its own blocks back', async () => {
  const request = { model: 'caller', max_tokens: 200, tools, thinking: { type: 'adaptive' } } as const;
  for (const stream of [false, true]) {
    const asked = say('Weather in Oslo?');
    const first = stream
      ? await client.messages.stream({ ...request, messages: asked }).finalMessage()
      : await client.messages.create({ ...request, messages: asked });
    expect(first.stop_reason).toBe('tool_use');
    expect(first.content.map(({ type }) => type)).toEqual(['thinking', 'tool_use']);
    const use = first.content[1] as Anthropic.ToolUseBlock;
    expect(use).toMatchObject({ name: 'weather', input: { city: 'Oslo' } });
    const second = await client.messages.create({
      ...request,
      messages: [
        ...asked,
        { role: 'assistant', content: first.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'Rain.' }] },
      ],
    });
    expect(second.content).toMatchObject([{ type: 'text', text: 'It says: Rain.' }]);
  }
});

describe('errors become the classes of the SDK', () => {
  const create = (body: Partial<Anthropic.MessageCreateParamsNonStreaming>) =>
    client.messages.create({ model: 'stub', max_tokens: 9, messages: say('hi'), ...body });

  it('of a bad request, a model that is not there, a wrong key', async () => {
    await expect(create({ max_tokens: -1 })).rejects.toThrow(Anthropic.BadRequestError);
    await expect(create({ model: 'none' })).rejects.toThrow(Anthropic.NotFoundError);
    const other = client.withOptions({ apiKey: 'guess' });
    await expect(other.messages.countTokens({ model: 'stub', messages: say('hi') })).rejects.toThrow(
      Anthropic.AuthenticationError,
    );
    const long = create({ messages: say('word '.repeat(3000)) });
    await expect(long).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
  });
});

it('lists models and retrieves one', async () => {
  const names: string[] = [];
  for await (const { id, type } of client.models.list()) names.push(`${type} ${id}`);
  expect(names).toEqual(['model stub', 'model caller']);
  expect(await client.models.retrieve('stub')).toMatchObject({ id: 'stub', display_name: 'stub' });
});
