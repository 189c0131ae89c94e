/**
 * Counts generation requests in progress: refuses above a limit, and lets them finish when the server closes. Knows why the
 * server is not ready, if it is not.
 */

import { setMaxListeners } from 'node:events';
import { ApiError } from './http/api-error.ts';

/** Milliseconds that aborted answers get to say so to their clients. */
const ABORT_GRACE_MS = 1_000;

export interface Arrival {
  /** Of its body, which is held while it waits and runs. */
  readonly bytes: number;
  /** When to come again, if it is refused. */
  readonly retryAfterSeconds: () => number;
}

export interface LifecycleLimits {
  /** Requests in progress at most. */
  readonly requests: number;
  /** Bytes of their bodies together at most; one alone is always taken. */
  readonly bytes: number;
}

export class Lifecycle {
  readonly #limits: LifecycleLimits;
  readonly #shutdown = new AbortController();
  readonly #waiters: (() => void)[] = [];
  readonly #atEnd: (() => Promise<void>)[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #holds = new Set<{ readonly reason: string }>();
  #active = 0;
  #bytes = 0;
  #draining = false;

  /** @param limits or how many requests, of any size */
  constructor(limits: LifecycleLimits | number) {
    this.#limits = typeof limits === 'number' ? { requests: limits, bytes: Infinity } : limits;
    // Every request in progress listens.
    setMaxListeners(0, this.#shutdown.signal);
  }

  /** Aborts when the server stops waiting for answers. */
  get signal(): AbortSignal {
    return this.#shutdown.signal;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get active(): number {
    return this.#active;
  }

  /** Why requests should go elsewhere for now; empty when the server is ready. */
  get notReady(): readonly string[] {
    const reasons = [...this.#holds].map(({ reason }) => reason);
    return this.#draining ? ['shutting down', ...reasons] : reasons;
  }

  /** Not ready until what it returns is called. */
  hold(reason: string): () => void {
    const held = { reason };
    this.#holds.add(held);
    return () => void this.#holds.delete(held);
  }

  /**
   * Admits one generation request.
   * @returns what to call once when it has ended
   * @throws ApiError 429 above the limits, 503 while closing
   */
  enter({ bytes, retryAfterSeconds }: Arrival = { bytes: 0, retryAfterSeconds: () => 1 }): () => void {
    this.refuseWhenDraining();
    const full = this.#active >= this.#limits.requests;
    if (full || (this.#active > 0 && this.#bytes + bytes > this.#limits.bytes)) {
      const held = full ? '' : ` and hold ${this.#bytes} bytes`;
      throw new ApiError(
        429,
        `${this.#active} requests are in progress${held}, the most that this server takes. Try again later.`,
        { code: 'too_many_requests', headers: { 'retry-after': String(retryAfterSeconds()) } },
      );
    }
    this.#bytes += bytes;
    this.#active++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#active--;
      this.#bytes -= bytes;
      if (this.#active === 0) for (const wake of this.#waiters.splice(0)) wake();
    };
  }

  /** Registers work that nobody waits for; it is told to stop when the server begins to close. */
  onDrain(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** For requests of every kind, of which only those of generations are counted. @throws ApiError 503 while closing */
  refuseWhenDraining(): void {
    if (this.#draining) throw shuttingDown();
  }

  /** Refuses new requests, stops work in the background, waits `drainMs` for those in progress, then aborts what is left. */
  async drain(drainMs: number): Promise<void> {
    this.#draining = true;
    const stopped = Promise.all(this.#stops.map((stop) => stop()));
    await this.#idleWithin(drainMs);
    if (this.#active > 0) {
      this.#shutdown.abort(shuttingDown());
      await this.#idleWithin(ABORT_GRACE_MS);
    }
    await within(stopped, ABORT_GRACE_MS);
    for (const work of this.#atEnd) await work();
  }

  /** Work for the end of `drain`, which must not throw. */
  atEnd(work: () => Promise<void>): void {
    this.#atEnd.push(work);
  }

  async #idleWithin(ms: number): Promise<void> {
    if (this.#active === 0) return;
    await within(new Promise<void>((resolve) => this.#waiters.push(resolve)), ms);
  }
}

async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** What a request gets that arrives, or is still running, when the server closes. */
export function shuttingDown(): ApiError {
  return new ApiError(503, 'The server is shutting down. Try again when it is back.', {
    code: 'server_shutting_down',
    headers: { connection: 'close', 'retry-after': '5' },
  });
}
