/** Responses that are kept: gone on from, fetched, computed in the background, cancelled and deleted. */

import type { ChatMessage } from '@steelyard/text';
import { createStubModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { namedEvents } from '../../test/requests.ts';
import { itemListSchema, type ItemList } from '../schemas/item-list.ts';
import { responseEventSchema, type ResponseEvent } from '../schemas/response-events.ts';
import { responseSchema, type ResponseObject } from '../schemas/response-object.ts';

function newGate() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve: () => resolve() };
}

/** Opens when the test lets the slow model go on. */
let gate = newGate();
const slow = fakeModel({
  name: 'slow',
  pieces: ['one', ' two', ' three'],
  pace: (signal) =>
    Promise.race([
      gate.promise,
      new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true })),
    ]),
});
const quick = fakeModel({ name: 'quick' });
const broken = fakeModel({ name: 'broken', failAt: { index: 1, error: new Error('secret') } });
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call> </think>',
  reply: (given: readonly ChatMessage[]) =>
    given.at(-1)!.role === 'tool'
      ? `It says: ${given.at(-1)!.content as string}`
      : '<think>Look.</think>\n<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>',
});
let server: KeptServer;

beforeAll(async () => {
  server = await keptServer([quick, slow, broken, caller]);
}, 60_000);

afterAll(() => server?.close());

const create = (body: object) => server.post('/v1/responses', { model: 'quick', input: 'Hello', ...body });

async function answered(response: Response): Promise<ResponseObject> {
  expect(response.status).toBe(200);
  const body: unknown = await response.json();
  expect(responseSchema.parse(body)).toEqual(body);
  return body as ResponseObject;
}

const made = async (body: object = {}) => answered(await create(body));
const fetched = async (id: string) => answered(await server.get(`/v1/responses/${id}`));
const lastPrompt = () => quick.asked.at(-1)!.prompt as readonly ChatMessage[];

async function inputOf(id: string, query = ''): Promise<ItemList> {
  const body: unknown = await (await server.get(`/v1/responses/${id}/input_items${query}`)).json();
  expect(itemListSchema.parse(body)).toEqual(body);
  return body as ItemList;
}

async function eventsOf(response: Response): Promise<ResponseEvent[]> {
  const events = await namedEvents<ResponseEvent>(response);
  for (const event of events) expect(responseEventSchema.parse(event)).toEqual(event);
  return events;
}

function reachGate(): Promise<void> {
  gate = newGate();
  return expect.poll(() => slow.stats().running).toBe(1);
}

