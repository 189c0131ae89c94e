/** Tries again after failures that pass, with growing pauses. */

import { setTimeout as sleep } from 'node:timers/promises';
import { NetworkError } from '@steelyard/core';
import { formatSize, throwIfAborted } from '../failures.ts';
import { TransientError } from './client.ts';

const MAX_DELAY_MS = 30_000;

export interface RetryOptions {
  readonly attempts?: number | undefined;
  readonly retryDelayMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onNotice?: ((text: string) => void) | undefined;
}

/**
 * Runs `body` until it succeeds, fails for good, or has failed `attempts` times in a row without progress.
 * @param progress a number that grows when a try got somewhere; a try that did starts the count anew
 * @throws NetworkError with the last failure as its cause
 */
export async function withRetries<T>(
  options: RetryOptions,
  body: () => Promise<T>,
  progress: () => number = () => 0,
): Promise<T> {
  const attempts = options.attempts ?? 5;
  let failures = 0;
  for (;;) {
    throwIfAborted(options.signal);
    const before = progress();
    try {
      return await body();
    } catch (error) {
      throwIfAborted(options.signal);
      if (!(error instanceof TransientError)) throw error;
      failures = progress() > before ? 1 : failures + 1;
      if (failures >= attempts) throw givenUp(error, failures, progress());
      const delay = pause(failures, options.retryDelayMs ?? 500, error.retryAfterMs);
      options.onNotice?.(`${error.message.split(';')[0]}; trying again in ${(delay / 1000).toFixed(1)} s`);
      await sleep(delay, undefined, options.signal ? { signal: options.signal } : {}).catch(() => undefined);
    }
  }
}

function pause(failures: number, firstMs: number, askedMs: number | undefined): number {
  const doubled = Math.min(firstMs * 2 ** (failures - 1), MAX_DELAY_MS);
  // Jitter keeps machines that failed together from coming back together.
  return Math.min(Math.max(doubled * (0.75 + Math.random() / 2), askedMs ?? 0), 2 * MAX_DELAY_MS);
}

function givenUp(error: TransientError, tries: number, received: number): NetworkError {
  const had = received > 0 ? ` after ${formatSize(received)}` : '';
  const count = tries === 1 ? 'one try' : `${tries} tries in a row`;
  return new NetworkError(`${error.message} (${count}${had})`, { cause: error });
}
