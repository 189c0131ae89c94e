/** Files of vector stores as those who read them in see them. A file's pieces come at once, and replace older ones. */

import type { Readable } from 'node:stream';
import { RequestError } from '@steelyard/core';
import { and, asc, eq, inArray, isNull, lt, notInArray, or } from 'drizzle-orm';
import type { Contents } from './contents.ts';
import type { Database } from './database.ts';
import type { Json } from './json.ts';
import { files, vectorChunks, vectorFiles, vectorStores } from './schema.ts';

/** Rows per statement: PostgreSQL takes 65 535 parameters. */
const BATCH = 200;
const BYTES_PER_ELEMENT = 4;

export interface ClaimedFile {
  /** Its place among all files of all stores. */
  readonly sequence: number;
  readonly filename: string;
  readonly bytes: number;
  readonly digest: string;
  readonly chunking: Json;
  /** Name of the store's model. */
  readonly model: string;
}

export interface NewChunk {
  readonly text: string;
  /** Of length 1. */
  readonly vector: Float32Array;
}

export interface IngestQueue {
  /** As `BatchQueue.claim`. */
  claim(seconds: number, except: readonly number[]): Promise<ClaimedFile | undefined>;
  /** Keeps a claim. @returns false when it is not wanted any more, or another server has it */
  renew(sequence: number, seconds: number): Promise<boolean>;
  release(sequence: number): Promise<void>;
  content(digest: string): Promise<Readable>;
  /**
   * Keeps what was read, unless it is not wanted any more.
   * @param chunking how it was cut. Default: as was asked
   * @throws RequestError for a vector that holds no number
   */
  finish(sequence: number, chunks: readonly NewChunk[], chunking?: Json): Promise<void>;
  /** @param error as the API shows it */
  fail(sequence: number, error: Json): Promise<void>;
}

/**
 * @param server this server's name among those that share the database
 * @param now Unix seconds; tests move it
 */
export function ingestQueue(
  db: Database,
  contents: Contents,
  server: string,
  now = (): number => Math.floor(Date.now() / 1000),
): IngestQueue {
  const mine = (sequence: number) =>
    and(
      eq(vectorFiles.sequence, sequence),
      eq(vectorFiles.claimedBy, server),
      eq(vectorFiles.status, 'in_progress'),
    );
  return {
    async claim(seconds, except) {
      const free = or(
        isNull(vectorFiles.claimedUntil),
        lt(vectorFiles.claimedUntil, now()),
        eq(vectorFiles.claimedBy, server),
      );
      const next = db
        .select({ sequence: vectorFiles.sequence })
        .from(vectorFiles)
        .where(
          and(
            eq(vectorFiles.status, 'in_progress'),
            free,
            except.length > 0 ? notInArray(vectorFiles.sequence, [...except]) : undefined,
          ),
        )
        .orderBy(asc(vectorFiles.sequence))
        .limit(1)
        .for('update', { skipLocked: true });
      const [claimed] = await db
        .update(vectorFiles)
        .set({ claimedBy: server, claimedUntil: now() + seconds })
        .where(inArray(vectorFiles.sequence, next))
        .returning({ sequence: vectorFiles.sequence });
      if (!claimed) return undefined;
      const [file] = await db
        .select({
          sequence: vectorFiles.sequence,
          filename: files.filename,
          bytes: files.bytes,
          digest: files.digest,
          chunking: vectorFiles.chunking,
          model: vectorStores.model,
        })
        .from(vectorFiles)
        .innerJoin(files, eq(files.id, vectorFiles.fileId))
        .innerJoin(vectorStores, eq(vectorStores.id, vectorFiles.storeId))
        .where(eq(vectorFiles.sequence, claimed.sequence));
      return file;
    },
    async renew(sequence, seconds) {
      const rows = await db
        .update(vectorFiles)
        .set({ claimedUntil: now() + seconds })
        .where(mine(sequence))
        .returning({ sequence: vectorFiles.sequence });
      return rows.length > 0;
    },
    async release(sequence) {
      await db.update(vectorFiles).set({ claimedBy: null, claimedUntil: null }).where(mine(sequence));
    },
    content: (digest) => contents.read(digest),
    async finish(sequence, chunks, chunking) {
      refuseNonFinite(chunks);
      await db.transaction(async (tx) => {
        const usageBytes = chunks.reduce(
          (all, { text, vector }) => all + Buffer.byteLength(text) + BYTES_PER_ELEMENT * vector.length,
          0,
        );
        const [file] = await tx
          .update(vectorFiles)
          .set({ status: 'completed', usageBytes, claimedUntil: null, ...(chunking ? { chunking } : {}) })
          .where(mine(sequence))
          .returning({ storeId: vectorFiles.storeId, fileId: vectorFiles.fileId });
        if (!file) return;
        const { storeId, fileId } = file;
        await tx
          .delete(vectorChunks)
          .where(and(eq(vectorChunks.storeId, storeId), eq(vectorChunks.fileId, fileId)));
        for (let at = 0; at < chunks.length; at += BATCH) {
          const rows = chunks
            .slice(at, at + BATCH)
            .map(({ text, vector }) => ({ storeId, fileId, text, embedding: [...vector] }));
          await tx.insert(vectorChunks).values(rows);
        }
      });
    },
    async fail(sequence, error) {
      await db.update(vectorFiles).set({ status: 'failed', error, claimedUntil: null }).where(mine(sequence));
    },
  };
}

/** pgvector refuses them, and then every search of the store would fail. */
function refuseNonFinite(chunks: readonly NewChunk[]): void {
  const bad = chunks.findIndex(({ vector }) => !vector.every(Number.isFinite));
  if (bad < 0) return;
  throw new RequestError(
    `storage: vector ${bad} of ${chunks.length} is not finite, expected numbers. The model that made it is broken.`,
    'chunks',
  );
}
