/**
 * `POST /v1/rerank`: documents by what a cross-encoder says of each beside the query, or by how near their vectors are to
 * the query's. The shape is Cohere's and Jina's.
 */

import type { EmbeddingModel, Scores } from '@steelyard/engine';
import { withEmbedder } from '../embed-texts.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import {
  rerankRequestSchema,
  rerankResponseSchema,
  type RerankRequest,
  type RerankResponse,
} from '../schemas/embeddings.ts';

const PATH = '/v1/rerank';

export const rerank = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Documents in the order of their relevance to a query.',
  request: rerankRequestSchema,
  response: rerankResponseSchema,
  async handle(call: Call<RerankRequest>) {
    const { body } = call;
    const texts = body.documents.map((document) => (typeof document === 'string' ? document : document.text));
    const plan = { model: body.model, param: 'documents', endpoint: PATH } as const;
    const { scores, promptTokens, model } = await withEmbedder(call, plan, (found, signal) =>
      found.score
        ? found.score(body.query, texts, { signal })
        : byVectors(found, [body.query, ...texts], signal),
    );
    const results = scores.map((relevance_score, index) => ({
      index,
      relevance_score,
      ...(body.return_documents ? { document: { text: texts[index]! } } : {}),
    }));
    results.sort((a, b) => b.relevance_score - a.relevance_score);
    const answer: RerankResponse = {
      object: 'list',
      results: results.slice(0, body.top_n ?? results.length),
      model,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    };
    return Response.json(answer);
  },
});

/** @param texts the query first */
async function byVectors(
  model: EmbeddingModel,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Scores> {
  const { vectors, promptTokens } = await model.embed(texts, { signal });
  const [query, ...documents] = vectors;
  return { scores: documents.map((vector) => dot(query!, vector)), promptTokens };
}

/** Of vectors of length 1: the cosine. */
function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}
