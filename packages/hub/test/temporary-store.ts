/** A store in a folder that goes when the test ends. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '../src/index.ts';

export interface TemporaryStore extends AsyncDisposable {
  readonly store: Store;
  readonly root: string;
  /** A folder beside the store for a test's own files. */
  readonly folder: string;
  /** Names in one of the store's folders. */
  names(folder: 'blobs' | 'partial' | 'tmp' | 'locks'): Promise<string[]>;
}

export async function temporaryStore(): Promise<TemporaryStore> {
  const folder = await mkdtemp(join(tmpdir(), 'steelyard-hub-'));
  const root = join(folder, 'store');
  return {
    store: openStore(root),
    root,
    folder,
    names: (name) => readdir(join(root, name)),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What every test pulls with: pauses too short to notice. */
export const FAST = { retryDelayMs: 1, attempts: 3 } as const;
