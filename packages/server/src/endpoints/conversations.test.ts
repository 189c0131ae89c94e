/** Conversations: their items, and responses that go on from them and are told to them. */

import type { ChatMessage } from '@steelyard/text';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fakeModel } from '../../test/fake-model.ts';
import { errorOf, keptServer, type KeptServer } from '../../test/kept-server.ts';
import { conversationSchema, type Conversation } from '../schemas/conversations.ts';
import { itemListSchema, type ItemList } from '../schemas/item-list.ts';
import type { KeptItem } from '../schemas/response-items.ts';
import type { ResponseObject } from '../schemas/response-object.ts';

const model = fakeModel({ name: 'quick' });
let server: KeptServer;

beforeAll(async () => {
  server = await keptServer([model]);
}, 60_000);

afterAll(() => server?.close());

const user = (content: string) => ({ role: 'user', content });

async function begun(body: object = {}): Promise<Conversation> {
  const response = await server.post('/v1/conversations', body);
  expect(response.status).toBe(200);
  return conversationSchema.parse(await response.json());
}

async function itemsOf(id: string, query = '?order=asc'): Promise<ItemList> {
  const body: unknown = await (await server.get(`/v1/conversations/${id}/items${query}`)).json();
  expect(itemListSchema.parse(body)).toEqual(body);
  return body as ItemList;
}

const textOf = (item: KeptItem) =>
  'content' in item ? (item.content![0] as { text: string }).text : item.type;
const said = async (id: string) => (await itemsOf(id)).data.map(textOf);

