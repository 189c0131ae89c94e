/** Requests of batches at the endpoints that others call over HTTP: let in, checked, routed, answered and failing in the same way. */

import { randomUUID } from 'node:crypto';
import type { ClaimedBatch } from '@steelyard/storage';
import type { Caller } from '../access/caller.ts';
import type { Services } from '../endpoint.ts';
import { isFault, toApiError, type ApiError } from '../http/api-error.ts';
import { validate } from '../http/validate.ts';
import { routeCall } from '../upstreams/route-call.ts';
import { COMPUTED_BY_HEADER } from '../upstreams/router.ts';
import type { Answered, Refused } from './answer-line.ts';
import { askedBy } from './asked-by.ts';
import { batchable } from './batchable.ts';

interface Asked {
  readonly batch: ClaimedBatch;
  readonly body: unknown;
  readonly signal: AbortSignal;
}

/** @throws whatever keeps the server from knowing whether the key still works */
export async function answerAt(services: Services, asked: Asked): Promise<Answered | Refused> {
  const requestId = `req_${randomUUID().replaceAll('-', '')}`;
  const { batch } = asked;
  let caller: Caller;
  try {
    caller = await services.access.readmit(askedBy(batch), batchable(batch.endpoint));
  } catch (error) {
    const apiError = toApiError(error);
    if (isFault(apiError)) throw error;
    const { code, message, headers } = apiError;
    return 'retry-after' in headers
      ? failed(apiError, requestId)
      : { refused: { code: code ?? 'refused', message } };
  }
  try {
    const response = await routed(services, asked, caller, requestId);
    const computedBy = response.headers.get(COMPUTED_BY_HEADER);
    const body: unknown = await response.json();
    return { status: response.status, requestId, body, ...(computedBy === null ? {} : { computedBy }) };
  } catch (error) {
    const apiError = toApiError(error);
    if (isFault(apiError)) services.reportError(error, requestId);
    return failed(apiError, requestId);
  }
}

async function routed(
  services: Services,
  { batch, body, signal }: Asked,
  caller: Caller,
  requestId: string,
): Promise<Response> {
  const endpoint = batchable(batch.endpoint);
  // Its length is what routes by size go by.
  const headers = { 'content-length': String(Buffer.byteLength(JSON.stringify(body))) };
  return routeCall(endpoint, {
    body: endpoint.request && validate(endpoint.request, body),
    params: {},
    query: {},
    request: new Request(`http://batch.invalid${endpoint.path}`, { method: 'POST', headers }),
    ...{ requestId, caller, signal, services },
    dataLabels: askedBy(batch).dataLabels ?? [],
    priority: 'batch',
    storage: async () => (await services.storage()).project(batch.project),
  });
}

function failed(error: ApiError, requestId: string): Answered {
  const { status, headers } = error;
  const seconds = Number(headers['retry-after'] ?? 0);
  return { status, requestId, body: { error: error.toObject() }, retryAfterMs: seconds * 1_000 };
}
