/** Conversations on the wire. */

import type { StoredConversation } from '@steelyard/storage';
import { z } from 'zod';
import { metadataSchema, type Metadata } from './metadata.ts';
import { inputItemSchema } from './response-items.ts';

/** Items that may come at once, as OpenAI has it. */
const MAX_ITEMS = 20;

export const conversationRequestSchema = z.strictObject({
  items: z.array(inputItemSchema).max(MAX_ITEMS).nullish(),
  metadata: metadataSchema.nullish(),
});

export const conversationUpdateSchema = z.strictObject({ metadata: metadataSchema.nullable() });

export const conversationItemsRequestSchema = z.strictObject({
  items: z.array(inputItemSchema).min(1).max(MAX_ITEMS),
});

export const conversationSchema = z.object({
  id: z.string(),
  object: z.literal('conversation'),
  created_at: z.int(),
  metadata: metadataSchema,
});

export const conversationDeletedSchema = z.object({
  id: z.string(),
  object: z.literal('conversation.deleted'),
  deleted: z.literal(true),
});

export type ConversationRequest = z.infer<typeof conversationRequestSchema>;
export type ConversationUpdate = z.infer<typeof conversationUpdateSchema>;
export type ConversationItemsRequest = z.infer<typeof conversationItemsRequestSchema>;
export type Conversation = z.infer<typeof conversationSchema>;
export type ConversationDeleted = z.infer<typeof conversationDeletedSchema>;

export function toConversation({ id, createdAt, metadata }: StoredConversation): Conversation {
  // Only what the schema let through is ever stored.
  return { id, object: 'conversation', created_at: createdAt, metadata: metadata as Metadata };
}
