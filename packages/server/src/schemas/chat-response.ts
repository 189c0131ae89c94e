/** Answers of `POST /v1/chat/completions`: whole, and as stream events. */

import type { TokenLogprob } from '@steelyard/engine';
import { z } from 'zod';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';
import { toolCallSchema } from './chat-request.ts';
import { timingsSchema, usageSchema } from './usage.ts';

const alternativeSchema = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int()).nullable(),
});

const logprobsSchema = z.object({
  content: z.array(alternativeSchema.extend({ top_logprobs: z.array(alternativeSchema) })).nullable(),
  refusal: z.null(),
});

/** The first piece of a call has its id and name; arguments of all pieces join to one text. */
export const toolCallPieceSchema = z.object({
  index: z.int(),
  id: z.string().optional(),
  type: z.literal('function').optional(),
  function: z.object({ name: z.string().optional(), arguments: z.string() }),
});

/** `function_call` where the request asked for `functions`. */
const finishReason = z.enum(['stop', 'length', 'tool_calls', 'function_call']);

export const chatResponseSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  /** Where the request names a tier. */
  service_tier: z.literal('default').optional(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        /** Null where the model only called tools. */
        content: z.string().nullable(),
        refusal: z.null(),
        /** Extension, as DeepSeek has it: thoughts ahead of the answer. */
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCallSchema).optional(),
        /** In place of `tool_calls` where the request asked for `functions`. */
        function_call: toolCallSchema.shape.function.optional(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finishReason,
    }),
  ),
  usage: usageSchema,
  timings: timingsSchema.optional(),
  steelyard: steelyardAnswerSchema.optional(),
});

export const chatChunkSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  /** Where the request names a tier. */
  service_tier: z.literal('default').optional(),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: z.object({
        role: z.literal('assistant').optional(),
        content: z.string().optional(),
        refusal: z.null().optional(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCallPieceSchema).optional(),
        function_call: toolCallPieceSchema.shape.function.optional(),
      }),
      logprobs: logprobsSchema.nullable(),
      finish_reason: finishReason.nullable(),
    }),
  ),
  /** Null but in the last event; absent unless asked for with `stream_options.include_usage`. */
  usage: usageSchema.nullable().optional(),
  timings: timingsSchema.optional(),
  steelyard: steelyardAnswerSchema.optional(),
  /** Random characters, with `stream_options.include_obfuscation`. */
  obfuscation: z.string().optional(),
});

export type ChatResponse = z.infer<typeof chatResponseSchema>;
export type ToolCallBody = z.infer<typeof toolCallSchema>;
export type ToolCallPiece = z.infer<typeof toolCallPieceSchema>;
export type ChatChunk = z.infer<typeof chatChunkSchema>;
export type ChatLogprobs = z.infer<typeof logprobsSchema>;

/** @returns null when the request asked for none */
export function toChatLogprobs(tokens: readonly TokenLogprob[] | undefined): ChatLogprobs | null {
  if (!tokens) return null;
  const content = tokens.map((token) => ({
    ...toAlternative(token),
    top_logprobs: token.top.map((one) => toAlternative(one)),
  }));
  return { content, refusal: null };
}

function toAlternative(token: { text: string; logprob: number; bytes: Uint8Array }) {
  return { token: token.text, logprob: finite(token.logprob), bytes: [...token.bytes] };
}

/** JSON has no infinity; OpenAI writes -9999 for what cannot happen. */
function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : -9999;
}
