/** `/v1/conversations/{conversation_id}/items`: what was said, one by one. */

import type { ProjectStorage } from '@steelyard/storage';
import { z } from 'zod';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import { keepItems } from '../responses/keep-items.ts';
import { sealOf } from '../responses/sealed-reasoning.ts';
import { found, fromStoredItems, itemFinder } from '../responses/stored-responses.ts';
import {
  conversationItemsRequestSchema,
  conversationSchema,
  toConversation,
  type ConversationItemsRequest,
} from '../schemas/conversations.ts';
import { checkIncludeQuery, includeQuery, type IncludeQuery } from '../schemas/include.ts';
import { itemListQuerySchema, itemListSchema, toItemList, toItemQuery } from '../schemas/item-list.ts';
import { keptItemSchema } from '../schemas/response-items.ts';

const PATH = '/v1/conversations/{conversation_id}/items';
const ONE = `${PATH}/{item_id}`;

export const createConversationItems = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Adds items at the end of a conversation.',
  request: conversationItemsRequestSchema,
  query: z.strictObject(includeQuery),
  response: itemListSchema,
  handle: (call: Call<ConversationItemsRequest, IncludeQuery>) =>
    withItems(call, async (storage, id) => {
      checkIncludeQuery(call.query);
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
  query: z.strictObject(includeQuery),
  response: keptItemSchema,
  handle: (call) =>
    withItems(call, async ({ conversations }, id) => {
      checkIncludeQuery(call.query);
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

/** Of a path that names an item, both may be missing; which one is asked only then. */
async function withItems(
  { params, storage }: Call<unknown>,
  answer: (storage: ProjectStorage, id: string) => Promise<Response>,
): Promise<Response> {
  const kept = await storage();
  const id = params['conversation_id'] ?? '';
  const missing = { status: 404, param: 'conversation_id', code: 'conversation_not_found' };
  if (!('item_id' in params)) return found(answer(kept, id), missing);
  try {
    return await found(answer(kept, id), { status: 404, param: 'item_id', code: 'item_not_found' });
  } catch (error) {
    if (error instanceof ApiError && error.code === 'item_not_found')
      await found(kept.conversations.get(id), missing);
    throw error;
  }
}
