/** Files: rows that name contents. Several rows may name one content, which goes with the last of them. */

import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { NotFoundError, RequestError } from '@steelyard/core';
import { and, asc, desc, eq, gt, isNull, lt, lte, or, type SQL } from 'drizzle-orm';
import type { StagedBlob } from './blobs.ts';
import type { Contents } from './contents.ts';
import type { Database } from './database.ts';
import type { Transaction } from './items.ts';
import { files } from './schema.ts';

export type StoredFile = Omit<typeof files.$inferSelect, 'sequence' | 'digest' | 'project'>;

export interface NewFile {
  readonly filename: string;
  readonly purpose: string;
  /** Seconds until the file goes. Default: it stays. */
  readonly expiresAfter?: number;
}

export interface ListQuery {
  /** Entries at most. */
  readonly limit: number;
  /** By time of arrival. */
  readonly order: 'asc' | 'desc';
  /** Id of the entry before the first one wanted. */
  readonly after?: string;
  readonly purpose?: string;
}

export interface FileStore {
  /**
   * Takes in content before its name is known, as uploads bring it; the caller discards it in the end, created or not.
   * @throws CapacityError when the content exceeds `limit` bytes
   */
  stage(content: AsyncIterable<Uint8Array>, limit: number): Promise<StagedBlob>;
  /** Makes a file of staged content. Once resolved, a killed process has not lost it. */
  create(staged: StagedBlob, file: NewFile): Promise<StoredFile>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredFile>;
  /** @throws NotFoundError */
  content(id: string): Promise<Readable>;
  /** @throws RequestError when `after` names no file */
  list(query: ListQuery): Promise<{ readonly files: readonly StoredFile[]; readonly hasMore: boolean }>;
  /** @throws NotFoundError */
  remove(id: string): Promise<void>;
}

/** Other text is not asked for: PostgreSQL takes no NUL. */
const ID = /^file-[0-9a-f]{32}$/;

const shown = {
  id: files.id,
  filename: files.filename,
  purpose: files.purpose,
  bytes: files.bytes,
  createdAt: files.createdAt,
  expiresAt: files.expiresAt,
};

const unixSeconds = (): number => Math.floor(Date.now() / 1000);

/**
 * The files of one project; contents are shared by all.
 * @param now Unix seconds; tests move it
 */
export function fileStore(db: Database, contents: Contents, project: string, now = unixSeconds): FileStore {
  const own = eq(files.project, project);
  const alive = (): SQL | undefined => or(isNull(files.expiresAt), gt(files.expiresAt, now()));
  const find = async (id: string) => {
    const [row] = ID.test(id)
      ? await db
          .select()
          .from(files)
          .where(and(own, eq(files.id, id), alive()))
      : [];
    if (!row)
      throw new NotFoundError(`No file '${id.slice(0, 80)}' here. GET /v1/files lists those that are.`);
    return row;
  };
  return {
    stage: (content, limit) => contents.stage(content, limit),
    create: (staged, file) =>
      db.transaction((tx) => insertFile(tx, contents, staged, { ...file, project, createdAt: now() })),
    get: async (id) => withoutInternals(await find(id)),
    content: async (id) => contents.read((await find(id)).digest),
    async list({ limit, order, after, purpose }) {
      const from =
        after === undefined ? undefined : await sequenceOf(db, and(own, eq(files.id, after)), after);
      const beyond = order === 'asc' ? gt : lt;
      const rows = await db
        .select(shown)
        .from(files)
        .where(
          and(
            own,
            alive(),
            purpose === undefined ? undefined : eq(files.purpose, purpose),
            from === undefined ? undefined : beyond(files.sequence, from),
          ),
        )
        .orderBy(order === 'asc' ? asc(files.sequence) : desc(files.sequence))
        .limit(limit + 1);
      return { files: rows.slice(0, limit), hasMore: rows.length > limit };
    },
    async remove(id) {
      await removeRow(db, contents, await find(id));
    },
  };
}

/** Removes files past their time, of every project. @returns how many */
export async function sweepFiles(db: Database, contents: Contents, now: number): Promise<number> {
  const gone = await db.select().from(files).where(lte(files.expiresAt, now));
  for (const row of gone) await removeRow(db, contents, row);
  return gone.length;
}

async function removeRow(
  db: Database,
  contents: Contents,
  { id, digest }: { readonly id: string; readonly digest: string },
): Promise<void> {
  await db.delete(files).where(eq(files.id, id));
  await contents.release([digest]);
}

/** Makes a file of staged content within a transaction of other writes. */
export async function insertFile(
  tx: Transaction,
  contents: Contents,
  staged: StagedBlob,
  file: NewFile & { readonly project: string; readonly createdAt: number },
): Promise<StoredFile> {
  await contents.hold(tx, staged);
  const { project, filename, purpose, createdAt, expiresAfter } = file;
  const row: typeof files.$inferInsert = {
    id: `file-${randomUUID().replaceAll('-', '')}`,
    ...{ project, filename, purpose, createdAt },
    bytes: staged.bytes,
    digest: staged.digest,
    expiresAt: expiresAfter === undefined ? null : createdAt + expiresAfter,
  };
  const [stored] = await tx.insert(files).values(row).returning();
  return withoutInternals(stored!);
}

async function sequenceOf(db: Database, only: SQL | undefined, id: string): Promise<number> {
  const [row] = ID.test(id) ? await db.select({ sequence: files.sequence }).from(files).where(only) : [];
  if (!row)
    throw new RequestError(`Invalid 'after': got '${id.slice(0, 80)}', expected the id of a file.`, 'after');
  return row.sequence;
}

function withoutInternals(row: typeof files.$inferSelect): StoredFile {
  const { id, filename, purpose, bytes, createdAt, expiresAt } = row;
  return { id, filename, purpose, bytes, createdAt, expiresAt };
}
