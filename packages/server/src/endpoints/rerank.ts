/** `POST /v1/rerank`: documents by how near their vectors are to the query's. The shape is Cohere's and Jina's. */

import { embedTexts } from '../embed-texts.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import {
  rerankRequestSchema,
  rerankResponseSchema,
  type RerankRequest,
  type RerankResponse,
} from '../schemas/embeddings.ts';

export const rerank = defineEndpoint({
  method: 'POST',
  path: '/v1/rerank',
  summary: 'Documents in the order of their relevance to a query.',
  request: rerankRequestSchema,
  response: rerankResponseSchema,
  async handle(call: Call<RerankRequest>) {
    const { body } = call;
    const texts = body.documents.map((document) => (typeof document === 'string' ? document : document.text));
    const { vectors, promptTokens, model } = await embedTexts(call, {
      model: body.model,
      texts: [body.query, ...texts],
      param: 'documents',
    });
    const [query, ...documents] = vectors;
    const results = documents.map((vector, index) => ({
      index,
      relevance_score: dot(query!, vector),
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

/** Of vectors of length 1: the cosine. */
function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}
