/** Request fields that chat and plain completions share, and what the engine is asked for by them. */

import type { GenerateOptions, SamplingOptions } from '@steelyard/engine';
import { z } from 'zod';
import { ApiError } from '../http/api-error.ts';
import { steelyardRequestSchema } from '../receipts/receipt.ts';

const MAX_CHOICES = 128;
const MAX_STOPS = 4;
const MAX_BIAS = 100;

/** OpenAI pads unless told not to; here only who asks for it pays for it. */
export const obfuscationSchema = z
  .boolean()
  .describe("Pad events with random characters in 'obfuscation', to an even length. Default false.");

/** Fields absent or null take the default, as in OpenAI's API. */
export const samplingFields = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .describe('How far apart likely and unlikely tokens are told; 0 always takes the likeliest. Default 1.'),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe('Only the likeliest tokens that together have this probability are drawn from. Default 1.'),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe('Taken off the logits of tokens that the answer has already. Default 0.'),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe('Taken off the logits of tokens for each time that the answer has them. Default 0.'),
  logit_bias: z
    .record(
      z.string().regex(/^\d{1,9}$/, 'expected token ids as keys'),
      z.number().min(-MAX_BIAS).max(MAX_BIAS),
    )
    .nullish()
    .describe('Added to the logits of tokens, by token id.'),
  seed: z
    .int()
    .nullish()
    .describe('The same seed and request give the same answer. Default: another one each time.'),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(MAX_STOPS)])
    .nullish()
    .describe('Texts that end the answer, which does not hold them.'),
  n: z
    .int()
    .min(1)
    .max(MAX_CHOICES)
    .nullish()
    .describe('Answers to give, each with the seed of the one before plus 1. Default 1.'),
  stream: z.boolean().nullish().describe('Send the answer in events while it is written. Default false.'),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: obfuscationSchema.nullish() })
    .nullish(),
  // Extensions of open-weight servers; 0 keeps all tokens, and so does vLLM's -1.
  top_k: z
    .int()
    .min(-1)
    .nullish()
    .describe('Only so many of the likeliest tokens are drawn from; 0 and -1 take all. Default 0.'),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("Tokens below this part of the likeliest one's probability are not drawn. Default 0."),
  repetition_penalty: z
    .number()
    .positive()
    .max(10)
    .nullish()
    .describe(
      'Divides the positive logits, and multiplies the negative ones, of tokens that came before. Default 1.',
    ),
  ignore_eos: z
    .boolean()
    .nullish()
    .describe('Go on when the model ends its answer, to the limit of tokens. Default false.'),
};

/** Fields of OpenAI that change nothing in the answer here, so leaving them out of account is honest. */
export const harmlessFields = {
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),
  prompt_cache_options: z.unknown().optional(),
  metadata: z.record(z.string(), z.string()).nullish(),
  steelyard: steelyardRequestSchema,
  /** Every tier is served alike, as `default`. */
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
};

export type SamplingFields = z.infer<z.ZodObject<typeof samplingFields>>;

/**
 * @param choice added to the seed, so that the choices of one request differ and each can be made again alone
 */
export function toGenerateOptions(body: SamplingFields, choice: number): GenerateOptions {
  const stop = typeof body.stop === 'string' ? [body.stop] : (body.stop ?? []);
  return { sampling: toSampling(body, choice), stop, ignoreEos: body.ignore_eos ?? false };
}

function toSampling(body: SamplingFields, choice: number): SamplingOptions {
  return {
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    topK: Math.max(0, body.top_k ?? 0),
    minP: body.min_p ?? 0,
    repetitionPenalty: body.repetition_penalty ?? 1,
    presencePenalty: body.presence_penalty ?? 0,
    frequencyPenalty: body.frequency_penalty ?? 0,
    ...(body.logit_bias ? { logitBias: body.logit_bias } : {}),
    ...(body.seed === null || body.seed === undefined ? {} : { seed: body.seed + choice }),
  };
}

/**
 * Checks what depends on another field or on the model, which a schema cannot say.
 * @throws ApiError 400 naming the field
 */
export function checkSampling(body: SamplingFields, vocabSize: number): void {
  if (body.stream_options && !body.stream) {
    throw new ApiError(
      400,
      "'stream_options' is only allowed when 'stream' is true. Remove one or set the other.",
      {
        param: 'stream_options',
        code: 'invalid_value',
      },
    );
  }
  for (const key of Object.keys(body.logit_bias ?? {})) {
    if (Number(key) >= vocabSize) {
      throw new ApiError(
        400,
        `Invalid 'logit_bias.${key}': got token id ${key}, expected one below ${vocabSize}.`,
        {
          param: 'logit_bias',
          code: 'invalid_value',
        },
      );
    }
  }
}
