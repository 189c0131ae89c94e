/** `/v1/conversations/{conversation_id}/items`: what was said, one by one. */

import type { ProjectStorage } from '@steelyard/storage';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { keepItems } from '../responses/keep-items.ts';
import { sealOf } from '../responses/sealed-reasoning.ts';
import { found, fromStoredItems, itemFinder } from '../responses/stored-responses.ts';
import {
  conversationItemsRequestSchema,
  conversationSchema,
  toConversation,
  type ConversationItemsRequest,
} from '../schemas/conversations.ts';
import { itemListQuerySchema, itemListSchema, toItemList, toItemQuery } from '../schemas/item-list.ts';
import { keptItemSchema } from '../schemas/response-items.ts';

const PATH = '/v1/conversations/{conversation_id}/items';
const ONE = `${PATH}/{item_id}`;

export const createConversationItems = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Adds items at the end of a conversation.',
  request: conversationItemsRequestSchema,
  response: itemListSchema,
  handle: (call: Call<ConversationItemsRequest>) =>
    withItems(call, async (storage, id) => {
      const items = await keepItems(call.body.items, 'items', {
        find: itemFinder(storage.responses),
        seal: sealOf(call),
      });
      await storage.conversations.add(id, items);
      return Response.json(toItemList({ items, hasMore: false }));
    }),
});

export const listConversationItems = defineEndpoint({
  method: 'GET',
  path: PATH,
  summary: 'Items of a conversation, newest first unless asked otherwise, in pages.',
  query: itemListQuerySchema,
  response: itemListSchema,
  handle: (call) =>
    withItems(call, async ({ conversations }, id) =>
      Response.json(toItemList(await conversations.list(id, toItemQuery(call.query)))),
    ),
});

export const retrieveConversationItem = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'One item of a conversation.',
  response: keptItemSchema,
  handle: (call) =>
    withItems(call, async ({ conversations }, id) => {
      const [item] = fromStoredItems([await conversations.item(id, itemId(call))]);
      return Response.json(item);
    }),
});

export const deleteConversationItem = defineEndpoint({
  method: 'DELETE',
  path: ONE,
  summary: 'Takes one item out of a conversation, and gives the conversation.',
  response: conversationSchema,
  handle: (call) =>
    withItems(call, async ({ conversations }, id) => {
      await conversations.removeItem(id, itemId(call));
      return Response.json(toConversation(await conversations.get(id)));
    }),
});

function itemId({ params }: Call<unknown>): string {
  return params['item_id'] ?? '';
}

async function withItems(
  { params, storage }: Call<unknown>,
  answer: (storage: ProjectStorage, id: string) => Promise<Response>,
): Promise<Response> {
  return found(answer(await storage(), params['conversation_id'] ?? ''), {
    status: 404,
    param: 'item_id' in params ? 'item_id' : 'conversation_id',
    code: 'not_found',
  });
}
