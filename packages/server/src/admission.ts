/** A request that takes a model's time: counted, and stopped when its client leaves or the server closes. */

import { setMaxListeners } from 'node:events';
import type { Call } from './endpoint.ts';
import { ApiError } from './http/api-error.ts';
import { shuttingDown } from './lifecycle.ts';

/**
 * Runs work that ends in one answer.
 * @throws what the work throws; ApiError 429 or 503 when the server takes no more
 */
export async function admitted<T>(
  call: Call<unknown>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { lifecycle } = call.services;
  const leave = lifecycle.enter();
  const { signal, abort } = linkedSignal([call.signal, lifecycle.signal]);
  try {
    return await work(signal);
  } catch (error) {
    throw signal.aborted ? abortReason(call) : error;
  } finally {
    abort();
    leave();
  }
}

/**
 * A signal that follows others until it is aborted. `AbortSignal.any` would do, but in Node 20 a source that outlives
 * its followers, as the server's does, keeps something of each.
 */
export function linkedSignal(sources: readonly AbortSignal[]): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  // Each choice listens, and there may be a hundred.
  setMaxListeners(0, controller.signal);
  const abort = () => {
    for (const source of sources) source.removeEventListener('abort', abort);
    controller.abort();
  };
  for (const source of sources) source.addEventListener('abort', abort);
  if (sources.some((source) => source.aborted)) abort();
  return { signal: controller.signal, abort };
}

/** Why work stopped whose signal has aborted. */
export function abortReason(call: Call<unknown>): ApiError {
  if (call.services.lifecycle.signal.aborted) return shuttingDown();
  if (call.signal.aborted) {
    return new ApiError(499, 'The client closed the connection.', { code: 'client_closed_request' });
  }
  return new ApiError(503, 'The generation was stopped by the server. Try again.', { code: 'aborted' });
}
