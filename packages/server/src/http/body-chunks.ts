/** A body as it comes, within limits of time: who sends slowly, or not at all, holds nothing for long. */

import { ApiError } from './api-error.ts';

export interface BodyTimes {
  /** Milliseconds that may pass without a piece. */
  readonly silenceMs: number;
  /** Milliseconds for all of it. Default: as long as it takes. */
  readonly totalMs?: number;
}

/**
 * Only waiting for the sender counts, not what the reader does between two pieces.
 * @throws ApiError 408 when a time is up
 */
export async function* bodyChunks(
  request: Request,
  { silenceMs, totalMs = Infinity }: BodyTimes,
): AsyncGenerator<Uint8Array> {
  if (!request.body) return;
  // Not cancelled when left early: that would close the connection before the answer is on it.
  const reader = request.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  let left = totalMs;
  for (;;) {
    const started = performance.now();
    const piece = await within(reader.read(), Math.min(silenceMs, left), () =>
      left < silenceMs
        ? tooSlow(`was not complete within ${totalMs} ms`)
        : tooSlow(`fell silent for ${silenceMs} ms`),
    );
    if (piece.done) return;
    left -= performance.now() - started;
    yield piece.value;
  }
}

async function within<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  if (ms === Infinity) return work;
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(late()), Math.max(0, ms))));
  // When the time is up, nobody hears of what comes later.
  work.catch(() => {});
  return Promise.race([work, end]).finally(() => clearTimeout(timer));
}

function tooSlow(what: string): ApiError {
  return new ApiError(408, `The request body ${what}, the most that this server waits. Send it faster.`, {
    code: 'request_timeout',
    headers: { connection: 'close' },
  });
}
