/**
 * Access by the keys of projects. What the database says of a key is remembered for a few seconds, so a key revoked
 * elsewhere works that much longer; one revoked through this server is refused at once.
 */

import { NotFoundError } from '@steelyard/core';
import {
  hashOf,
  type AccessStore,
  type Limits,
  type Project,
  type Records,
  type StoredKey,
} from '@steelyard/storage';
import type { Endpoint } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { Access, Admission } from './access.ts';
import { isServerKey, keyOf, missingKey } from './api-key.ts';
import { KEY_HOLDER, type Caller } from './caller.ts';
import { bucketsFor, limitHeaders, takeRequest, type Buckets } from './rate-limit.ts';
import { ADMINISTRATION, checkScope, groupOf } from './scopes.ts';
import type { Spender, Spending } from './spending.ts';
import type { Used } from './usage-meter.ts';

const REMEMBERED_MS = 5_000;
/** Keys remembered at once; beyond that the oldest go. */
const MOST_KEYS = 10_000;
/** Of a minute's worth, what work that goes on without its caller leaves to who waits for an answer. */
const LEFT_TO_OTHERS = 0.5;
const LOOKS_LIKE_A_KEY = /^sk-sy-[\w-]{43}$/;

export interface KeyRingOptions {
  /** A key of the server itself, which is an admin's. */
  readonly serverKey?: string;
  readonly spending: Spending;
  /** Milliseconds; tests move it. */
  readonly now?: () => number;
}

interface Known {
  readonly key: StoredKey;
  readonly project: Project;
  readonly caller: Caller;
  readonly until: number;
}

export class KeyRing implements Access {
  readonly #records: () => Promise<Records>;
  readonly #options: KeyRingOptions;
  readonly #now: () => number;
  /** By hash or id of the key. */
  #known = new Map<string, Known>();
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
    const known = LOOKS_LIKE_A_KEY.test(secret)
      ? await this.#find(hashOf(secret), (access) => access.find(secret))
      : undefined;
    if (!known) throw refusedKey('Incorrect API key provided.', 'invalid_api_key');
    tell(known.caller);
    return { caller: known.caller, headers: limitHeaders(this.#letIn(known, endpoint)) };
  }

  async readmit({ keyId }: Caller, endpoint: Endpoint): Promise<Caller> {
    if (keyId === null)
      throw refusedKey(
        'This was asked for without an API key, which this server needs now.',
        'missing_api_key',
      );
    if (keyId === KEY_HOLDER.keyId) {
      if (this.#options.serverKey !== undefined) return SERVER_ADMIN;
      throw refusedKey(
        'The API key that asked for this is no longer the key of the server.',
        'invalid_api_key',
      );
    }
    const known = await this.#find(`id ${keyId}`, (access) => withProject(access, keyId));
    if (!known) throw refusedKey('The API key that asked for this is not there any more.', 'invalid_api_key');
    this.#letIn(known, endpoint, LEFT_TO_OTHERS);
    return known.caller;
  }

  charge(caller: Caller, used: Used): void {
    const tokens = used.inputTokens + used.outputTokens;
    for (const id of [caller.keyId ?? '', caller.project]) this.#buckets.get(id)?.tokens?.take(tokens);
    this.#options.spending.charge(caller, used);
  }

  forget(): void {
    // Another map: what is being looked up meanwhile is not remembered.
    this.#known = new Map();
  }

  /** @throws ApiError when the key does not work, may not do this, or has reached a limit */
  #letIn(known: Known, endpoint: Endpoint, leaves = 0): readonly Buckets[] {
    const { key, project, caller } = known;
    this.#checkAlive(known);
    checkScope(caller, endpoint);
    const overspent = spendersOf(known)
      .map((spender) => this.#options.spending.overspent(spender))
      .find((message) => message !== undefined);
    // What administers is let through: it is how a budget is raised.
    if (overspent !== undefined && endpoint.method !== 'GET' && groupOf(endpoint) !== ADMINISTRATION)
      throw new ApiError(429, overspent, { code: 'insufficient_quota', type: 'insufficient_quota' });
    const limited = [this.#bucketsOf(key), this.#bucketsOf(project)];
    takeRequest(limited, `key '${key.name}' in project '${project.name}'`, leaves);
    return limited;
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

  async #find(
    name: string,
    ask: (access: AccessStore) => Promise<Pick<Known, 'key' | 'project'> | undefined>,
  ): Promise<Known | undefined> {
    const memory = this.#known;
    const before = memory.get(name);
    if (before && before.until > this.#now()) return before;
    const { access } = await this.#records();
    const found = await ask(access);
    if (!found) return undefined;
    const { key, project } = found;
    // Not waited for: nothing depends on it.
    access.touchKey(key.id).catch(() => {});
    for (const spender of spendersOf(found)) await this.#options.spending.learn(spender);
    const known: Known = {
      ...found,
      caller: {
        ...{ project: project.id, keyId: key.id, label: key.name, scopes: key.scopes },
        logsContent: project.logsContent,
      },
      until: this.#now() + REMEMBERED_MS,
    };
    memory.delete(name);
    memory.set(name, known);
    if (memory.size > MOST_KEYS) memory.delete(memory.keys().next().value!);
    return known;
  }
}

function spendersOf({ key, project }: Pick<Known, 'key' | 'project'>): readonly Spender[] {
  return [
    { ...key, kind: 'key' },
    { ...project, kind: 'project' },
  ];
}

async function withProject(
  access: AccessStore,
  id: string,
): Promise<Pick<Known, 'key' | 'project'> | undefined> {
  try {
    const key = await access.key(id);
    return { key, project: await access.project(key.project) };
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}

const SERVER_ADMIN: Caller = { ...KEY_HOLDER, scopes: { admin: true, endpoints: ['all'] } };

function refusedKey(message: string, code: string): ApiError {
  return new ApiError(401, `${message} Ask an admin of this server for another.`, {
    code,
    type: 'invalid_request_error',
  });
}
