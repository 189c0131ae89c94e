/** Answers of Ollama's `/api/*`; streams are lines of the same objects. Durations are nanoseconds. */

import type { TokenLogprob } from '@steelyard/engine';
import { z } from 'zod';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';
import type { FinishEvent } from './usage.ts';

const tokenSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
const logprobSchema = tokenSchema.extend({ top_logprobs: z.array(tokenSchema) });

const callSchema = z.object({
  id: z.string(),
  function: z.object({ index: z.int(), name: z.string(), arguments: z.record(z.string(), z.unknown()) }),
});

const head = {
  model: z.string(),
  created_at: z.string(),
  done: z.boolean(),
  done_reason: z.enum(['stop', 'length', 'load', 'unload']).optional(),
  total_duration: z.int().optional(),
  load_duration: z.int().optional(),
  prompt_eval_count: z.int().optional(),
  prompt_eval_duration: z.int().optional(),
  eval_count: z.int().optional(),
  eval_duration: z.int().optional(),
  logprobs: z.array(logprobSchema).optional(),
  steelyard: steelyardAnswerSchema.optional(),
};

export const ollamaChatAnswerSchema = z.object({
  ...head,
  message: z.object({
    role: z.literal('assistant'),
    content: z.string(),
    thinking: z.string().optional(),
    tool_calls: z.array(callSchema).optional(),
  }),
});

export const ollamaGenerateAnswerSchema = z.object({
  ...head,
  response: z.string(),
  thinking: z.string().optional(),
});

export const ollamaEmbedAnswerSchema = z.object({
  model: z.string(),
  embeddings: z.array(z.array(z.number())),
  total_duration: z.int(),
  load_duration: z.int(),
  prompt_eval_count: z.int(),
  steelyard: steelyardAnswerSchema.optional(),
});

export const ollamaEmbeddingsAnswerSchema = z.object({
  embedding: z.array(z.number()),
  steelyard: steelyardAnswerSchema.optional(),
});

const detailsSchema = z.object({
  parent_model: z.literal(''),
  format: z.string(),
  family: z.string(),
  families: z.array(z.string()),
  parameter_size: z.string(),
  quantization_level: z.string(),
});

const listedSchema = z.object({
  name: z.string(),
  model: z.string(),
  size: z.number(),
  digest: z.string(),
  details: detailsSchema,
});

export const ollamaTagsSchema = z.object({
  models: z.array(listedSchema.extend({ modified_at: z.string() })),
});

export const ollamaPsSchema = z.object({
  models: z.array(
    listedSchema.extend({ expires_at: z.string(), size_vram: z.literal(0), context_length: z.int() }),
  ),
});

export const ollamaShowAnswerSchema = z.object({
  license: z.string(),
  modelfile: z.string(),
  parameters: z.string(),
  template: z.string(),
  details: detailsSchema,
  model_info: z.record(z.string(), z.unknown()),
  capabilities: z.array(z.enum(['completion', 'tools', 'thinking', 'embedding'])),
  modified_at: z.string(),
});

export const ollamaProgressSchema = z.object({
  status: z.string(),
  digest: z.string().optional(),
  total: z.number().optional(),
  completed: z.number().optional(),
});

export type OllamaHead = Pick<z.infer<typeof ollamaGenerateAnswerSchema>, keyof typeof head>;
export type OllamaCall = z.infer<typeof callSchema>;
export type OllamaChatAnswer = z.infer<typeof ollamaChatAnswerSchema>;
export type OllamaGenerateAnswer = z.infer<typeof ollamaGenerateAnswerSchema>;
export type OllamaDetails = z.infer<typeof detailsSchema>;
export type OllamaProgress = z.infer<typeof ollamaProgressSchema>;

export const toNanoseconds = (ms: number): number => Math.round(ms * 1e6);

/** What an answer ends with. @param totalMs since the request came */
export function toOllamaEnd({ reason, usage, timing }: FinishEvent, totalMs: number) {
  return {
    done: true,
    done_reason: reason === 'length' ? ('length' as const) : ('stop' as const),
    total_duration: toNanoseconds(totalMs),
    load_duration: toNanoseconds(timing.queuedMs),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: toNanoseconds(timing.prefillMs),
    eval_count: usage.completionTokens,
    eval_duration: toNanoseconds(timing.decodeMs),
  };
}

export function toOllamaLogprobs(tokens: readonly TokenLogprob[] | undefined): OllamaHead['logprobs'] {
  const one = ({ text, logprob, bytes }: Pick<TokenLogprob, 'text' | 'logprob' | 'bytes'>) => ({
    token: text,
    // JSON has no infinity.
    logprob: Number.isFinite(logprob) ? logprob : -9999,
    bytes: [...bytes],
  });
  return tokens?.map((token) => ({ ...one(token), top_logprobs: token.top.map(one) }));
}
