/** Everything that a server keeps, opened and closed as one. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { accessStore, type AccessStore } from './access.ts';
import { auditStore, type AuditLog } from './audit-log.ts';
import { batchQueue, type BatchQueue } from './batch-queue.ts';
import { batchStore, type BatchStore } from './batches.ts';
import { openDiskBlobs } from './blobs.ts';
import { chatCompletionStore, type ChatCompletionStore } from './chat-completions.ts';
import { contentStore } from './contents.ts';
import { conversationStore, type ConversationStore } from './conversations.ts';
import { openPglite, openPostgres, type Database, type OpenDatabase } from './database.ts';
import { fileStore, type FileStore } from './files.ts';
import { ingestQueue, type IngestQueue } from './ingest-queue.ts';
import { lockDirectory } from './process-lock.ts';
import { failInterrupted, responseStore, type ResponseStore } from './responses.ts';
import { openS3Blobs, type S3Options } from './s3-blobs.ts';
import { serverName } from './server-name.ts';
import { sweepRegularly } from './sweep.ts';
import { usageStore, type UsageStore } from './usage.ts';
import { vectorStoreStore, type VectorStoreStore } from './vector-stores.ts';
import { uploadStore, type UploadStore } from './uploads.ts';

export interface StorageOptions {
  /** Directory for contents and, without `databaseUrl`, for the database. Made when missing. */
  readonly directory: string;
  /** `postgresql://...`. Default: PGlite in `directory`. */
  readonly databaseUrl?: string;
  /** Where contents lie instead of in `directory`. */
  readonly s3?: S3Options;
  /** Told once, when it is opened, what works less well than it could, and what to do about that. */
  readonly onNotice?: (text: string) => void;
}

const NO_PGVECTOR =
  'PostgreSQL has no pgvector that this server may use: vector stores are searched in plain SQL, which is slower. ' +
  "Install pgvector on the database's machine, run `create extension vector` in the database as its administrator, " +
  'and start this server again.';

/** The project of everybody where nobody needs a key, and of what was kept before there were projects. */
export const DEFAULT_PROJECT = 'default';

/** The error of a response that the server had begun when it was killed; the text that it had is lost with it. */
const INTERRUPTED = {
  code: 'server_error',
  message: 'The server stopped while it computed this response. Create the response again.',
};

/** What one project keeps. What belongs to another is not found here. */
export interface ProjectStorage {
  readonly files: FileStore;
  readonly uploads: UploadStore;
  readonly batches: BatchStore;
  readonly chatCompletions: ChatCompletionStore;
  readonly vectorStores: VectorStoreStore;
  readonly responses: ResponseStore;
  readonly conversations: ConversationStore;
}

/** What is kept of the server itself, and not of what its callers give it. */
export interface Records {
  readonly access: AccessStore;
  readonly usage: UsageStore;
  readonly audit: AuditLog;
  close(): Promise<void>;
}

export interface Storage extends Records {
  /** @param id of the project; `DEFAULT_PROJECT` where there are no keys */
  project(id: string): ProjectStorage;
  /** Batches of all projects, to be worked off. */
  readonly batchQueue: BatchQueue;
  /** Files of vector stores of all projects, to be read in. */
  readonly ingestQueue: IngestQueue;
  readonly kind: OpenDatabase['kind'];
}

/**
 * Opens the records alone, for tools beside a server: PostgreSQL takes several processes, PGlite does not.
 * @throws RequestError when PGlite is wanted and another process holds the directory
 */
export async function openRecords({ directory, databaseUrl }: StorageOptions): Promise<Records> {
  if (databaseUrl) {
    const database = await openPostgres(databaseUrl);
    return { ...recordsIn(database.db), close: () => database.close() };
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  try {
    const database = await openPglite(directory);
    return {
      ...recordsIn(database.db),
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

/**
 * Opens, brings the tables up to this version, and ends as failed what was being computed here when a process was killed.
 * @throws RequestError when another process holds the directory; NetworkError when PostgreSQL cannot be reached
 */
export async function openStorage({
  directory,
  databaseUrl,
  s3,
  onNotice,
}: StorageOptions): Promise<Storage> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(directory);
  try {
    const contentsAt = join(directory, 'blobs');
    const blobs = s3 ? await openS3Blobs(s3, contentsAt) : await openDiskBlobs(contentsAt);
    const name = await serverName(directory);
    const database = databaseUrl ? await openPostgres(databaseUrl) : await openPglite(directory);
    const { db } = database;
    try {
      await failInterrupted(db, name, INTERRUPTED);
    } catch (error) {
      await database.close();
      throw error;
    }
    // PGlite brings it.
    if (database.pgvectorSchema === undefined) onNotice?.(NO_PGVECTOR);
    const contents = contentStore(db, blobs);
    const stopSweeping = sweepRegularly(db, contents);
    return {
      project: (id) => ({
        files: fileStore(db, contents, id),
        uploads: uploadStore(db, contents, id),
        batches: batchStore(db, id),
        chatCompletions: chatCompletionStore(db, id),
        vectorStores: vectorStoreStore(db, id, database.pgvectorSchema),
        responses: responseStore(db, name, id),
        conversations: conversationStore(db, id),
      }),
      batchQueue: batchQueue(db, contents, name),
      ingestQueue: ingestQueue(db, contents, name),
      ...recordsIn(db),
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

function recordsIn(db: Database): Omit<Records, 'close'> {
  return { access: accessStore(db, DEFAULT_PROJECT), usage: usageStore(db), audit: auditStore(db) };
}
