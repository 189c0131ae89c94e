/** Token counts and times of an answer. */

import type { GenerateEvent } from '@steelyard/engine';
import { z } from 'zod';

export type FinishEvent = Extract<GenerateEvent, { type: 'finish' }>;

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z.object({
    reasoning_tokens: z.int(),
    accepted_prediction_tokens: z.int(),
    rejected_prediction_tokens: z.int(),
  }),
});

/** Extension: where the time went, in milliseconds; only for answers of one choice. */
export const timingsSchema = z.object({
  queued_ms: z.number(),
  prefill_ms: z.number(),
  decode_ms: z.number(),
});

export type UsageBody = z.infer<typeof usageSchema>;
export type TimingsBody = z.infer<typeof timingsSchema>;

/** Of several times that a model spoke for one answer. */
export function totalUsage(finishes: readonly FinishEvent[]): FinishEvent['usage'] {
  const sum = (of: (usage: FinishEvent['usage']) => number) =>
    finishes.reduce((total, { usage }) => total + of(usage), 0);
  const tellsReasoning = finishes.at(-1)?.usage.reasoningTokens !== undefined;
  return {
    promptTokens: sum(({ promptTokens }) => promptTokens),
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    ...(tellsReasoning ? { reasoningTokens: sum(({ reasoningTokens }) => reasoningTokens ?? 0) } : {}),
    predictedTokens: {
      accepted: sum(({ predictedTokens }) => predictedTokens?.accepted ?? 0),
      rejected: sum(({ predictedTokens }) => predictedTokens?.rejected ?? 0),
    },
  };
}

/**
 * Sums the choices. The prompt of several choices is counted once, as OpenAI bills it.
 * @param finishes by choice index
 * @param choicesPerPrompt `n`
 */
export function toUsage(finishes: readonly FinishEvent[], choicesPerPrompt: number): UsageBody {
  let prompt = 0;
  let cached = 0;
  let completion = 0;
  let reasoning = 0;
  let accepted = 0;
  let rejected = 0;
  finishes.forEach((finish, i) => {
    completion += finish.usage.completionTokens;
    reasoning += finish.usage.reasoningTokens ?? 0;
    accepted += finish.usage.predictedTokens?.accepted ?? 0;
    rejected += finish.usage.predictedTokens?.rejected ?? 0;
    if (i % choicesPerPrompt !== 0) return;
    prompt += finish.usage.promptTokens;
    cached += finish.usage.cachedTokens;
  });
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      accepted_prediction_tokens: accepted,
      rejected_prediction_tokens: rejected,
    },
  };
}

export function toTimings(finishes: readonly FinishEvent[]): { timings?: TimingsBody } {
  const [only, second] = finishes;
  if (!only || second) return {};
  const { queuedMs, prefillMs, decodeMs } = only.timing;
  return { timings: { queued_ms: queuedMs, prefill_ms: prefillMs, decode_ms: decodeMs } };
}
