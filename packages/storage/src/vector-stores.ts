/** Vector stores as their owners see them: the stores themselves. Their files and the search are beside. */

import { randomUUID } from 'node:crypto';
import { NotFoundError } from '@steelyard/core';
import { and, eq, sql } from 'drizzle-orm';
import type { Database } from './database.ts';
import { countsOf, type FileCounts } from './file-counts.ts';
import { ITEM_ID } from './items.ts';
import type { Json } from './json.ts';
import { readPage, type Page, type PageQuery } from './page.ts';
import { vectorFiles, vectorStores } from './schema.ts';
import { vectorFileStore, type VectorFileStore } from './vector-files.ts';
import { searchChunks, type FoundChunk, type VectorQuery } from './vector-search.ts';

const DAY = 24 * 3_600;

export interface StoredVectorStore {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly metadata: Json;
  /** Name of the model that makes its vectors. */
  readonly model: string;
  readonly expiresDays: number | null;
  readonly createdAt: number;
  readonly lastActiveAt: number;
  /** Null for one that stays. */
  readonly expiresAt: number | null;
  readonly isExpired: boolean;
  readonly usageBytes: number;
  readonly fileCounts: FileCounts;
}

export interface NewVectorStore {
  readonly name: string;
  readonly description: string | null;
  readonly metadata: Json;
  readonly model: string;
  readonly expiresDays: number | null;
}

/** The vector stores of one project. Once a write resolves, a killed process has not lost it. */
export interface VectorStoreStore {
  create(store: NewVectorStore): Promise<StoredVectorStore>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredVectorStore>;
  /** @throws RequestError for an unknown `after` or `before` */
  list(query: PageQuery): Promise<Page<StoredVectorStore>>;
  /** @throws NotFoundError */
  update(
    id: string,
    change: Partial<Pick<NewVectorStore, 'name' | 'metadata' | 'expiresDays'>>,
  ): Promise<StoredVectorStore>;
  /** The store and what was read into it; the files stay. @throws NotFoundError */
  remove(id: string): Promise<void>;
  /** The files of one store, which may not be there: then nothing is found in it. */
  files(id: string): VectorFileStore;
  /** Pieces of texts that fit a query best, best first. The store counts as used. @throws NotFoundError */
  search(id: string, query: VectorQuery): Promise<readonly FoundChunk[]>;
}

type Row = typeof vectorStores.$inferSelect;

/**
 * @param pgvectorSchema where pgvector lies, if the database has it
 * @param now Unix seconds; tests move it
 */
export function vectorStoreStore(
  db: Database,
  project: string,
  pgvectorSchema: string | undefined,
  now = (): number => Math.floor(Date.now() / 1000),
): VectorStoreStore {
  const own = eq(vectorStores.project, project);
  const one = (id: string) => {
    if (!ITEM_ID.test(id)) throw missing(id);
    return and(own, eq(vectorStores.id, id));
  };
  const rowOf = async (id: string): Promise<Row> => {
    const [row] = await db.select().from(vectorStores).where(one(id));
    if (!row) throw missing(id);
    return row;
  };
  const full = async (row: Row): Promise<StoredVectorStore> => ({
    ...toStored(row, now()),
    ...(await filesOf(db, row.id)),
  });
  const change = async (id: string, set: Partial<Row>): Promise<Row> => {
    const [row] = await db.update(vectorStores).set(set).where(one(id)).returning();
    if (!row) throw missing(id);
    return row;
  };
  return {
    async create(store) {
      const time = now();
      const [row] = await db
        .insert(vectorStores)
        .values({ ...store, id: newId(), project, createdAt: time, lastActiveAt: time })
        .returning();
      return full(row!);
    },
    get: async (id) => full(await rowOf(id)),
    async list(query) {
      const { rows, hasMore } = await readPage(
        query,
        vectorStores.sequence,
        async (id) => (await rowOf(id).catch(() => undefined))?.sequence,
        (where, order, limit) =>
          db.select().from(vectorStores).where(and(own, where)).orderBy(order).limit(limit),
      );
      return { rows: await Promise.all(rows.map(full)), hasMore };
    },
    update: async (id, wanted) => full(await change(id, { ...wanted, lastActiveAt: now() })),
    async remove(id) {
      const rows = await db.delete(vectorStores).where(one(id)).returning({ id: vectorStores.id });
      if (rows.length === 0) throw missing(id);
    },
    files: (id) => vectorFileStore(db, { project, id, now, store: () => rowOf(id) }),
    async search(id, query) {
      await change(id, { lastActiveAt: now() });
      return searchChunks(db, id, query, pgvectorSchema);
    },
  };
}

/** Drops what was read into stores past their time, of all projects; they are still shown, as expired. */
export async function sweepVectorStores(db: Database, now: number): Promise<void> {
  const late = sql`${vectorStores.lastActiveAt} + ${vectorStores.expiresDays} * ${DAY} <= ${now}`;
  const expired = db.select({ id: vectorStores.id }).from(vectorStores).where(late);
  await db.delete(vectorFiles).where(sql`${vectorFiles.storeId} in ${expired}`);
}

function newId(): string {
  return `vs_${randomUUID().replaceAll('-', '')}`;
}

function toStored(row: Row, now: number): Omit<StoredVectorStore, 'fileCounts' | 'usageBytes'> {
  const { id, name, description, metadata, model, expiresDays, createdAt, lastActiveAt } = row;
  const expiresAt = expiresDays === null ? null : lastActiveAt + expiresDays * DAY;
  return {
    ...{ id, name, description, metadata, model, expiresDays, createdAt, lastActiveAt, expiresAt },
    isExpired: expiresAt !== null && expiresAt <= now,
  };
}

async function filesOf(
  db: Database,
  id: string,
): Promise<Pick<StoredVectorStore, 'fileCounts' | 'usageBytes'>> {
  const rows = await db
    .select({
      status: vectorFiles.status,
      files: sql<string>`count(*)`,
      bytes: sql<string>`sum(${vectorFiles.usageBytes})`,
    })
    .from(vectorFiles)
    .where(eq(vectorFiles.storeId, id))
    .groupBy(vectorFiles.status);
  return {
    fileCounts: countsOf(rows),
    usageBytes: rows.reduce((all, { bytes }) => all + Number(bytes), 0),
  };
}

function missing(id: string): NotFoundError {
  return new NotFoundError(`No vector store found with id '${id.slice(0, 80)}'.`);
}
