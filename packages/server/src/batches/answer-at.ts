/** Requests of batches at the endpoints that others call over HTTP: checked, answered and failing in the same way. */

import { randomUUID } from 'node:crypto';
import type { ClaimedBatch } from '@steelyard/storage';
import type { Caller } from '../access/caller.ts';
import type { Endpoint, Services } from '../endpoint.ts';
import { toApiError } from '../http/api-error.ts';
import { validate } from '../http/validate.ts';
import { findNamed } from '../model-provider.ts';
import type { Answered } from './answer-line.ts';

interface Asked {
  readonly batch: ClaimedBatch;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

export async function answerAt(
  endpoints: readonly Endpoint[],
  services: Services,
  { batch, body, signal }: Asked,
): Promise<Answered> {
  const requestId = `req_${randomUUID().replaceAll('-', '')}`;
  const path = batch.endpoint;
  // Only callers are ever stored with a batch.
  const caller = batch.caller as unknown as Caller;
  const endpoint = endpoints.find((one) => one.path === path && one.method === 'POST')!;
  try {
    const response = await endpoint.handle({
      body: endpoint.request && validate(endpoint.request, body),
      params: {},
      query: {},
      request: new Request(`http://batch.invalid${path}`, { method: 'POST' }),
      ...{ requestId, caller, signal, services },
      priority: 'batch',
      storage: async () => (await services.storage()).project(batch.project),
    });
    return { status: response.status, requestId, body: await response.json() };
  } catch (error) {
    const apiError = toApiError(error);
    if (apiError.status === 500) services.reportError(error, requestId);
    return { status: apiError.status, requestId, body: { error: apiError.toObject() } };
  }
}

/** Whether a model of a name answers at the endpoint. */
export async function modelsAt(services: Services, endpoint: string): Promise<(name: string) => boolean> {
  const provider = endpoint === '/v1/embeddings' ? services.embeddingModels : services.models;
  const infos: readonly { readonly name: string }[] = await provider.list();
  return (name) => findNamed(infos, name, (info) => info.name) !== undefined;
}
