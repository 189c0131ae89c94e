/** Who asks: a project's key, the one key of a server in simple mode, or anybody where no key is asked for. */

import { DEFAULT_PROJECT } from '@steelyard/storage';

/** What a caller may do. */
export interface Scopes {
  /** Projects, keys, budgets and usage of everybody. */
  readonly admin: boolean;
  /** Groups of endpoints: `all`, `read`, `chat`, `files:read`. A group is what stands behind `/v1/` in its paths. */
  readonly endpoints: readonly string[];
  /** Names of models. Absent: all that are served. */
  readonly models?: readonly string[];
}

export interface Caller {
  /** Id of the project that sees what the caller makes, and whose things the caller sees. */
  readonly project: string;
  /** Null where no key is asked for. */
  readonly keyId: string | null;
  /** The key's name for people. */
  readonly label: string;
  readonly scopes: Scopes;
  /** Whether its project has the request log hold content. Default false. */
  readonly logsContent?: boolean;
}

/** Anybody, on a server without keys. */
export const ANYBODY: Caller = {
  project: DEFAULT_PROJECT,
  keyId: null,
  label: 'anybody',
  scopes: { admin: false, endpoints: ['all'] },
};

/** Whoever has the one key of a server in simple mode. */
export const KEY_HOLDER: Caller = { ...ANYBODY, keyId: 'key_of_server', label: 'the key of the server' };
