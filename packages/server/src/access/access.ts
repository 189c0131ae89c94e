/** Whether a request is let in, and as whom: open to anybody, behind one key, or behind the keys of projects. */

import type { Endpoint } from '../endpoint.ts';
import { checkServerKey } from './api-key.ts';
import { ANYBODY, type Caller } from './caller.ts';
import type { Used } from './usage-meter.ts';

export interface Admission {
  readonly caller: Caller;
  /** What the caller is told of its limits. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Access {
  /**
   * @param known told who it is as soon as that is sure, whether it is let in or not
   * @throws ApiError 401 without a key that works, 403 beyond its scopes, 429 beyond its limits
   */
  admit(headers: Headers, endpoint: Endpoint, known?: (caller: Caller) => void): Promise<Admission>;
  /**
   * Lets in again whom it let in before, for a part of work that goes on without its caller: what was revoked, spent or
   * reached since holds it too.
   * @returns the caller as it is now
   * @throws as `admit`; an error with `retry-after` passes with time
   */
  readmit(caller: Caller, endpoint: Endpoint): Promise<Caller>;
  /** Counts tokens towards the caller's limits, once they are known. */
  charge(caller: Caller, used: Used): void;
  /** Keys or projects were changed: what is remembered of them is asked anew. */
  forget(): void;
}

const alwaysAs = (caller: (headers: Headers) => Caller): Access => ({
  async admit(headers, _endpoint, known) {
    const found = await Promise.resolve(caller(headers));
    known?.(found);
    return { caller: found, headers: {} };
  },
  readmit: (before) => Promise.resolve(before),
  charge() {},
  forget() {},
});

/** Anybody may do anything but administer. */
export const openAccess: Access = alwaysAs(() => ANYBODY);

/** Whoever has the key may do anything but administer. */
export const singleKeyAccess = (apiKey: string): Access =>
  alwaysAs((headers) => checkServerKey(headers, apiKey));

/** For a person at the machine that holds the records: all is allowed. */
export const localAccess: Access = alwaysAs(() => ({
  ...ANYBODY,
  label: 'a person at this machine',
  scopes: { admin: true, endpoints: ['all'] },
}));