describe('kept responses', () => {
  it('come back as they were answered, over a restart too', async () => {
    const response = await made({ metadata: { a: 'NUL \0 and half \ud83d' }, input: 'Grüße 🎉 \0' });
    expect(response.store).toBe(true);
    expect(await fetched(response.id)).toEqual(response);
    const [item] = (await inputOf(response.id)).data;
    expect(item).toMatchObject({ role: 'user', content: [{ type: 'input_text', text: 'Grüße 🎉 \0' }] });
    await server.restart();
    expect(await fetched(response.id)).toEqual(response);
  });

  it('are those that are streamed, whole at the last event', async () => {
    const events = await eventsOf(await create({ stream: true }));
    const { response } = events.at(-1) as Extract<ResponseEvent, { type: 'response.completed' }>;
    expect(await fetched(response.id)).toEqual(response);
  });

  it('are kept where they failed while streaming', async () => {
    const events = await eventsOf(await create({ model: 'broken', stream: true }));
    const { response } = events.at(-1) as Extract<ResponseEvent, { type: 'response.failed' }>;
    expect(response).toMatchObject({ status: 'failed', output: [{ content: [{ text: 'Hello' }] }] });
    expect(await fetched(response.id)).toEqual(response);
  });

  it('are not there when they shall not be kept', async () => {
    const { id, store } = await made({ store: false });
    expect(store).toBe(false);
    expect(await errorOf(await server.get(`/v1/responses/${id}`))).toMatchObject({
      status: 404,
      code: 'response_not_found',
    });
  });

  it('are told anew as a stream', async () => {
    const response = await made({ model: 'caller', tools: [{ type: 'function', name: 'weather' }] });
    const events = await eventsOf(await server.get(`/v1/responses/${response.id}?stream=true`));
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response });
    const items = events.flatMap((event) => (event.type === 'response.output_item.done' ? [event.item] : []));
    expect(items).toEqual(response.output);
    expect(items.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    const after = await server.get(`/v1/responses/${response.id}?stream=true&starting_after=2`);
    expect(await errorOf(after)).toMatchObject({ status: 409, code: 'events_not_kept' });
  });

  it('list their input in pages, both ways', async () => {
    const input = ['a', 'b', 'c', 'd', 'e'].map((content) => ({ role: 'user', content }));
    const { id } = await made({ input });
    const texts = (list: ItemList) =>
      list.data
        .map((item) => 'content' in item && item.content![0]!)
        .map((part) => (part as { text: string }).text);
    expect(texts(await inputOf(id))).toEqual(['e', 'd', 'c', 'b', 'a']);
    const first = await inputOf(id, '?order=asc&limit=2');
    expect(first).toMatchObject({ first_id: first.data[0]!.id, last_id: first.data[1]!.id, has_more: true });
    expect(texts(await inputOf(id, `?order=asc&limit=9&after=${first.last_id}`))).toEqual(['c', 'd', 'e']);
    for (const [query, param] of [
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['order=up', 'order'],
      ['after=msg_1', 'after'],
      ['include[]=x', 'include[0]'],
      ['include=x', 'include'],
      ['include[]=code_interpreter_call.outputs', 'include[0]'],
    ] as const) {
      const refused = await server.get(`/v1/responses/${id}/input_items?${query}`);
      expect(await errorOf(refused)).toMatchObject({ status: 400, param });
    }
  });

  it('go, and are not found afterwards', async () => {
    const { id } = await made();
    const gone = await server.remove(`/v1/responses/${id}`);
    expect(await gone.json()).toEqual({ id, object: 'response', deleted: true });
    for (const missing of [id, 'resp_%00', 'a%2Fb']) {
      for (const refused of [
        await server.get(`/v1/responses/${missing}`),
        await server.get(`/v1/responses/${missing}/input_items`),
        await server.remove(`/v1/responses/${missing}`),
        await server.post(`/v1/responses/${missing}/cancel`),
      ])
        expect(await errorOf(refused)).toMatchObject({ status: 404, param: 'response_id' });
    }
  });

  it('are fetched with what their request included, and padded where that is asked for', async () => {
    const { id } = await made();
    const included = 'include[]=message.output_text.logprobs&include[]=reasoning.encrypted_content';
    expect(await (await server.get(`/v1/responses/${id}?${included}`)).json()).toEqual(await fetched(id));
    expect((await inputOf(id, '?include=file_search_call.results')).data).toHaveLength(1);
    const told = await eventsOf(await server.get(`/v1/responses/${id}?stream=true&include_obfuscation=true`));
    for (const event of told) expect('obfuscation' in event).toBe('delta' in event);
    for (const event of told.filter((one) => 'delta' in one))
      expect(JSON.stringify(event).length % 64).toBe(0);
  });

  it('are not fetched in ways that are not known', async () => {
    const { id } = await made();
    for (const [query, param] of [
      ['stream=yes', 'stream'],
      ['starting_after=1', 'starting_after'],
      ['include_obfuscation=yes', 'include_obfuscation'],
      ['include[]=x', 'include[0]'],
      ['include[]=web_search_call.results', 'include[0]'],
    ] as const) {
      const refused = await server.get(`/v1/responses/${id}?${query}`);
      expect(await errorOf(refused)).toMatchObject({ status: 400, param });
    }
  });
});

