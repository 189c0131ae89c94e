/** A request that takes a model's time: counted, and stopped when its client leaves, its time is up or the server closes. */

import { setMaxListeners } from 'node:events';
import type { Call } from './endpoint.ts';
import { ApiError } from './http/api-error.ts';
import { shuttingDown } from './lifecycle.ts';
import { deadlineOf, deadlinePassed } from './queue/deadline.ts';
import { bodyBytes } from './queue/queues.ts';

/**
 * Counts a request in.
 * @returns what to call once when it has ended
 * @throws ApiError 429 or 503 when the server takes no more
 */
export function admit({ request, services, isAdmitted }: Call<unknown>, model: string): () => void {
  if (isAdmitted) return () => undefined;
  return services.lifecycle.enter({
    bytes: bodyBytes(request),
    retryAfterSeconds: () => services.queues.load(model).retryAfterSeconds,
  });
}

/**
 * Runs work that ends in one answer.
 * @throws what the work throws; ApiError 429 or 503 when the server takes no more
 */
export async function admitted<T>(
  call: Call<unknown>,
  model: string,
  work: (stop: Stop) => Promise<T>,
): Promise<T> {
  const leave = admit(call, model);
  const stop = stopOf(call);
  try {
    return await work(stop);
  } catch (error) {
    throw stop.signal.aborted ? abortReason(call, stop.signal) : error;
  } finally {
    stop.abort();
    leave();
  }
}

/** What ends a request before its end. */
export interface Stop {
  readonly signal: AbortSignal;
  readonly abort: (reason?: ApiError) => void;
  /** Milliseconds that it may take; absent: as long as it takes. */
  readonly deadlineMs?: number;
}

/** Follows the client, the server, and the clock. @throws ApiError 400 for a deadline that is none */
export function stopOf(call: Call<unknown>): Stop {
  const deadlineMs = deadlineOf(call);
  const { signal, abort: end } = linkedSignal([call.signal, call.services.lifecycle.signal]);
  if (deadlineMs === undefined) return { signal, abort: end };
  const timer = setTimeout(() => end(deadlinePassed(deadlineMs)), deadlineMs);
  const abort = (reason?: ApiError) => {
    clearTimeout(timer);
    end(reason);
  };
  return { signal, abort, deadlineMs };
}

/**
 * A signal that follows others until it is aborted. `AbortSignal.any` would do, but in Node 20 a source that outlives
 * its followers, as the server's does, keeps something of each.
 */
export function linkedSignal(sources: readonly AbortSignal[]): {
  signal: AbortSignal;
  abort: (reason?: ApiError) => void;
} {
  const controller = new AbortController();
  // Each choice listens, and there may be a hundred. Not 0, of which Node 20 makes an error when undici asks for it.
  setMaxListeners(Infinity, controller.signal);
  const abort = (reason?: ApiError) => {
    for (const source of sources) source.removeEventListener('abort', follow);
    controller.abort(reason);
  };
  const follow = () => abort();
  for (const source of sources) source.addEventListener('abort', follow);
  if (sources.some((source) => source.aborted)) abort();
  return { signal: controller.signal, abort };
}

/** Why work stopped whose signal has aborted. */
export function abortReason(call: Call<unknown>, signal: AbortSignal): ApiError {
  if (signal.reason instanceof ApiError) return signal.reason;
  if (call.services.lifecycle.signal.aborted) return shuttingDown();
  if (call.signal.aborted) {
    return new ApiError(499, 'The client closed the connection.', { code: 'client_closed_request' });
  }
  return new ApiError(503, 'The generation was stopped by the server. Try again.', { code: 'aborted' });
}
