/** `/v1/conversations`: what is said over several responses, kept until deleted. */

import type { ConversationStore } from '@steelyard/storage';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { newId } from '../responses/item-ids.ts';
import { keepItems } from '../responses/keep-items.ts';
import { sealOf } from '../responses/sealed-reasoning.ts';
import { found, itemFinder } from '../responses/stored-responses.ts';
import {
  conversationDeletedSchema,
  conversationRequestSchema,
  conversationSchema,
  conversationUpdateSchema,
  toConversation,
  type ConversationDeleted,
  type ConversationRequest,
  type ConversationUpdate,
} from '../schemas/conversations.ts';

const PATH = '/v1/conversations';
const ONE = `${PATH}/{conversation_id}`;

export const createConversation = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Begins a conversation, with what was said already.',
  request: conversationRequestSchema,
  response: conversationSchema,
  async handle(call: Call<ConversationRequest>) {
    const { body } = call;
    const { conversations, responses } = await call.storage();
    const items = await keepItems(body.items ?? [], 'items', {
      find: itemFinder(responses),
      seal: sealOf(call),
    });
    const conversation = {
      id: newId('conv'),
      createdAt: Math.floor(Date.now() / 1000),
      metadata: body.metadata ?? {},
    };
    await conversations.create(conversation, items);
    return Response.json(toConversation(conversation));
  },
});

export const retrieveConversation = defineEndpoint({
  method: 'GET',
  path: ONE,
  summary: 'What is known of a conversation but its items.',
  response: conversationSchema,
  handle: (call) =>
    withConversation(call, async (store, id) => Response.json(toConversation(await store.get(id)))),
});

export const updateConversation = defineEndpoint({
  method: 'POST',
  path: ONE,
  summary: "Replaces a conversation's metadata.",
  request: conversationUpdateSchema,
  response: conversationSchema,
  handle: (call: Call<ConversationUpdate>) =>
    withConversation(call, async (store, id) =>
      Response.json(toConversation(await store.setMetadata(id, call.body.metadata ?? {}))),
    ),
});

export const deleteConversation = defineEndpoint({
  method: 'DELETE',
  path: ONE,
  summary: 'Deletes a conversation and its items; responses keep their own.',
  response: conversationDeletedSchema,
  handle: (call) =>
    withConversation(call, async (store, id) => {
      await store.remove(id);
      const body: ConversationDeleted = { id, object: 'conversation.deleted', deleted: true };
      return Response.json(body);
    }),
});

async function withConversation(
  { params, storage }: Call<unknown>,
  answer: (store: ConversationStore, id: string) => Promise<Response>,
): Promise<Response> {
  const { conversations } = await storage();
  return found(answer(conversations, params['conversation_id'] ?? ''), {
    status: 404,
    param: 'conversation_id',
    code: 'conversation_not_found',
  });
}
