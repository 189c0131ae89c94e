/** A response as it is answered, kept and carried by events. */

import { z } from 'zod';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';
import { metadataSchema } from './metadata.ts';
import { outputItemSchema } from './response-items.ts';
import { shownFileSearchSchema, shownMcpSchema } from './server-tools.ts';
import type { FinishEvent } from './usage.ts';

export const responseUsageSchema = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

const functionSchema = z.object({
  type: z.literal('function'),
  name: z.string(),
  description: z.string().nullable(),
  parameters: z.record(z.string(), z.unknown()).nullable(),
  /** Whether arguments are held to the parameters. */
  strict: z.boolean(),
});

const formatSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('grammar'), grammar: z.string() }),
  z.object({ type: z.literal('regex'), pattern: z.string() }),
  z.object({
    type: z.literal('json_schema'),
    name: z.string(),
    description: z.string().optional(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.literal(true),
  }),
]);

const toolSchema = z.discriminatedUnion('type', [functionSchema, shownFileSearchSchema, shownMcpSchema]);

const functionName = z.object({ type: z.literal('function'), name: z.string() });
const fileSearchName = z.object({ type: z.literal('file_search') });
const mcpName = z.object({ type: z.literal('mcp'), server_label: z.string(), name: z.string().optional() });
const toolName = z.discriminatedUnion('type', [functionName, fileSearchName, mcpName]);

export const responseSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  background: z.boolean(),
  conversation: z.object({ id: z.string() }).nullable(),
  error: z
    .object({ code: z.enum(['server_error', 'rate_limit_exceeded', 'invalid_prompt']), message: z.string() })
    .nullable(),
  incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  metadata: metadataSchema,
  model: z.string(),
  output: z.array(outputItemSchema),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.object({
    effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullable(),
    summary: z.null(),
  }),
  safety_identifier: z.string().nullable(),
  service_tier: z.literal('default'),
  store: z.boolean(),
  temperature: z.number(),
  text: z.object({ format: formatSchema, verbosity: z.enum(['low', 'medium', 'high']) }),
  tool_choice: z.union([
    z.enum(['none', 'auto', 'required']),
    functionName,
    fileSearchName,
    mcpName,
    z.object({
      type: z.literal('allowed_tools'),
      mode: z.enum(['auto', 'required']),
      tools: z.array(toolName),
    }),
  ]),
  tools: z.array(toolSchema),
  top_logprobs: z.int(),
  top_p: z.number(),
  truncation: z.enum(['auto', 'disabled']),
  /** Extension: how it was computed, where that was asked for. */
  steelyard: steelyardAnswerSchema.optional(),
  usage: responseUsageSchema.optional(),
  user: z.string().optional(),
});

export const responseDeletedSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  deleted: z.literal(true),
});

export type ResponseObject = z.infer<typeof responseSchema>;
export type ResponseDeleted = z.infer<typeof responseDeletedSchema>;
export type ResponseUsage = z.infer<typeof responseUsageSchema>;
export type ResponseError = NonNullable<ResponseObject['error']>;

export function toResponseUsage({ usage }: Pick<FinishEvent, 'usage'>): ResponseUsage {
  return {
    input_tokens: usage.promptTokens,
    // The prefix cache is written as a prompt is computed, at no price.
    input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: 0 },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}
