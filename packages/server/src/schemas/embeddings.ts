/** Bodies of `POST /v1/embeddings` and `POST /v1/rerank`. */

import { z } from 'zod';
import { steelyardRequestSchema } from '../receipts/receipt.ts';
import { steelyardAnswerSchema } from '../receipts/any-receipt.ts';

/** Texts of one request, as OpenAI has it. */
const MAX_TEXTS = 2048;

const text = z.string().min(1);
const tokenIds = z.array(z.int().min(0)).min(1);

export const embeddingRequestSchema = z.strictObject({
  model: z.string(),
  input: z.union([
    text,
    z.array(text).min(1).max(MAX_TEXTS),
    tokenIds,
    z.array(tokenIds).min(1).max(MAX_TEXTS),
  ]),
  dimensions: z
    .int()
    .min(1)
    .nullish()
    .describe(
      'Elements to keep of each vector, which is then made one of length 1 again. Only of models trained for it.',
    ),
  encoding_format: z
    .enum(['float', 'base64'])
    .nullish()
    .describe('`base64`: float32, the low byte first. Default `float`.'),
  user: z.string().nullish(),
  steelyard: steelyardRequestSchema,
});

const usageSchema = z.object({ prompt_tokens: z.int(), total_tokens: z.int() });

export const embeddingResponseSchema = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.int(),
      /** Or, asked for as base64: float32, the low byte first. */
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  model: z.string(),
  usage: usageSchema,
  steelyard: steelyardAnswerSchema.optional(),
});

const document = z.union([text, z.strictObject({ text })]);

export const rerankRequestSchema = z.strictObject({
  model: z.string(),
  query: text,
  documents: z.array(document).min(1).max(MAX_TEXTS),
  top_n: z.int().min(1).nullish().describe('Documents to answer with, the most relevant first. Default all.'),
  return_documents: z.boolean().nullish().describe('Give the texts back too. Default false.'),
});

export const rerankResponseSchema = z.object({
  object: z.literal('list'),
  /** Most relevant first. */
  results: z.array(
    z.object({
      index: z.int().describe('Place of the document in the request.'),
      relevance_score: z
        .number()
        .describe(
          'Of a cross-encoder, the probability that it is relevant, 0 to 1; else the cosine of the angle between the vectors of query and document, -1 to 1.',
        ),
      document: z.object({ text: z.string() }).optional(),
    }),
  ),
  model: z.string(),
  usage: usageSchema,
});

export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>;
export type EmbeddingResponse = z.infer<typeof embeddingResponseSchema>;
export type RerankRequest = z.infer<typeof rerankRequestSchema>;
export type RerankResponse = z.infer<typeof rerankResponseSchema>;
