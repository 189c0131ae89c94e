/** Searches of vector stores on the wire, by the endpoint and by the tool. */

import { z } from 'zod';
import { attributeFilterSchema, attributesSchema } from './attribute-filter.ts';

const MAX_RESULTS = 50;
const MAX_QUERIES = 10;

const weightsSchema = z
  .strictObject({ embedding_weight: z.number().min(0).max(100), text_weight: z.number().min(0).max(100) })
  .refine(
    (weights) => weights.embedding_weight + weights.text_weight > 0,
    'one of the weights must exceed 0.',
  );

/** How results are ordered: `none` by meaning alone, all others by meaning and words. */
export const rankingSchema = z.strictObject({
  ranker: z.enum(['none', 'auto', 'default-2024-11-15']).nullish(),
  score_threshold: z.number().min(0).max(1).nullish(),
  hybrid_search: weightsSchema.nullish(),
});

export const searchFields = {
  filters: attributeFilterSchema.nullish(),
  max_num_results: z.int().min(1).max(MAX_RESULTS).nullish(),
  ranking_options: rankingSchema.nullish(),
};

export const vectorSearchRequestSchema = z.strictObject({
  query: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(MAX_QUERIES)]),
  rewrite_query: z
    .boolean()
    .nullish()
    .describe(
      'Changes nothing: queries are searched for as they are, since rankings by meaning need no rewriting.',
    ),
  ...searchFields,
});

export const vectorSearchPageSchema = z.object({
  object: z.literal('vector_store.search_results.page'),
  search_query: z.array(z.string()),
  data: z.array(
    z.object({
      file_id: z.string(),
      filename: z.string(),
      score: z.number(),
      attributes: attributesSchema,
      content: z.array(z.object({ type: z.literal('text'), text: z.string() })),
    }),
  ),
  has_more: z.literal(false),
  next_page: z.null(),
});

export type SearchOptions = z.infer<z.ZodObject<typeof searchFields>>;
export type VectorSearchRequest = z.infer<typeof vectorSearchRequestSchema>;
export type VectorSearchPage = z.infer<typeof vectorSearchPageSchema>;
