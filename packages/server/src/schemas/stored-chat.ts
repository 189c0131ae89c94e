/** Stored chat completions on the wire: the completion with what was asked, its messages, and lists of both. */

import type { Item, StoredChatCompletion } from '@steelyard/storage';
import { z } from 'zod';
import type { ChatRequest } from './chat-request.ts';
import { chatResponseSchema } from './chat-response.ts';
import { listOf, pageFields } from './list-page.ts';
import { metadataSchema, type Metadata } from './metadata.ts';

const page = pageFields('asc');

/** `metadata[key]=value` as the object that it means. */
function foldMetadata(query: unknown): unknown {
  const rest: Record<string, unknown> = {};
  const metadata: [string, unknown][] = [];
  for (const [name, value] of Object.entries(query as Record<string, unknown>)) {
    const key = /^metadata\[(.+)\]$/s.exec(name)?.[1];
    if (key === undefined) rest[name] = value;
    else metadata.push([key, value]);
  }
  return metadata.length === 0 ? rest : { ...rest, metadata: Object.fromEntries(metadata) };
}

export const storedChatQuerySchema = z.preprocess(
  foldMetadata,
  z.strictObject({ ...page, model: z.string().optional(), metadata: metadataSchema.optional() }),
);

export const storedMessagesQuerySchema = z.strictObject(page);

export const storedChatUpdateSchema = z.strictObject({ metadata: metadataSchema.nullable() });

export const storedChatSchema = chatResponseSchema.extend({
  metadata: metadataSchema,
  request_id: z.string(),
  tools: z.array(z.unknown()).nullable(),
  tool_choice: z.unknown().nullable(),
  response_format: z.unknown().nullable(),
  seed: z.number().nullable(),
  temperature: z.number(),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  service_tier: z.literal('default'),
  input_user: z.string().nullable(),
});

const storedMessageSchema = z.looseObject({
  id: z.string(),
  role: z.string(),
  content: z.string().nullable(),
  content_parts: z.array(z.unknown()).nullable(),
  name: z.string().nullable(),
  refusal: z.string().nullable(),
});

export const storedChatListSchema = listOf(storedChatSchema);
export const storedMessageListSchema = listOf(storedMessageSchema);

export const storedChatDeletedSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion.deleted'),
  deleted: z.literal(true),
});

export type StoredChatQuery = z.infer<typeof storedChatQuerySchema>;
export type StoredMessagesQuery = z.infer<typeof storedMessagesQuerySchema>;
export type StoredChatUpdate = z.infer<typeof storedChatUpdateSchema>;
export type StoredChat = z.infer<typeof storedChatSchema>;
export type StoredMessage = z.infer<typeof storedMessageSchema>;
export type StoredChatDeleted = z.infer<typeof storedChatDeletedSchema>;

/** What of a request is shown with its answer. */
export function keptFields(
  body: ChatRequest,
): Omit<
  StoredChat,
  Exclude<keyof typeof chatResponseSchema.shape, 'service_tier'> | 'metadata' | 'request_id'
> {
  return {
    tools: body.tools ?? null,
    tool_choice: body.tool_choice ?? null,
    response_format: body.response_format ?? null,
    seed: body.seed ?? null,
    temperature: body.temperature ?? 1,
    top_p: body.top_p ?? 1,
    presence_penalty: body.presence_penalty ?? 0,
    frequency_penalty: body.frequency_penalty ?? 0,
    service_tier: 'default',
    input_user: body.user ?? null,
  };
}

export function toStoredChat({ body, metadata }: StoredChatCompletion): StoredChat {
  // Only objects of this shape are ever stored.
  return { ...body, metadata: metadata as Metadata } as unknown as StoredChat;
}

export function toStoredMessage(message: Item): StoredMessage {
  const { id, role, content, name = null, refusal = null, ...rest } = message;
  const parts = Array.isArray(content) ? (content as readonly { readonly text?: string }[]) : null;
  return {
    ...rest,
    id,
    role: role as string,
    content: parts ? null : ((content as string | null | undefined) ?? null),
    content_parts: parts ? [...parts] : null,
    name: name as string | null,
    refusal: refusal as string | null,
  };
}
