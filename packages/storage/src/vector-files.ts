/** Files in a vector store, and batches of them: added here, read in by the ingest queue. */

import { randomUUID } from 'node:crypto';
import { NotFoundError, RequestError } from '@steelyard/core';
import { and, asc, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { countsOf, type FileCounts } from './file-counts.ts';
import { ITEM_ID, type Transaction } from './items.ts';
import type { Json } from './json.ts';
import { readPage, type Page, type PageQuery } from './page.ts';
import { files, vectorChunks, vectorFileBatches, vectorFiles, vectorStores } from './schema.ts';

/** Rows per statement: PostgreSQL takes 65 535 parameters. */
const BATCH = 1_000;

type Row = typeof vectorFiles.$inferSelect;
export type StoredVectorFile = Omit<Row, 'sequence' | 'claimedBy' | 'claimedUntil' | 'batchId'>;

export interface NewVectorFile {
  readonly fileId: string;
  readonly attributes: Json;
  /** How its text is cut; handed on as it is. */
  readonly chunking: Json;
}

export interface StoredFileBatch {
  readonly id: string;
  readonly storeId: string;
  readonly cancelled: boolean;
  readonly createdAt: number;
  readonly fileCounts: FileCounts;
}

export interface VectorFileQuery extends PageQuery {
  readonly status?: string | undefined;
  readonly batchId?: string | undefined;
}

export interface VectorFileStore {
  /**
   * To be read in; one that is there already is read again. Once resolved, a killed process has not lost it.
   * @throws NotFoundError for the store; RequestError for files that are not there
   */
  add(added: readonly NewVectorFile[]): Promise<readonly StoredVectorFile[]>;
  /** @throws NotFoundError for the store or the file */
  get(fileId: string): Promise<StoredVectorFile>;
  /** @throws NotFoundError for the store or the batch; RequestError for an unknown `after` or `before` */
  list(query: VectorFileQuery): Promise<Page<StoredVectorFile>>;
  /** @throws NotFoundError */
  setAttributes(fileId: string, attributes: Json): Promise<StoredVectorFile>;
  /** Out of the store; the file itself stays. @throws NotFoundError */
  remove(fileId: string): Promise<void>;
  /** Its text in the pieces that are searched. @throws NotFoundError */
  texts(fileId: string): Promise<readonly string[]>;
  /** Attributes of all files that have been read in, by file. */
  attributes(): Promise<ReadonlyMap<string, Json>>;
  /** @throws as `add` */
  addBatch(added: readonly NewVectorFile[]): Promise<StoredFileBatch>;
  /** @throws NotFoundError */
  batch(id: string): Promise<StoredFileBatch>;
  /** What is not read in yet will not be. @throws NotFoundError */
  cancelBatch(id: string): Promise<StoredFileBatch>;
}

interface StoreContext {
  readonly project: string;
  readonly id: string;
  readonly now: () => number;
  /** @throws NotFoundError */
  readonly store: () => Promise<unknown>;
}

export function vectorFileStore(db: Database, { project, id, now, store }: StoreContext): VectorFileStore {
  const one = (fileId: string) => {
    if (!ITEM_ID.test(fileId)) throw missing(id, fileId);
    return and(eq(vectorFiles.storeId, id), eq(vectorFiles.fileId, fileId));
  };
  const rowOf = async (fileId: string): Promise<Row> => {
    await store();
    const [row] = await db.select().from(vectorFiles).where(one(fileId));
    if (!row) throw missing(id, fileId);
    return row;
  };
  const batchOf = async (batchId: string): Promise<StoredFileBatch> => {
    await store();
    const [row] = ITEM_ID.test(batchId)
      ? await db
          .select()
          .from(vectorFileBatches)
          .where(and(eq(vectorFileBatches.storeId, id), eq(vectorFileBatches.id, batchId)))
      : [];
    if (!row) throw missing(id, batchId);
    const counts = await db
      .select({ status: vectorFiles.status, files: sql<string>`count(*)` })
      .from(vectorFiles)
      .where(eq(vectorFiles.batchId, batchId))
      .groupBy(vectorFiles.status);
    return { ...row, fileCounts: countsOf(counts) };
  };
  const add = (added: readonly NewVectorFile[], batchId: string | null) =>
    db.transaction(async (tx) => {
      // Used, and held: a store that goes at the same time takes what is added with it, or is not there.
      const [held] = await tx
        .update(vectorStores)
        .set({ lastActiveAt: now() })
        .where(and(eq(vectorStores.project, project), eq(vectorStores.id, id)))
        .returning({ id: vectorStores.id });
      if (!held) throw new NotFoundError(`No vector store found with id '${id.slice(0, 80)}'.`);
      await checkFiles(tx, project, added, now());
      if (batchId !== null)
        await tx
          .insert(vectorFileBatches)
          .values({ id: batchId, storeId: id, cancelled: false, createdAt: now() });
      const rows: StoredVectorFile[] = [];
      for (let at = 0; at < added.length; at += BATCH)
        rows.push(...(await insertFiles(tx, id, batchId, added.slice(at, at + BATCH), now())));
      return rows;
    });
  return {
    add: (added) => add(added, null),
    get: async (fileId) => shown(await rowOf(fileId)),
    async list({ status, batchId, ...query }) {
      await (batchId === undefined ? store() : batchOf(batchId));
      const only = and(
        eq(vectorFiles.storeId, id),
        status === undefined ? undefined : eq(vectorFiles.status, status),
        batchId === undefined ? undefined : eq(vectorFiles.batchId, batchId),
      );
      const { rows, hasMore } = await readPage(
        query,
        vectorFiles.sequence,
        async (fileId) => (await rowOf(fileId).catch(() => undefined))?.sequence,
        (where, order, limit) =>
          db.select().from(vectorFiles).where(and(only, where)).orderBy(order).limit(limit),
      );
      return { rows: rows.map(shown), hasMore };
    },
    async setAttributes(fileId, attributes) {
      await rowOf(fileId);
      const [row] = await db.update(vectorFiles).set({ attributes }).where(one(fileId)).returning();
      if (!row) throw missing(id, fileId);
      return shown(row);
    },
    async remove(fileId) {
      await rowOf(fileId);
      await db.delete(vectorFiles).where(one(fileId));
    },
    async texts(fileId) {
      await rowOf(fileId);
      const rows = await db
        .select({ text: vectorChunks.text })
        .from(vectorChunks)
        .where(and(eq(vectorChunks.storeId, id), eq(vectorChunks.fileId, fileId)))
        .orderBy(asc(vectorChunks.sequence));
      return rows.map(({ text }) => text);
    },
    async attributes() {
      const rows = await db
        .select({ fileId: vectorFiles.fileId, attributes: vectorFiles.attributes })
        .from(vectorFiles)
        .where(and(eq(vectorFiles.storeId, id), eq(vectorFiles.status, 'completed')));
      return new Map(rows.map((row) => [row.fileId, row.attributes]));
    },
    async addBatch(added) {
      const batchId = `vsfb_${randomUUID().replaceAll('-', '')}`;
      await add(added, batchId);
      return batchOf(batchId);
    },
    batch: batchOf,
    async cancelBatch(batchId) {
      await batchOf(batchId);
      await db.transaction(async (tx) => {
        const waiting = and(eq(vectorFiles.batchId, batchId), eq(vectorFiles.status, 'in_progress'));
        const stopped = await tx.update(vectorFiles).set({ status: 'cancelled' }).where(waiting).returning();
        if (stopped.length === 0) return;
        await tx.update(vectorFileBatches).set({ cancelled: true }).where(eq(vectorFileBatches.id, batchId));
      });
      return batchOf(batchId);
    },
  };
}

async function checkFiles(
  tx: Transaction,
  project: string,
  added: readonly NewVectorFile[],
  now: number,
): Promise<void> {
  const ids = added.map(({ fileId }) => fileId);
  const asked = ids.filter((id) => ITEM_ID.test(id));
  const rows =
    asked.length === 0
      ? []
      : await tx
          .select({ id: files.id })
          .from(files)
          .where(
            and(
              eq(files.project, project),
              inArray(files.id, asked),
              or(isNull(files.expiresAt), gt(files.expiresAt, now)),
            ),
          );
  const there = new Set(rows.map((row) => row.id));
  const lost = ids.find((id, i) => !there.has(id) || ids.indexOf(id) !== i);
  if (lost === undefined) return;
  const why = there.has(lost) ? 'is named twice' : 'is not there. Upload it first';
  throw new RequestError(`File '${lost.slice(0, 80)}' ${why}.`, 'file_id');
}

async function insertFiles(
  tx: Transaction,
  storeId: string,
  batchId: string | null,
  added: readonly NewVectorFile[],
  createdAt: number,
): Promise<StoredVectorFile[]> {
  const fresh = { status: 'in_progress', error: null, usageBytes: 0, claimedBy: null, claimedUntil: null };
  const rows = await tx
    .insert(vectorFiles)
    .values(added.map((file) => ({ ...file, ...fresh, storeId, batchId, createdAt })))
    .onConflictDoUpdate({
      target: [vectorFiles.storeId, vectorFiles.fileId],
      set: {
        ...fresh,
        batchId: sql`excluded.batch_id`,
        attributes: sql`excluded.attributes`,
        chunking: sql`excluded.chunking`,
        createdAt: sql`excluded.created_at`,
      },
    })
    .returning();
  return rows.map(shown);
}

function shown(row: Row): StoredVectorFile {
  const { sequence: _sequence, claimedBy: _by, claimedUntil: _until, batchId: _batch, ...file } = row;
  return file;
}

function missing(id: string, what: string): NotFoundError {
  return new NotFoundError(`Nothing with id '${what.slice(0, 80)}' found in vector store '${id}'.`);
}
