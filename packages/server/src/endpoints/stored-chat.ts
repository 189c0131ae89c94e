/** `/v1/chat/completions/{completion_id}` and the list: chat completions made with `store: true`. */

import { RequestError } from '@steelyard/core';
import type { ChatCompletionStore } from '@steelyard/storage';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { found } from '../responses/stored-responses.ts';
import { toList } from '../schemas/list-page.ts';
import {
  storedChatDeletedSchema,
  storedChatListSchema,
  storedChatQuerySchema,
  storedChatSchema,
  storedChatUpdateSchema,
  storedMessageListSchema,
  storedMessagesQuerySchema,
  toStoredChat,
  toStoredMessage,
  type StoredChatDeleted,
  type StoredChatQuery,
  type StoredChatUpdate,
  type StoredMessagesQuery,
} from '../schemas/stored-chat.ts';

const PATH = '/v1/chat/completions';
const ONE = `${PATH}/{completion_id}`;

export const listStoredChats = defineEndpoint({
  method: 'GET',
  path: PATH,
  summary: 'Stored chat completions, oldest first unless asked otherwise, in pages.',
  query: storedChatQuerySchema,
  response: storedChatListSchema,
  async handle(call: Call<unknown, StoredChatQuery>) {
    const { limit, order, after, model, metadata } = call.query;
    const { chatCompletions } = await call.storage();
    const page = await chatCompletions.list({
      ...{ limit, order },
      ...(after === undefined ? {} : { after }),
      ...(model === undefined ? {} : { model }),
      ...(metadata ? { metadata } : {}),
    });
    return Response.json(toList(page.completions.map(toStoredChat), page.hasMore));
  },
});

export const retrieveStoredChat = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'A stored chat completion.',
  response: storedChatSchema,
  handle: (call) => withChat(call, async (store, id) => Response.json(toStoredChat(await store.get(id)))),
});

export const updateStoredChat = defineEndpoint({
  method: 'POST',
  path: ONE,
  summary: "Replaces a stored chat completion's metadata.",
  request: storedChatUpdateSchema,
  response: storedChatSchema,
  handle: (call: Call<StoredChatUpdate>) =>
    withChat(call, async (store, id) =>
      Response.json(toStoredChat(await store.setMetadata(id, call.body.metadata ?? {}))),
    ),
});

export const deleteStoredChat = defineEndpoint({
  method: 'DELETE',
  path: ONE,
  summary: 'Deletes a stored chat completion.',
  response: storedChatDeletedSchema,
  handle: (call) =>
    withChat(call, async (store, id) => {
      await store.remove(id);
      const body: StoredChatDeleted = { id, object: 'chat.completion.deleted', deleted: true };
      return Response.json(body);
    }),
});

export const listStoredMessages = defineEndpoint({
  method: 'GET',
  path: `${ONE}/messages`,
  summary: 'The messages that a stored chat completion answers, in pages.',
  query: storedMessagesQuerySchema,
  response: storedMessageListSchema,
  handle: (call: Call<unknown, StoredMessagesQuery>) =>
    withChat(call, async (store, id) => {
      const { limit, order, after } = call.query;
      const all = (await store.messages(id)).map(toStoredMessage);
      if (order === 'desc') all.reverse();
      const at = after === undefined ? 0 : all.findIndex((message) => message.id === after) + 1;
      if (after !== undefined && at === 0) {
        throw new RequestError(`Invalid 'after': got '${after}', expected the id of a message.`, 'after');
      }
      return Response.json(toList(all.slice(at, at + limit), all.length > at + limit));
    }),
});

async function withChat(
  call: Call<unknown, unknown>,
  answer: (store: ChatCompletionStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { chatCompletions: store } = await call.storage();
  return found(answer(store, call.params['completion_id'] ?? ''), {
    status: 404,
    param: 'completion_id',
    code: 'completion_not_found',
  });
}
