/** Everything that a server keeps, opened and closed as one. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskBlobs } from './blobs.ts';
import { conversationStore, type ConversationStore } from './conversations.ts';
import { openPglite, openPostgres, type OpenDatabase } from './database.ts';
import { fileStore, type FileStore } from './files.ts';
import { lockDirectory } from './process-lock.ts';
import { responseStore, type ResponseStore } from './responses.ts';
import { serverName } from './server-name.ts';

export interface StorageOptions {
  /** Directory for contents and, without `databaseUrl`, for the database. Made when missing. */
  readonly directory: string;
  /** `postgresql://...`. Default: PGlite in `directory`. */
  readonly databaseUrl?: string;
}

/** The error of a response that the server had begun when it was killed; the text that it had is lost with it. */
const INTERRUPTED = {
  code: 'server_error',
  message: 'The server stopped while it computed this response. Create the response again.',
};

export interface Storage {
  readonly files: FileStore;
  readonly responses: ResponseStore;
  readonly conversations: ConversationStore;
  readonly kind: OpenDatabase['kind'];
  close(): Promise<void>;
}

/**
 * Opens, brings the tables up to this version, and ends as failed what was being computed here when a process was killed.
 * @throws RequestError when another process holds the directory; NetworkError when PostgreSQL cannot be reached
 */
export async function openStorage({ directory, databaseUrl }: StorageOptions): Promise<Storage> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  try {
    const blobs = await openDiskBlobs(join(directory, 'blobs'));
    const name = await serverName(directory);
    const database = databaseUrl ? await openPostgres(databaseUrl) : await openPglite(directory);
    const responses = responseStore(database.db, name);
    await responses.failInterrupted(INTERRUPTED).catch(async (error: unknown) => {
      await database.close();
      throw error;
    });
    return {
      files: fileStore(database.db, blobs),
      responses,
      conversations: conversationStore(database.db),
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
