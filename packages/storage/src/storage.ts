/** Everything that a server keeps, opened and closed as one. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskBlobs } from './blobs.ts';
import { openPglite, openPostgres, type OpenDatabase } from './database.ts';
import { fileStore, type FileStore } from './files.ts';
import { lockDirectory } from './process-lock.ts';

export interface StorageOptions {
  /** Directory for contents and, without `databaseUrl`, for the database. Made when missing. */
  readonly directory: string;
  /** `postgresql://...`. Default: PGlite in `directory`. */
  readonly databaseUrl?: string;
}

export interface Storage {
  readonly files: FileStore;
  readonly kind: OpenDatabase['kind'];
  close(): Promise<void>;
}

/**
 * Opens, and brings the tables up to this version.
 * @throws RequestError when another process holds the directory; NetworkError when PostgreSQL cannot be reached
 */
export async function openStorage({ directory, databaseUrl }: StorageOptions): Promise<Storage> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  try {
    const blobs = await openDiskBlobs(join(directory, 'blobs'));
    const database = databaseUrl ? await openPostgres(databaseUrl) : await openPglite(directory);
    return {
      files: fileStore(database.db, blobs),
      kind: database.kind,
      async close() {
        await database.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}