async function respond(body: object): Promise<ResponseObject> {
  const response = await server.post('/v1/responses', { model: 'quick', ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as ResponseObject;
}

it('are begun, changed and deleted', async () => {
  const conversation = await begun({ metadata: { a: 'b' }, items: [user('one')] });
  expect(conversation.id).toMatch(/^conv_[0-9a-f]{32}$/);
  const path = `/v1/conversations/${conversation.id}`;
  expect(await (await server.get(path)).json()).toEqual(conversation);
  const changed = await server.post(path, { metadata: { c: 'd' } });
  expect(await changed.json()).toEqual({ ...conversation, metadata: { c: 'd' } });
  await server.restart();
  expect(await (await server.get(path)).json()).toMatchObject({ metadata: { c: 'd' } });
  expect(await said(conversation.id)).toEqual(['one']);
  const gone = await server.remove(path);
  expect(await gone.json()).toEqual({ id: conversation.id, object: 'conversation.deleted', deleted: true });
  for (const missing of [conversation.id, 'conv_%00']) {
    for (const refused of [
      await server.get(`/v1/conversations/${missing}`),
      await server.post(`/v1/conversations/${missing}`, { metadata: {} }),
      await server.remove(`/v1/conversations/${missing}`),
      await server.get(`/v1/conversations/${missing}/items`),
      await server.post(`/v1/conversations/${missing}/items`, { items: [user('x')] }),
      await server.get(`/v1/conversations/${missing}/items/msg_1`),
      await server.remove(`/v1/conversations/${missing}/items/msg_1`),
    ])
      expect(await errorOf(refused)).toMatchObject({
        ...{ status: 404, param: 'conversation_id', code: 'conversation_not_found' },
      });
  }
});

it('take items of every kind, and give each back', async () => {
  const { id } = await begun();
  const items = [
    user('Weather?'),
    { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }] },
    { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{}' },
    { type: 'function_call_output', call_id: 'a', output: 'Rain.' },
    { role: 'assistant', content: 'Rain.' },
  ];
  const added = (await (await server.post(`/v1/conversations/${id}/items`, { items })).json()) as ItemList;
  expect(itemListSchema.parse(added)).toEqual(added);
  expect(added.data.map(({ type }) => type)).toEqual([
    'message',
    'reasoning',
    'function_call',
    'function_call_output',
    'message',
  ]);
  expect((await itemsOf(id)).data).toEqual(added.data);
  const newest = await itemsOf(id, '?limit=2');
  expect(newest).toMatchObject({ has_more: true, last_id: added.data[3]!.id });
  expect((await itemsOf(id, `?after=${newest.last_id}`)).data).toEqual(added.data.slice(0, 3).toReversed());
  const one = `/v1/conversations/${id}/items/${added.data[1]!.id}`;
  expect(await (await server.get(one)).json()).toEqual(added.data[1]);
  expect(await (await server.remove(one)).json()).toMatchObject({ id, object: 'conversation' });
  for (const refused of [await server.get(one), await server.remove(one)])
    expect(await errorOf(refused)).toMatchObject({ status: 404, param: 'item_id', code: 'item_not_found' });
  const included = '?include[]=message.output_text.logprobs&include[]=file_search_call.results';
  expect((await itemsOf(id, included)).data).toHaveLength(4);
  for (const path of [
    `/v1/conversations/${id}/items`,
    `/v1/conversations/${id}/items/${added.data[0]!.id}`,
  ]) {
    const refused = await server.get(`${path}?include[]=computer_call_output.output.image_url`);
    expect(await errorOf(refused)).toMatchObject({ status: 400, param: 'include[0]' });
  }
  const posted = await server.post(`/v1/conversations/${id}/items?include[]=x`, { items: [user('x')] });
  expect(await errorOf(posted)).toMatchObject({ status: 400, param: 'include[0]' });
});

it('take no item twice, and then none at all', async () => {
  const { id } = await begun({ items: [{ ...user('one'), type: 'message', id: 'msg_own' }] });
  const items = [user('two'), { ...user('one'), type: 'message', id: 'msg_own' }];
  const refused = await server.post(`/v1/conversations/${id}/items`, { items });
  expect(await errorOf(refused)).toMatchObject({ status: 400, param: 'items' });
  expect(await said(id)).toEqual(['one']);
});

it('are gone on from, and told what was said', async () => {
  const { id } = await begun({ items: [{ role: 'developer', content: 'Be kind' }, user('one')] });
  const response = await respond({ conversation: id, input: 'two' });
  expect(response.conversation).toEqual({ id });
  expect(await said(id)).toEqual(['Be kind', 'one', 'two', 'Hello world!']);
  await respond({ conversation: { id }, input: 'three' });
  expect((model.asked.at(-1)!.prompt as readonly ChatMessage[]).map(({ content }) => content)).toEqual([
    'Be kind',
    'one',
    'two',
    'Hello world!',
    'three',
  ]);
  // What was said later is not part of the first.
  await respond({ previous_response_id: response.id, input: 'aside' });
  expect((model.asked.at(-1)!.prompt as readonly ChatMessage[]).map(({ content }) => content)).toEqual([
    'Be kind',
    'one',
    'two',
    'Hello world!',
    'aside',
  ]);
  expect(await said(id)).toHaveLength(6);
});

it('are told by streams and by the background, and not by what is not kept', async () => {
  const { id } = await begun();
  await (
    await server.post('/v1/responses', { model: 'quick', conversation: id, input: 'a', stream: true })
  ).text();
  expect(await said(id)).toEqual(['a', 'Hello world!']);
  const stream = { model: 'quick', conversation: id, input: 'b', stream: true, background: true };
  await (await server.post('/v1/responses', stream)).text();
  expect(await said(id)).toEqual(['a', 'Hello world!', 'b', 'Hello world!']);
  await respond({ conversation: id, input: 'c', store: false });
  expect(await said(id)).toHaveLength(4);
});

it('that are not there are not gone on from', async () => {
  const refused = await server.post('/v1/responses', { model: 'quick', conversation: 'conv_1', input: 'x' });
  expect(await errorOf(refused)).toMatchObject({ status: 404, param: 'conversation' });
});

it.each([
  ['/v1/conversations', { items: Array(21).fill(user('x')) }, 'items'],
  ['/v1/conversations', { items: [{ type: 'shell_call' }] }, 'items[0].type'],
  ['/v1/conversations', { items: [{ id: 'msg_none' }] }, 'items[0]'],
  ['/v1/conversations', { title: 'x' }, 'title'],
  ['/v1/conversations/conv_1', {}, 'metadata'],
  ['/v1/conversations/conv_1/items', { items: [] }, 'items'],
])('refuse at %s what is wrong with %j', async (path, body, param) => {
  expect(await errorOf(await server.post(path, body))).toMatchObject({ param });
});
