/** What vectors were computed from and with, in digests, so that they can be computed again and compared. */

import type { EmbeddingModel } from '@steelyard/engine';
import { canonicalJson } from '@steelyard/storage';
import { z } from 'zod';
import { sha256 } from './receipt.ts';
import { digest, headFields, receiptHead, signatureSchema } from './receipt-head.ts';

export const embeddingReceiptSchema = z.object({
  ...headFields,
  computed_by: z.literal('local'),
  model: z.object({
    name: z.string(),
    architecture: z.string(),
    quantisation: z.string(),
    /** Over the digests and names of its files; null where they are not known. */
    weights: digest.nullable(),
    pooling: z.string(),
  }),
  engine: z.object({ version: z.string(), backend: z.string(), level: z.string().nullable() }),
  /** The digest is over the JSON of the list of texts, or of lists of token ids, as it was computed. */
  input: z.object({ texts: z.int(), tokens: z.int(), sha256: digest }),
  /** The digest is over all elements in order, as float32 with the low byte first. */
  output: z.object({ vectors: z.int(), dimensions: z.int(), sha256: digest }),
  signature: signatureSchema.optional(),
});

export type EmbeddingReceipt = z.infer<typeof embeddingReceiptSchema>;

export interface EmbeddingFacts {
  readonly endpoint: string;
  readonly requestId: string;
  readonly version: string;
  readonly model: EmbeddingModel;
  readonly texts: readonly (string | readonly number[])[];
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
}

export async function makeEmbeddingReceipt(facts: EmbeddingFacts): Promise<EmbeddingReceipt> {
  const { model, texts, vectors, promptTokens } = facts;
  const { weights, level } = (await model.origin?.()) ?? {};
  const { name, architecture, quantisation, backend, pooling } = model.info;
  return {
    ...receiptHead({ endpoint: facts.endpoint, request_id: facts.requestId }),
    computed_by: 'local',
    model: {
      ...{ name, architecture, quantisation, pooling },
      weights: weights === undefined ? null : `sha256:${weights}`,
    },
    engine: { version: facts.version, backend, level: level ?? null },
    input: { texts: texts.length, tokens: promptTokens, sha256: sha256(canonicalJson(texts)) },
    output: {
      vectors: vectors.length,
      dimensions: vectors[0]?.length ?? 0,
      sha256: sha256(elementsOf(vectors)),
    },
  };
}

function elementsOf(vectors: readonly Float32Array[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * vectors.reduce((sum, { length }) => sum + length, 0)));
  let at = 0;
  for (const vector of vectors) {
    for (const value of vector) {
      bytes.setFloat32(at, value, true);
      at += 4;
    }
  }
  return new Uint8Array(bytes.buffer);
}
