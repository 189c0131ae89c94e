/** The endpoints that lines of a batch may ask. */

import type { Endpoint } from '../endpoint.ts';
import { chatCompletions } from '../endpoints/chat-completions.ts';
import { completions } from '../endpoints/completions.ts';
import { embeddings } from '../endpoints/embeddings.ts';
import { moderations } from '../endpoints/moderations.ts';
import { rerank } from '../endpoints/rerank.ts';
import { createResponse } from '../endpoints/responses.ts';
import type { BatchEndpoint } from '../schemas/batches.ts';

const byPath: Readonly<Record<BatchEndpoint, Endpoint>> = {
  '/v1/responses': createResponse,
  '/v1/chat/completions': chatCompletions,
  '/v1/embeddings': embeddings,
  '/v1/completions': completions,
  '/v1/moderations': moderations,
  '/v1/rerank': rerank,
};

/** @param path of a batch: only these are ever stored with one */
export function batchable(path: string): Endpoint {
  return byPath[path as BatchEndpoint];
}
