/** Answers of `POST /v1/completions`, whole and as stream events (one shape for both, as in OpenAI's API). */

import type { TokenLogprob } from '@steelyard/engine';
import { z } from 'zod';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';
import { timingsSchema, usageSchema } from './usage.ts';

const logprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
  text_offset: z.array(z.int()),
});

export const completionResponseSchema = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      text: z.string(),
      logprobs: logprobsSchema.nullable(),
      finish_reason: z.enum(['stop', 'length']).nullable(),
    }),
  ),
  usage: usageSchema.nullable().optional(),
  timings: timingsSchema.optional(),
  steelyard: steelyardAnswerSchema.optional(),
  /** Random characters, with `stream_options.include_obfuscation`. */
  obfuscation: z.string().optional(),
});

export type CompletionResponse = z.infer<typeof completionResponseSchema>;
export type CompletionLogprobs = z.infer<typeof logprobsSchema>;

/**
 * @param alternatives the number asked for; with 0 there is no `top_logprobs`
 * @param offset characters of the choice's text before these tokens
 */
export function toCompletionLogprobs(
  tokens: readonly TokenLogprob[],
  alternatives: number,
  offset: number,
): CompletionLogprobs {
  const offsets: number[] = [];
  let at = offset;
  for (const token of tokens) {
    offsets.push(at);
    at += token.text.length;
  }
  return {
    tokens: tokens.map(tokenText),
    token_logprobs: tokens.map((token) => finite(token.logprob)),
    top_logprobs: alternatives > 0 ? tokens.map(toTop) : null,
    text_offset: offsets,
  };
}

function toTop(token: TokenLogprob): Record<string, number> | null {
  if (!Number.isFinite(token.logprob)) return null;
  return Object.fromEntries([...token.top, token].map((one) => [tokenText(one), one.logprob]));
}

/** The first token of a prompt follows nothing, so it has none. */
function finite(logprob: number): number | null {
  return Number.isFinite(logprob) ? logprob : null;
}

/** Half characters are written as bytes, as OpenAI does; as U+FFFD they would be one key for many tokens. */
function tokenText(token: { text: string; bytes: Uint8Array }): string {
  if (!token.text.includes('\uFFFD')) return token.text;
  return `bytes:${[...token.bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
}
