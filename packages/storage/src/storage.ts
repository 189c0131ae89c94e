/** Everything that a server keeps, opened and closed as one. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskBlobs } from './blobs.ts';
import { contentStore, type Contents } from './contents.ts';
import { conversationStore, type ConversationStore } from './conversations.ts';
import { openPglite, openPostgres, type Database, type OpenDatabase } from './database.ts';
import { fileStore, type FileStore } from './files.ts';
import { lockDirectory } from './process-lock.ts';
import { responseStore, type ResponseStore } from './responses.ts';
import { serverName } from './server-name.ts';
import { sweepRegularly } from './sweep.ts';
import { uploadStore, type UploadStore } from './uploads.ts';

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

/** The project of everybody where nobody needs a key. */
export const DEFAULT_PROJECT = 'default';

/** What one project keeps. What belongs to another is not found here. */
export interface ProjectStorage {
  readonly uploads: UploadStore;
}

export interface Storage {
  /** @param id of the project */
  project(id: string): ProjectStorage;
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
    const contents = contentStore(database.db, blobs);
    const files = fileStore(database.db, contents);
    const stopSweeping = sweepRegularly(database.db, contents, files);
    return {
      project: (id) => projectStorage(database.db, contents, id),
      files,
      responses,
      conversations: conversationStore(database.db),
      kind: database.kind,
      async close() {
        await stopSweeping();
        await database.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

function projectStorage(db: Database, contents: Contents, project: string): ProjectStorage {
  return { uploads: uploadStore(db, contents, project) };
}
