/**
 * What can be said of an answer that was computed elsewhere: where, of what request, and what came; and what is not known
 * of it. It cannot be computed again here.
 */

import { z } from 'zod';
import type { FinishEvent } from '../schemas/usage.ts';
import { digest, headFields, receiptHead, signatureSchema } from './receipt-head.ts';

/** What a receipt of an answer computed here says, and nobody says of one from elsewhere. */
const UNKNOWN = ['weights', 'quantisation', 'template', 'engine', 'sampling', 'seed', 'tokens'] as const;

export const upstreamReceiptSchema = z.object({
  ...headFields,
  computed_by: z.string().regex(/^upstream:/),
  upstream: z.object({
    name: z.string(),
    host: z.string(),
    /** As it was asked for there. */
    model: z.string(),
    /** As the answer names it. */
    answered_model: z.string().nullable(),
    system_fingerprint: z.string().nullable(),
  }),
  /** Of the JSON body as it was sent. */
  request: z.object({ sha256: digest }),
  /** Of the body as it came. */
  answer: z.object({ bytes: z.int(), sha256: digest }),
  usage: z.object({
    input_tokens: z.int(),
    cached_tokens: z.int(),
    output_tokens: z.int(),
    /** The upstream told none: a guess by the length of request and answer. */
    estimated: z.boolean(),
  }),
  /** What is not known of it. */
  unknown: z.array(z.enum(UNKNOWN)),
  signature: signatureSchema.optional(),
});

export type UpstreamReceipt = z.infer<typeof upstreamReceiptSchema>;

/** The end of an answer that came from an upstream, with what a receipt of it says. */
export interface UpstreamFinish extends FinishEvent {
  readonly elsewhere: Omit<UpstreamFacts, 'endpoint' | 'request_id'>;
}

/** Beside vectors that came from an upstream. */
export interface UpstreamVectors {
  readonly elsewhere: UpstreamFinish['elsewhere'];
}

export function isFromUpstream(finish: FinishEvent): finish is UpstreamFinish {
  return 'elsewhere' in finish;
}

export type UpstreamFacts = Pick<
  UpstreamReceipt,
  'endpoint' | 'request_id' | 'upstream' | 'request' | 'answer' | 'usage'
>;

export function makeUpstreamReceipt(facts: UpstreamFacts): UpstreamReceipt {
  return {
    ...receiptHead(facts),
    computed_by: `upstream:${facts.upstream.name}`,
    ...facts,
    unknown: [...UNKNOWN],
  };
}
