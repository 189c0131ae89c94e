/** `POST /v1/embeddings`: vectors of texts or token ids. */

import { EMBEDDINGS_PATH, embedTexts } from '../embed-texts.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import {
  embeddingRequestSchema,
  embeddingResponseSchema,
  type EmbeddingRequest,
  type EmbeddingResponse,
} from '../schemas/embeddings.ts';

export const embeddings = defineEndpoint({
  method: 'POST',
  path: EMBEDDINGS_PATH,
  summary: 'Vectors of texts.',
  routable: true,
  request: embeddingRequestSchema,
  response: embeddingResponseSchema,
  async handle(call: Call<EmbeddingRequest>) {
    const { model: name, input, dimensions, encoding_format } = call.body;
    const { vectors, promptTokens, model, receipts } = await embedTexts(call, {
      model: name,
      texts: toTexts(input),
      param: 'input',
      ...(dimensions ? { options: { dimensions } } : {}),
    });
    const encode = encoding_format === 'base64' ? toBase64 : (vector: Float32Array) => [...vector];
    const body: EmbeddingResponse = {
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
      model,
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
      ...withReceipts(receipts),
    };
    return Response.json(body);
  },
});

function toTexts(input: EmbeddingRequest['input']): readonly (string | readonly number[])[] {
  if (typeof input === 'string') return [input];
  return typeof input[0] === 'number' ? [input as number[]] : (input as string[] | number[][]);
}

function toBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
