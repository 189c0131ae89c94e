/**
 * A receipt says what an answer was computed from and with, in digests, so that it can be computed again and compared:
 * weights, template, prompt, seed, sampler, constraint, engine, backend. It holds what was said only where that is asked.
 */

import { createHash } from 'node:crypto';
import type { Constraint, LanguageModel, Trace } from '@steelyard/engine';
import { canonicalJson } from '@steelyard/storage';
import { z } from 'zod';
import type { FinishEvent } from '../schemas/usage.ts';
import { digest, headFields, receiptHead, signatureSchema } from './receipt-head.ts';

export const receiptSchema = z.object({
  ...headFields,
  /** Index among the answers of the request. */
  choice: z.int(),
  computed_by: z.string(),
  model: z.object({
    name: z.string(),
    architecture: z.string(),
    quantisation: z.string(),
    /** Over the digests and names of its files; null where they are not known. */
    weights: digest.nullable(),
    adapter: digest.nullable(),
    /** Of the chat template; null for models without one. */
    template: digest.nullable(),
  }),
  engine: z.object({
    version: z.string(),
    backend: z.string(),
    /** Set of kernels that the processor got. */
    level: z.string().nullable(),
    /** Storage format of the KV cache; f16 where a receipt does not say. */
    kv_cache: z.enum(['f16', 'q8_0', 'f32']).optional(),
  }),
  /** Digests of token ids are over the ids as little-endian integers of 32 bits. */
  prompt: z.object({ tokens: z.int(), sha256: digest }),
  sampling: z.object({
    temperature: z.number(),
    top_p: z.number(),
    top_k: z.int(),
    min_p: z.number(),
    repetition_penalty: z.number(),
    presence_penalty: z.number(),
    frequency_penalty: z.number(),
    logit_bias: z.record(z.string(), z.number()).optional(),
    seed: z.int(),
  }),
  max_tokens: z.int().nullable(),
  stop: z.array(z.string()),
  ignore_eos: z.boolean(),
  /** Ids of tokens that ended it beside the model's own; where a middle was filled in. */
  end_tokens: z.array(z.int()).optional(),
  /** What the answer was held to. */
  constraint: z.object({ type: z.string(), sha256: digest }).nullable(),
  output: z.object({ tokens: z.int(), sha256: digest, finish: z.enum(['stop', 'length']) }),
  /** Only where it is asked for; not covered by the signature, but by the digests above. */
  content: z
    .object({
      prompt_tokens: z.array(z.int()),
      output_tokens: z.array(z.int()),
      constraint: z.unknown().optional(),
    })
    .optional(),
  signature: signatureSchema.optional(),
});

export type Receipt = z.infer<typeof receiptSchema>;

/** Extension of requests. */
export const steelyardRequestSchema = z
  .strictObject({
    receipt: z
      .union([z.boolean(), z.literal('content')])
      .nullish()
      .describe("Answer with a receipt; 'content' keeps the tokens in it, so that it can be replayed alone."),
  })
  .nullish();

export interface ReceiptFacts {
  readonly endpoint: string;
  readonly requestId: string;
  readonly choice: number;
  readonly version: string;
  readonly model: LanguageModel;
  readonly finish: FinishEvent;
  readonly trace: Trace;
  /** Whether it holds the tokens themselves. */
  readonly content: boolean;
}

export async function makeReceipt({ model, finish, trace, ...facts }: ReceiptFacts): Promise<Receipt> {
  const origin = (await model.origin?.()) ?? {};
  const { name, architecture, quantisation, backend, kvDType } = model.info;
  const { maxTokens, stop = [], ignoreEos = false, endTokens } = trace.options;
  const constraint = heldTo(trace);
  return {
    ...receiptHead({ endpoint: facts.endpoint, request_id: facts.requestId }),
    choice: facts.choice,
    computed_by: 'local',
    model: {
      name,
      architecture,
      quantisation,
      weights: named(origin.weights),
      adapter: null,
      template: named(origin.template),
    },
    engine: {
      ...{ version: facts.version, backend, level: origin.level ?? null },
      ...(kvDType === undefined ? {} : { kv_cache: kvDType }),
    },
    prompt: { tokens: trace.prompt.length, sha256: idsDigest(trace.prompt) },
    sampling: samplingOf(trace),
    max_tokens: maxTokens ?? null,
    stop: [...stop],
    ignore_eos: ignoreEos,
    ...(endTokens ? { end_tokens: [...endTokens] } : {}),
    constraint: constraint ? { type: constraint.type, sha256: sha256(canonicalJson(constraint)) } : null,
    output: {
      tokens: trace.answer.length,
      sha256: idsDigest(trace.answer),
      finish: finish.reason === 'length' ? 'length' : 'stop',
    },
    ...(facts.content
      ? {
          content: {
            prompt_tokens: [...trace.prompt],
            output_tokens: [...trace.answer],
            ...(constraint ? { constraint } : {}),
          },
        }
      : {}),
  };
}

function samplingOf({ options: { sampling } }: Trace): Receipt['sampling'] {
  return {
    temperature: sampling.temperature ?? 1,
    top_p: sampling.topP ?? 1,
    top_k: sampling.topK ?? 0,
    min_p: sampling.minP ?? 0,
    repetition_penalty: sampling.repetitionPenalty ?? 1,
    presence_penalty: sampling.presencePenalty ?? 0,
    frequency_penalty: sampling.frequencyPenalty ?? 0,
    ...(sampling.logitBias ? { logit_bias: sampling.logitBias } : {}),
    seed: sampling.seed,
  };
}

/** The constraint, and where thoughts are limited that too, with what tells them from the answer. */
export type HeldTo = Constraint | ({ readonly type: 'thought_limit' } & Limited);
type Limited = Pick<Trace['options'], 'constraint' | 'thoughtLimit' | 'reply'>;

function heldTo({ options: { constraint, thoughtLimit, reply } }: Trace): HeldTo | undefined {
  if (!thoughtLimit) return constraint;
  return {
    type: 'thought_limit',
    thoughtLimit,
    ...(constraint ? { constraint } : {}),
    ...(reply ? { reply } : {}),
  };
}

export function sha256(data: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

export function idsDigest(ids: readonly number[]): string {
  const bytes = new DataView(new ArrayBuffer(4 * ids.length));
  ids.forEach((id, i) => bytes.setInt32(4 * i, id, true));
  return sha256(new Uint8Array(bytes.buffer));
}

function named(hex: string | undefined): string | null {
  return hex === undefined ? null : `sha256:${hex}`;
}