describe('going on', () => {
  it('has all that was said before, but not the instructions', async () => {
    const first = await made({ input: 'one', instructions: 'Be kind' });
    const second = await made({ input: 'two', previous_response_id: first.id });
    expect(second.previous_response_id).toBe(first.id);
    await made({ input: 'three', previous_response_id: second.id, instructions: 'Be brief' });
    expect(lastPrompt()).toEqual([
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'Hello world!' },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'Hello world!' },
      { role: 'user', content: 'three' },
    ]);
  });

  it('branches', async () => {
    const first = await made({ input: 'one' });
    await made({ input: 'left', previous_response_id: first.id });
    await made({ input: 'right', previous_response_id: first.id });
    expect(lastPrompt().map(({ content }) => content)).toEqual(['one', 'Hello world!', 'right']);
  });

  it('gives the results of tools', async () => {
    const tools = [{ type: 'function', name: 'weather' }];
    const first = await made({ model: 'caller', input: 'Weather?', tools });
    const call = first.output[1] as Extract<ResponseObject['output'][number], { type: 'function_call' }>;
    const unanswered = { model: 'caller', tools, previous_response_id: first.id, input: 'And?' };
    expect(await errorOf(await create(unanswered))).toMatchObject({
      status: 400,
      message: expect.stringContaining(call.call_id) as string,
    });
    const result = { type: 'function_call_output', call_id: call.call_id, output: 'Rain.' };
    const second = await made({ ...unanswered, input: [result] });
    expect(second.output).toMatchObject([{ content: [{ text: 'It says: Rain.' }] }]);
  });

  it('takes references to items', async () => {
    const first = await made({ input: 'one' });
    await made({
      input: [
        { role: 'user', content: 'Who said' },
        { type: 'item_reference', id: first.output[0]!.id },
      ],
    });
    expect(lastPrompt().map(({ content }) => content)).toEqual(['Who said', 'Hello world!']);
  });

  it('has what was said before when that is deleted, which nobody can read', async () => {
    const first = await made({ input: 'one' });
    const second = await made({ input: 'two', previous_response_id: first.id });
    await server.remove(`/v1/responses/${first.id}`);
    const third = await made({ input: 'three', previous_response_id: second.id });
    expect(lastPrompt().map(({ content }) => content)).toEqual([
      ...['one', 'Hello world!', 'two', 'Hello world!', 'three'],
    ]);
    const reference = { type: 'item_reference', id: first.output[0]!.id };
    for (const refused of [
      await server.get(`/v1/responses/${first.id}`),
      await server.get(`/v1/responses/${first.id}/input_items`),
      await server.remove(`/v1/responses/${first.id}`),
      await server.post(`/v1/responses/${first.id}/cancel`),
      await create({ input: [reference] }),
    ])
      expect(refused.status).toBe(404);
    await server.remove(`/v1/responses/${second.id}`);
    await made({ input: 'four', previous_response_id: third.id });
    expect(lastPrompt().map(({ content }) => content)).toEqual([
      ...['one', 'Hello world!', 'two', 'Hello world!', 'three', 'Hello world!', 'four'],
    ]);
  });

  it('is not lost where what it goes on from is deleted meanwhile', async () => {
    const first = await made({ input: 'one' });
    const running = reachGate();
    const answering = made({ model: 'slow', input: 'two', previous_response_id: first.id });
    await running;
    await server.remove(`/v1/responses/${first.id}`);
    gate.resolve();
    await made({ input: 'three', previous_response_id: (await answering).id });
    expect(lastPrompt().map(({ content }) => content)).toEqual([
      ...['one', 'Hello world!', 'two', 'one two three', 'three'],
    ]);
    expect((await server.get(`/v1/responses/${first.id}`)).status).toBe(404);
  });

  it('is refused from what is not there, or is gone', async () => {
    const first = await made();
    await made({ previous_response_id: first.id });
    const lonely = await made();
    for (const { id } of [first, lonely]) await server.remove(`/v1/responses/${id}`);
    for (const previous of [first.id, lonely.id, 'resp_\0']) {
      expect(await errorOf(await create({ previous_response_id: previous }))).toMatchObject({
        status: 400,
        param: 'previous_response_id',
        code: 'previous_response_not_found',
      });
    }
  });
});

