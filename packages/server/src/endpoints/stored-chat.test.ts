import { createStubModel } from '@steelyard/engine/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { events } from '../../test/requests.ts';
import type { ChatChunk, ChatResponse } from '../schemas/chat-response.ts';
import type { StoredChat, StoredMessage } from '../schemas/stored-chat.ts';

interface List<Entry> {
  readonly data: readonly Entry[];
  readonly has_more: boolean;
  readonly last_id: string;
}

const PATH = '/v1/chat/completions';
const caller = createStubModel({
  name: 'caller',
  marks: '<tool_call>',
  reply: () => '<tool_call>{"name": "weather", "arguments": {"city":"Oslo"}}</tool_call>',
});
let server: KeptServer;

beforeAll(async () => {
  server = await keptServer([createStubModel({ name: 'stub' }), caller]);
}, 120_000);
afterAll(() => server?.close());

const asking = (content: unknown, more: object = {}) => ({
  ...{ model: 'stub', store: true, messages: [{ role: 'user', content }] },
  ...more,
});

async function create(content: unknown, more: object = {}): Promise<ChatResponse> {
  const response = await server.post(PATH, asking(content, more));
  expect(response.status).toBe(200);
  return (await response.json()) as ChatResponse;
}

const get = async <Body>(path: string) => (await (await server.get(path)).json()) as Body;

describe('stored chat completions', () => {
  it('are what was answered, with what was asked', async () => {
    const answer = await create('hello there', { metadata: { k: 'v' }, seed: 7, user: 'me' });
    expect(await get<StoredChat>(`${PATH}/${answer.id}`)).toMatchObject({
      ...answer,
      metadata: { k: 'v' },
      seed: 7,
      temperature: 1,
      tools: null,
      input_user: 'me',
      request_id: expect.stringMatching(/^req_/) as string,
    });
  });

  it.each([
    ['text with logprobs', { model: 'stub', logprobs: true, n: 2 }, true],
    ['text without usage', { model: 'stub' }, false],
    [
      'calls of tools',
      { model: 'caller', tools: [{ type: 'function', function: { name: 'weather' } }] },
      true,
    ],
  ])('are the same when %s streamed', async (_, more, withUsage) => {
    const asked = { ...more, temperature: 0 };
    const whole = await create('some words', asked);
    const options = withUsage ? { stream_options: { include_usage: true } } : {};
    const response = await server.post(PATH, asking('some words', { ...asked, stream: true, ...options }));
    const chunks = await events<ChatChunk>(response);
    expect(chunks.some(({ usage }) => usage)).toBe(withUsage);
    expect(chunks.every((chunk) => 'usage' in chunk === withUsage)).toBe(true);
    const stored = await get<StoredChat>(`${PATH}/${chunks[0]!.id}`);
    const withoutIds = (choices: ChatResponse['choices']) =>
      JSON.parse(JSON.stringify(choices).replace(/"id":"[^"]*"/g, '"id":""')) as unknown;
    expect(withoutIds(stored.choices)).toEqual(withoutIds(whole.choices));
    expect(stored.usage).toEqual(whole.usage);
  });

  it('are not kept unless asked for', async () => {
    const { id } = await create('x', { store: false });
    expect(await errorOf(await server.get(`${PATH}/${id}`))).toMatchObject({
      status: 404,
      param: 'completion_id',
    });
  });

  it('are listed in pages, by model and by metadata', async () => {
    const ids: string[] = [];
    for (const n of ['1', '2', '3'])
      ids.push((await create(n, { metadata: { group: 'g', nul: 'a\0b', n } })).id);
    const list = (query: string) => get<List<StoredChat>>(`${PATH}?${query}`);
    const group = 'metadata[group]=g';
    expect((await list(group)).data.map(({ id }) => id)).toEqual(ids);
    expect((await list(`${group}&metadata[n]=2`)).data.map(({ id }) => id)).toEqual([ids[1]]);
    expect((await list('metadata[nul]=a%00b')).data).toHaveLength(3);
    expect((await list(`${group}&model=caller`)).data).toEqual([]);
    const first = await list(`${group}&limit=2&order=desc`);
    expect(first).toMatchObject({ has_more: true, last_id: ids[1] });
    expect((await list(`${group}&after=${ids[1]}`)).data.map(({ id }) => id)).toEqual([ids[2]]);
    for (const query of ['after=chatcmpl-9', 'limit=0', 'order=up', 'colour=red'])
      expect(await errorOf(await server.get(`${PATH}?${query}`))).toMatchObject({ status: 400 });
  });

  it('have messages in pages', async () => {
    const { id } = await create([{ type: 'text', text: 'parts' }], {
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'parts' }] },
      ],
    });
    const list = (query = '') => get<List<StoredMessage>>(`${PATH}/${id}/messages${query}`);
    const { data } = await list();
    expect(data).toEqual([
      { id: `${id}-0`, role: 'system', content: 'Be brief.', content_parts: null, name: null, refusal: null },
      {
        id: `${id}-1`,
        role: 'user',
        content: null,
        content_parts: [{ type: 'text', text: 'parts' }],
        name: null,
        refusal: null,
      },
    ]);
    expect((await list('?limit=1&order=desc')).data).toEqual([data[1]]);
    expect((await list(`?after=${id}-0`)).data).toEqual([data[1]]);
    expect(await errorOf(await server.get(`${PATH}/${id}/messages?after=x`))).toMatchObject({
      param: 'after',
    });
  });

  it('get other metadata, and go', async () => {
    const { id } = await create('x', { metadata: { a: '1' } });
    const changed = await server.post(`${PATH}/${id}`, { metadata: { b: '2' } });
    expect(await changed.json()).toMatchObject({ id, metadata: { b: '2' } });
    expect((await get<List<StoredChat>>(`${PATH}?metadata[a]=1`)).data).toEqual([]);
    const gone = await server.remove(`${PATH}/${id}`);
    expect(await gone.json()).toEqual({ id, object: 'chat.completion.deleted', deleted: true });
    for (const path of [id, `${id}/messages`, 'chatcmpl-%00'])
      expect(await errorOf(await server.get(`${PATH}/${path}`))).toMatchObject({ status: 404 });
  });
});
