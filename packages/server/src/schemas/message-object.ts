/** Answers of `POST /v1/messages`: whole, and as stream events. The shapes are Anthropic's. */

import { z } from 'zod';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';
import type { FinishEvent } from './usage.ts';

const textBlock = z.object({ type: z.literal('text'), text: z.string(), citations: z.null() });
const thinkingBlock = z.object({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.string(),
});
const toolUseBlock = z.object({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
  caller: z.object({ type: z.literal('direct') }),
});

const blockSchema = z.discriminatedUnion('type', [textBlock, thinkingBlock, toolUseBlock]);

const usageFields = {
  input_tokens: z.int(),
  /** The prefix cache is written as a prompt is computed, at no price. */
  cache_creation_input_tokens: z.literal(0),
  cache_read_input_tokens: z.int(),
  output_tokens: z.int(),
  output_tokens_details: z.object({ thinking_tokens: z.int() }),
  server_tool_use: z.null(),
};

const deltaUsageSchema = z.object(usageFields);
const usageSchema = z.object({
  ...usageFields,
  cache_creation: z.null(),
  inference_geo: z.null(),
  service_tier: z.literal('standard'),
  speed: z.null(),
});

const stopReason = z.enum([
  'end_turn',
  'max_tokens',
  'stop_sequence',
  'tool_use',
  'model_context_window_exceeded',
]);

export const messageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  content: z.array(blockSchema),
  stop_reason: stopReason.nullable(),
  stop_sequence: z.string().nullable(),
  stop_details: z.null(),
  container: z.null(),
  diagnostics: z.null(),
  usage: usageSchema,
  steelyard: steelyardAnswerSchema.optional(),
});

const delta = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text_delta'), text: z.string() }),
  z.object({ type: z.literal('thinking_delta'), thinking: z.string() }),
  z.object({ type: z.literal('signature_delta'), signature: z.string() }),
  z.object({ type: z.literal('input_json_delta'), partial_json: z.string() }),
]);

export const messageEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message: messageSchema }),
  z.object({ type: z.literal('ping') }),
  z.object({ type: z.literal('content_block_start'), index: z.int(), content_block: blockSchema }),
  z.object({ type: z.literal('content_block_delta'), index: z.int(), delta }),
  z.object({ type: z.literal('content_block_stop'), index: z.int() }),
  z.object({
    type: z.literal('message_delta'),
    delta: z.object({
      stop_reason: stopReason,
      stop_sequence: z.string().nullable(),
      stop_details: z.null(),
      container: z.null(),
    }),
    usage: deltaUsageSchema,
    steelyard: steelyardAnswerSchema.optional(),
  }),
  z.object({ type: z.literal('message_stop') }),
]);

export const countTokensSchema = z.object({ input_tokens: z.int() });

export type MessageObject = z.infer<typeof messageSchema>;
export type MessageBlock = z.infer<typeof blockSchema>;
export type MessageEvent = z.infer<typeof messageEventSchema>;
export type MessageUsage = z.infer<typeof deltaUsageSchema>;

/** Tokens from the cache are counted apart from the others of the prompt. */
export function toMessageUsage({ usage }: FinishEvent): MessageUsage {
  return {
    input_tokens: usage.promptTokens - usage.cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.completionTokens,
    output_tokens_details: { thinking_tokens: usage.reasoningTokens ?? 0 },
    server_tool_use: null,
  };
}
