/** Responses, conversations and structured outputs by OpenAI's official Node SDK, over a socket. */

import { createStubModel } from '@steelyard/engine/testing';
import { providerOf } from '@steelyard/server';
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startKeptServer, type KeptOverSocket } from './kept-over-socket.ts';

const CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
const river = z.object({
  name: z.enum(['Danube', 'Rhine']),
  long: z.boolean(),
  tags: z.array(z.enum(['a', 'b'])),
});
const place = z.object({ city: z.string() });

let kept: KeptOverSocket;
beforeAll(async () => {
  const models = providerOf([
    createStubModel({ name: 'stub' }),
    createStubModel({ name: 'slow', delayMs: 100 }),
    createStubModel({
      name: 'caller',
      marks: '<tool_call> <think> </think>',
      reply: () => `<think> Hm. </think>\n\n${CALL}`,
    }),
  ]);
  kept = await startKeptServer({ models });
}, 120_000);
afterAll(() => kept?.close());

const messages = (content: string) => [{ role: 'user' as const, content }];

describe('responses', () => {
  it('stream events, and the helper assembles what they make', async () => {
    const { responses } = kept.client;
    const events = await responses.create({ model: 'stub', input: 'naïve 漢字', stream: true });
    const types: string[] = [];
    let text = '';
    for await (const event of events) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(text).toBe('naïve 漢字');
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
    const deltas: string[] = [];
    const stream = responses
      .stream({ model: 'stub', input: 'one two' })
      .on('response.output_text.delta', ({ delta, snapshot }) => deltas.push(delta, snapshot));
    const whole = await stream.finalResponse();
    expect(whole.output_text).toBe('one two');
    expect(deltas.at(-1)).toBe('one two');
    expect(whole.usage!.total_tokens).toBeGreaterThan(2);
  });

  it('stream thoughts and calls', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const tools = [{ type: 'function' as const, name: 'weather', parameters, strict: false }];
    const stream = kept.client.responses.stream({ model: 'caller', input: 'Weather?', tools });
    const args: string[] = [];
    stream.on('response.function_call_arguments.delta', ({ delta }) => args.push(delta));
    const { output } = await stream.finalResponse();
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    const call = output.find((item) => item.type === 'function_call')!;
    expect(JSON.parse(call.arguments)).toEqual({ city: 'Oslo' });
    expect(JSON.parse(args.join(''))).toEqual({ city: 'Oslo' });
  });

  it('go on from each other, and are kept until deleted', async () => {
    const { responses } = kept.client;
    const first = await responses.create({ model: 'stub', input: 'one', metadata: { a: 'b' } });
    const next = await responses.create({ model: 'stub', input: 'two', previous_response_id: first.id });
    expect((await responses.retrieve(next.id)).previous_response_id).toBe(first.id);
    const asked: string[] = [];
    for await (const item of responses.inputItems.list(next.id)) asked.push(item.type);
    expect(asked).toEqual(['message']);
    await responses.delete(first.id);
    await expect(responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
  });

  it('are computed in the background, listened to late, and cancelled', async () => {
    const { responses } = kept.client;
    const begun = await responses.create({ model: 'stub', input: 'in the background', background: true });
    expect(['queued', 'in_progress', 'completed']).toContain(begun.status);
    await expect.poll(async () => (await responses.retrieve(begun.id)).status).toBe('completed');
    expect((await responses.retrieve(begun.id)).output_text).toBe('in the background');
    const late: string[] = [];
    for await (const event of await responses.retrieve(begun.id, { stream: true })) late.push(event.type);
    expect(late.at(-1)).toBe('response.completed');
    const long = await responses.create({ model: 'slow', input: 'word '.repeat(200), background: true });
    expect((await responses.cancel(long.id)).status).toBe('cancelled');
    expect((await responses.retrieve(long.id)).status).toBe('cancelled');
    const stream = await responses.create({
      model: 'slow',
      input: 'word '.repeat(200),
      background: true,
      stream: true,
    });
    for await (const event of stream)
      if (event.type === 'response.created') await responses.cancel(event.response.id);
  });
});

describe('structured outputs', () => {
  it('of responses are parsed', async () => {
    const text = { format: zodTextFormat(river, 'river') };
    const { output_parsed: parsed } = await kept.client.responses.parse({
      model: 'stub',
      input: 'Which?',
      text,
    });
    expect(river.parse(parsed)).toEqual(parsed);
    const stream = kept.client.responses.stream({ model: 'stub', input: 'Which?', text });
    expect(river.safeParse((await stream.finalResponse()).output_parsed).success).toBe(true);
  });

  it('of chat completions are parsed, whole and streaming', async () => {
    const asked = {
      model: 'stub',
      messages: messages('Which?'),
      response_format: zodResponseFormat(river, 'river'),
    };
    const { choices } = await kept.client.chat.completions.parse(asked);
    expect(river.safeParse(choices[0]!.message.parsed).success).toBe(true);
    const final = await kept.client.chat.completions.stream(asked).finalChatCompletion();
    expect(river.safeParse(final.choices[0]!.message.parsed).success).toBe(true);
  });

  it('hold the arguments of calls', async () => {
    const response = await kept.client.responses.parse({
      model: 'caller',
      input: 'Weather?',
      tools: [zodResponsesFunction({ name: 'weather', parameters: place })],
      tool_choice: 'required',
    });
    const made = response.output.find((item) => item.type === 'function_call');
    expect(place.safeParse(made?.parsed_arguments).success).toBe(true);
    const { choices } = await kept.client.chat.completions.parse({
      model: 'caller',
      messages: messages('Weather?'),
      tools: [zodFunction({ name: 'weather', parameters: place })],
      tool_choice: 'required',
    });
    const [call] = choices[0]!.message.tool_calls!;
    expect(place.safeParse(call!.function.parsed_arguments).success).toBe(true);
  });
});

it('keeps conversations', async () => {
  const { conversations, responses } = kept.client;
  const { id } = await conversations.create({
    metadata: { topic: 'rivers' },
    items: [{ type: 'message', role: 'user', content: 'Hello.' }],
  });
  await responses.create({ model: 'stub', input: 'How long is it?', conversation: id });
  await conversations.items.create(id, { items: [{ type: 'message', role: 'user', content: 'Thanks.' }] });
  const said: string[] = [];
  for await (const item of conversations.items.list(id, { order: 'asc', limit: 2 })) {
    if (item.type !== 'message') throw new Error(item.type);
    said.push(item.content.map((part) => ('text' in part ? part.text : '')).join(''));
  }
  expect(said).toEqual(['Hello.', 'How long is it?', 'How long is it?', 'Thanks.']);
  const [first] = (await conversations.items.list(id, { order: 'asc', limit: 1 })).data;
  expect(await conversations.items.retrieve(first!.id!, { conversation_id: id })).toMatchObject({
    type: 'message',
  });
  await conversations.items.delete(first!.id!, { conversation_id: id });
  expect((await conversations.update(id, { metadata: { topic: 'lakes' } })).metadata).toEqual({
    topic: 'lakes',
  });
  expect(await conversations.delete(id)).toMatchObject({ deleted: true });
  await expect(conversations.retrieve(id)).rejects.toMatchObject({ status: 404 });
});
