/**
 * Access by the keys of projects. What the database says of a key is remembered for a few seconds, so a key revoked
 * elsewhere works that much longer; one revoked through this server is refused at once.
 */

import { hashOf, type Limits, type Project, type Records, type StoredKey } from '@steelyard/storage';
import type { Endpoint } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { Access, Admission } from './access.ts';
import { isServerKey, keyOf, missingKey } from './api-key.ts';
import { KEY_HOLDER, type Caller } from './caller.ts';
import { costOf, type Prices } from './prices.ts';
import { bucketsFor, limitHeaders, takeRequest, type Buckets } from './rate-limit.ts';
import { checkScope } from './scopes.ts';
import { dayOf } from './usage-meter.ts';

const REMEMBERED_MS = 5_000;
/** Keys remembered at once; beyond that the oldest go. */
const MOST_KEYS = 10_000;
const LOOKS_LIKE_A_KEY = /^sk-sy-[\w-]{43}$/;

export interface KeyRingOptions {
  /** A key of the server itself, which is an admin's. */
  readonly serverKey?: string;
  readonly prices: Prices;
  /** Writes counters down, so that budgets see all that was used. */
  readonly flush: () => Promise<void>;
  /** Milliseconds; tests move it. */
  readonly now?: () => number;
}

interface Known {
  readonly key: StoredKey;
  readonly project: Project;
  readonly caller: Caller;
  /** What budget is used up, if one is. */
  readonly overspent: string | undefined;
  readonly until: number;
}

export class KeyRing implements Access {
  readonly #records: () => Promise<Records>;
  readonly #options: KeyRingOptions;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  /** By id of key or project. */
  readonly #buckets = new Map<string, Buckets>();

  constructor(records: () => Promise<Records>, options: KeyRingOptions) {
    this.#records = records;
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async admit(
    headers: Headers,
    endpoint: Endpoint,
    tell: (caller: Caller) => void = () => {},
  ): Promise<Admission> {
    const secret = keyOf(headers);
    if (secret === undefined) throw missingKey();
    if (isServerKey(secret, this.#options.serverKey)) {
      tell(SERVER_ADMIN);
      return { caller: SERVER_ADMIN, headers: {} };
    }
    const known = LOOKS_LIKE_A_KEY.test(secret) ? await this.#find(secret) : undefined;
    if (!known) throw refusedKey('Incorrect API key provided.', 'invalid_api_key');
    tell(known.caller);
    this.#checkAlive(known);
    checkScope(known.caller, endpoint);
    const limited = [this.#bucketsOf(known.key), this.#bucketsOf(known.project)];
    if (known.overspent !== undefined && endpoint.method !== 'GET') {
      throw new ApiError(429, known.overspent, { code: 'insufficient_quota', type: 'insufficient_quota' });
    }
    takeRequest(limited, `key '${known.key.name}' in project '${known.project.name}'`);
    return { caller: known.caller, headers: limitHeaders(limited) };
  }

  charge({ keyId, project }: Caller, tokens: number): void {
    for (const id of [keyId ?? '', project]) this.#buckets.get(id)?.tokens?.take(tokens);
  }

  forget(): void {
    this.#known.clear();
  }

  #checkAlive({ key, project }: Known): void {
    if (key.revokedAt !== null) throw refusedKey('This API key was revoked.', 'invalid_api_key');
    if (key.expiresAt !== null && key.expiresAt * 1_000 <= this.#now()) {
      const when = new Date(key.expiresAt * 1_000).toISOString();
      throw refusedKey(`This API key expired at ${when}.`, 'expired_api_key');
    }
    if (project.archivedAt !== null)
      throw refusedKey(`The project of this API key, '${project.name}', is archived.`, 'invalid_api_key');
  }

  #bucketsOf({ id, limits }: { readonly id: string; readonly limits: Limits }): Buckets {
    const buckets = bucketsFor(limits, this.#buckets.get(id), this.#now);
    if (buckets.requests || buckets.tokens) this.#buckets.set(id, buckets);
    else this.#buckets.delete(id);
    return buckets;
  }

  async #find(secret: string): Promise<Known | undefined> {
    const hash = hashOf(secret);
    const before = this.#known.get(hash);
    if (before && before.until > this.#now()) return before;
    const records = await this.#records();
    const found = await records.access.find(secret);
    if (!found) return undefined;
    const { key, project } = found;
    // Not waited for: nothing depends on it.
    records.access.touchKey(key.id).catch(() => {});
    const known: Known = {
      ...found,
      caller: {
        ...{ project: project.id, keyId: key.id, label: key.name, scopes: key.scopes },
        logsContent: project.logsContent,
      },
      overspent:
        (await this.#overspent(records, key.limits, { key: key.id }, `key '${key.name}'`)) ??
        (await this.#overspent(
          records,
          project.limits,
          { project: project.id },
          `project '${project.name}'`,
        )),
      until: this.#now() + REMEMBERED_MS,
    };
    this.#known.delete(hash);
    this.#known.set(hash, known);
    if (this.#known.size > MOST_KEYS) this.#known.delete(this.#known.keys().next().value!);
    return known;
  }

  async #overspent(
    { usage }: Records,
    { tokensPerMonth, dollarsPerMonth }: Limits,
    whose: { readonly key: string } | { readonly project: string },
    who: string,
  ): Promise<string | undefined> {
    if (tokensPerMonth === undefined && dollarsPerMonth === undefined) return undefined;
    await this.#options.flush();
    const from = `${dayOf(new Date(this.#now())).slice(0, 8)}01`;
    const totals = await usage.totals({ ...whose, from });
    const tokens = totals.reduce((sum, row) => sum + row.inputTokens + row.outputTokens, 0);
    const dollars = totals.reduce((sum, row) => sum + costOf(this.#options.prices, row), 0);
    const until = 'It starts anew with the next month; an admin can raise it.';
    if (tokensPerMonth !== undefined && tokens >= tokensPerMonth)
      return `The ${who} has used ${tokens} of its ${tokensPerMonth} tokens of this month. ${until}`;
    if (dollarsPerMonth !== undefined && dollars >= dollarsPerMonth)
      return `The ${who} has spent $${dollars.toFixed(2)} of its $${dollarsPerMonth.toFixed(2)} of this month. ${until}`;
    return undefined;
  }
}

const SERVER_ADMIN: Caller = { ...KEY_HOLDER, scopes: { admin: true, endpoints: ['all'] } };

function refusedKey(message: string, code: string): ApiError {
  return new ApiError(401, `${message} Ask an admin of this server for another.`, {
    code,
    type: 'invalid_request_error',
  });
}
