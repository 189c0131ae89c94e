/** Body of `POST /v1/completions`. */

import { z } from 'zod';
import { harmlessFields, samplingFields } from './sampling.ts';

const MAX_LOGPROBS = 5;

const tokenIds = z.array(z.int().min(0)).min(1);

export const completionRequestSchema = z.strictObject({
  model: z.string(),
  prompt: z.union([z.string(), z.array(z.string()).min(1), tokenIds, z.array(tokenIds).min(1)]),
  ...samplingFields,
  ...harmlessFields,
  /** 0 is of use with `echo` and `logprobs`, to score the prompt. */
  max_tokens: z.int().min(0).nullish(),
  logprobs: z.int().min(0).max(MAX_LOGPROBS).nullish(),
  echo: z.boolean().nullish(),
  suffix: z
    .string()
    .nullish()
    .describe('What comes after the answer; for models whose vocabulary has marks to fill in the middle.'),
  best_of: z
    .int()
    .min(1)
    .nullish()
    .describe(
      'Answers to compute, of which the n of highest mean log-probability per token are given, best first. Default n.',
    ),
});

export type CompletionRequest = z.infer<typeof completionRequestSchema>;
