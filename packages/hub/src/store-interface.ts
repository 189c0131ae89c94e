/** The store as its users see it. */

import type { StoredModel } from './stored-model.ts';

/** Result of reading every byte of a model again. */
export interface VerifyResult {
  readonly ok: boolean;
  readonly files: readonly {
    readonly path: string;
    readonly expected: string;
    /** SHA-256 of what is there; absent when the file is missing. */
    readonly actual?: string;
  }[];
}

export interface Store {
  /** Folder that holds everything. */
  readonly root: string;
  /** Models by name; a manifest that cannot be read is left out. */
  list(): Promise<StoredModel[]>;
  /**
   * Finds by name, by source (with or without its scheme), or by the unique beginning of a name, ignoring case.
   * @throws RequestError when several models begin that way
   */
  find(name: string): Promise<StoredModel | undefined>;
  /**
   * Gives a model another name beside its own; its files are shared.
   * @throws NotFoundError; RequestError for a name that is not safe as a folder's, or belongs to another model
   */
  copy(name: string, to: string): Promise<StoredModel>;
  /**
   * Removes a model and those of its files that no other model shares.
   * @throws NotFoundError
   */
  remove(name: string): Promise<{ readonly freedBytes: number }>;
  /**
   * Hashes every file again.
   * @throws NotFoundError
   */
  verify(name: string, signal?: AbortSignal): Promise<VerifyResult>;
}