describe('in the background', () => {
  it('are queued, computed and kept without anybody waiting', async () => {
    const running = reachGate();
    const queued = await made({ model: 'slow', background: true });
    expect(queued).toMatchObject({ status: 'queued', background: true, output: [] });
    await running;
    expect(await errorOf(await create({ previous_response_id: queued.id }))).toMatchObject({
      code: 'previous_response_not_done',
    });
    gate.resolve();
    await expect.poll(async () => (await fetched(queued.id)).status).toBe('completed');
    const done = await fetched(queued.id);
    expect(done).toMatchObject({
      output: [{ content: [{ text: 'one two three' }] }],
      usage: { output_tokens: 3 },
    });
    expect(server.lifecycle.active).toBe(0);
  });

  it('are streamed, again from any event, and after their end', async () => {
    const running = reachGate();
    const response = await create({ model: 'slow', background: true, stream: true });
    await running;
    const reader = response.body!.getReader();
    const head = new TextDecoder().decode((await reader.read()).value);
    const { id } = (JSON.parse(head.split('data: ')[1]!) as { response: ResponseObject }).response;
    // The listener leaves; the run goes on.
    await reader.cancel();
    const listening = server.get(`/v1/responses/${id}?stream=true`);
    gate.resolve();
    const events = await eventsOf(await listening);
    expect(events.slice(0, 3).map(({ type }) => type)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: await fetched(id) });
    const later = await eventsOf(await server.get(`/v1/responses/${id}?stream=true&starting_after=4`));
    expect(later).toEqual(events.slice(5));
  });

  it('stop when they are cancelled, with what they said until then, and stay so', async () => {
    let pieces = 0;
    const paused = fakeModel({
      name: 'paused',
      pieces: ['one', ' two', ' three'],
      pace: (signal) =>
        pieces++ < 2
          ? Promise.resolve()
          : new Promise((resolve) => signal!.addEventListener('abort', () => resolve(), { once: true })),
    });
    const own = await keptServer([paused]);
    try {
      const made = await own.post('/v1/responses', { model: 'paused', input: 'Count', background: true });
      const { id } = await answered(made);
      await expect.poll(() => pieces).toBe(3);
      const listening = own.get(`/v1/responses/${id}?stream=true`);
      const cancelled = await answered(await own.post(`/v1/responses/${id}/cancel`));
      expect(cancelled).toMatchObject({
        status: 'cancelled',
        completed_at: null,
        output: [{ type: 'message', status: 'incomplete', content: [{ text: 'one two' }] }],
        usage: { input_tokens: 1, output_tokens: 2 },
      });
      expect(paused.aborted()).toBe(1);
      const events = await eventsOf(await listening);
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
      expect(events.map(({ type }) => type).slice(5)).toEqual([
        'response.output_text.delta',
        'response.output_text.delta',
        'response.output_text.done',
        'response.content_part.done',
        'response.output_item.done',
        'response.incomplete',
      ]);
      expect(events.at(-1)).toMatchObject({ response: cancelled });
      const again = await eventsOf(await own.get(`/v1/responses/${id}?stream=true&starting_after=5`));
      expect(again).toEqual(events.slice(6));
      expect(await answered(await own.post(`/v1/responses/${id}/cancel`))).toEqual(cancelled);
      await own.restart();
      expect(await answered(await own.get(`/v1/responses/${id}`))).toEqual(cancelled);
      expect(await answered(await own.post(`/v1/responses/${id}/cancel`))).toEqual(cancelled);
    } finally {
      await own.close();
    }
  });

  it('have nothing to show when they are cancelled before they began', async () => {
    const running = reachGate();
    const { id } = await made({ model: 'slow', background: true });
    await running;
    const cancelled = await answered(await server.post(`/v1/responses/${id}/cancel`));
    expect(cancelled).toMatchObject({ status: 'cancelled', output: [] });
    await expect.poll(() => server.lifecycle.active).toBe(0);
    expect(await fetched(id)).toEqual(cancelled);
  });

  it('stop when they are deleted', async () => {
    const running = reachGate();
    const { id } = await made({ model: 'slow', background: true });
    await running;
    const aborted = slow.aborted();
    await server.remove(`/v1/responses/${id}`);
    await expect.poll(() => slow.aborted()).toBe(aborted + 1);
    await expect.poll(() => server.lifecycle.active).toBe(0);
    expect((await server.get(`/v1/responses/${id}`)).status).toBe(404);
  });

  it('say why they failed', async () => {
    const { id } = await made({ model: 'broken', background: true });
    await expect.poll(async () => (await fetched(id)).status).toBe('failed');
    const failed = await fetched(id);
    expect(failed.error!.code).toBe('server_error');
    expect(failed.error!.message).not.toContain('secret');
    const long = await made({ background: true, input: 'word '.repeat(2000) });
    await expect.poll(async () => (await fetched(long.id)).error?.code).toBe('invalid_prompt');
  });

  it('are not to be cancelled where somebody waited for them', async () => {
    const { id } = await made();
    const refused = await server.post(`/v1/responses/${id}/cancel`);
    expect(await errorOf(refused)).toMatchObject({ status: 400, param: 'response_id' });
  });

  it('have failed when the server stopped meanwhile', async () => {
    const running = reachGate();
    const { id } = await made({ model: 'slow', background: true });
    await running;
    await server.restart();
    expect(await fetched(id)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringContaining('stopped') as string },
    });
    gate.resolve();
    await expect.poll(() => server.lifecycle.active).toBe(0);
    expect((await fetched(id)).status).toBe('failed');
  });
});
