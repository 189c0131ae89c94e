/** Limits by the minute: a bucket that fills as time passes. Kept in this process; several servers count apart. */

import type { Limits } from '@steelyard/storage';
import { ApiError } from '../http/api-error.ts';

const MINUTE_MS = 60_000;

/** Holds a minute's worth at most. */
export class Bucket {
  readonly limit: number;
  readonly #now: () => number;
  #level: number;
  #at: number;

  /** @param now milliseconds */
  constructor(limit: number, now: () => number) {
    this.limit = limit;
    this.#now = now;
    this.#level = limit;
    this.#at = now();
  }

  /** What is left; below zero when more was taken than there was. */
  get level(): number {
    const now = this.#now();
    this.#level = Math.min(this.limit, this.#level + ((now - this.#at) * this.limit) / MINUTE_MS);
    this.#at = now;
    return this.#level;
  }

  take(amount: number): void {
    this.#level = this.level - amount;
  }

  /** Milliseconds until there is so much. */
  until(level: number): number {
    return Math.max(0, ((level - this.level) * MINUTE_MS) / this.limit);
  }
}

export interface Buckets {
  readonly requests?: Bucket;
  readonly tokens?: Bucket;
}

/** Buckets for the limits, those of before where a limit is as it was. */
export function bucketsFor(limits: Limits, before: Buckets | undefined, now: () => number): Buckets {
  const bucket = (limit: number | undefined, old: Bucket | undefined): Bucket | undefined =>
    limit === undefined ? undefined : old?.limit === limit ? old : new Bucket(limit, now);
  const requests = bucket(limits.requestsPerMinute, before?.requests);
  const tokens = bucket(limits.tokensPerMinute, before?.tokens);
  return { ...(requests ? { requests } : {}), ...(tokens ? { tokens } : {}) };
}

/**
 * Takes one request from each bucket. Tokens are taken when they are known, so a bucket may owe some first.
 * @param leaves the part of a minute's worth, 0 to 1, that is not to be touched
 * @throws ApiError 429 with the seconds to wait, and takes nothing
 */
export function takeRequest(of: readonly Buckets[], who: string, leaves = 0): void {
  for (const { requests, tokens } of of) {
    refuseBelow(requests, 'requests', { who, of, leaves });
    refuseBelow(tokens, 'tokens', { who, of, leaves });
  }
  for (const { requests } of of) requests?.take(1);
}

function refuseBelow(
  bucket: Bucket | undefined,
  kind: 'requests' | 'tokens',
  { who, of, leaves }: { readonly who: string; readonly of: readonly Buckets[]; readonly leaves: number },
): void {
  if (!bucket) return;
  const least = Math.max(1, leaves * bucket.limit);
  if (bucket.level >= least) return;
  const seconds = Math.max(1, Math.ceil(bucket.until(least) / 1_000));
  throw new ApiError(
    429,
    `Rate limit reached for ${who} on ${kind} per min: limit ${bucket.limit}. Please try again in ${seconds}s.`,
    {
      code: 'rate_limit_exceeded',
      type: kind,
      headers: { ...limitHeaders(of), 'retry-after': String(seconds) },
    },
  );
}

/** OpenAI's headers; of several limits on one thing, the first. */
export function limitHeaders(of: readonly Buckets[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const kind of ['requests', 'tokens'] as const) {
    const bucket = of.map((buckets) => buckets[kind]).find(Boolean);
    if (!bucket) continue;
    headers[`x-ratelimit-limit-${kind}`] = String(bucket.limit);
    headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(bucket.level)));
    headers[`x-ratelimit-reset-${kind}`] = duration(bucket.until(bucket.limit));
  }
  return headers;
}

/** As OpenAI writes it: `12ms`, `1s`, `6m0s`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
