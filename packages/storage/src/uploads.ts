/** Uploads: files that come in parts. What is complete becomes a file; what is not goes when its time is over. */

import { createHash, randomUUID } from 'node:crypto';
import { NotFoundError, RequestError } from '@steelyard/core';
import { and, eq, inArray, lte, sum } from 'drizzle-orm';
import type { StagedBlob } from './blobs.ts';
import type { Contents } from './contents.ts';
import type { Database } from './database.ts';
import { insertFile, type StoredFile } from './files.ts';
import { uploadParts, uploads } from './schema.ts';

/** Seconds that the parts have to come, as OpenAI has it. */
const LIFETIME = 3_600;
/** Seconds that an upload which has ended is still known for. */
const REMEMBERED = 24 * 3_600;
/** Bytes of parts, as a multiple of what was announced: parts whose answer was lost come twice. */
const SLACK = 2;

const ID = /^upload_[0-9a-f]{32}$/;
const PART_ID = /^part_[0-9a-f]{32}$/;

type Row = typeof uploads.$inferSelect;

export interface StoredUpload extends Omit<Row, 'project' | 'fileId' | 'fileExpiresAfter'> {
  /** What came of it, once it is complete. */
  readonly file?: StoredFile;
}

export type StoredPart = Omit<typeof uploadParts.$inferSelect, 'digest'>;

export interface NewUpload {
  readonly filename: string;
  readonly purpose: string;
  readonly mimeType: string;
  /** Of the whole file. */
  readonly bytes: number;
  /** Seconds until the file goes that comes of it. Default: it stays. */
  readonly fileExpiresAfter?: number;
}

export interface UploadCompletion {
  /** Ids in the order of their contents. */
  readonly parts: readonly string[];
  /** In hex; not checked when absent. */
  readonly md5?: string;
}

/** The uploads of one project. Once a write resolves, a killed process has not lost it. */
export interface UploadStore {
  create(upload: NewUpload): Promise<StoredUpload>;
  /** Takes in a part's content; the caller discards it in the end. @throws CapacityError above `limit` bytes */
  stage(content: AsyncIterable<Uint8Array>, limit: number): Promise<StagedBlob>;
  /** @throws NotFoundError; RequestError when it takes no more */
  addPart(id: string, staged: StagedBlob): Promise<StoredPart>;
  /** Makes the file. @throws NotFoundError; RequestError when parts, size or sum are not as told */
  complete(id: string, completion: UploadCompletion): Promise<StoredUpload>;
  /** @throws NotFoundError; RequestError when it has ended */
  cancel(id: string): Promise<StoredUpload>;
}

/** @param now Unix seconds; tests move it */
export function uploadStore(
  db: Database,
  contents: Contents,
  project: string,
  now = (): number => Math.floor(Date.now() / 1000),
): UploadStore {
  const pending = async (id: string): Promise<Row> => {
    const own = and(eq(uploads.id, id), eq(uploads.project, project));
    const [row] = ID.test(id) ? await db.select().from(uploads).where(own) : [];
    if (!row)
      throw new NotFoundError(`No upload '${id.slice(0, 80)}' here. Create one with POST /v1/uploads.`);
    const { status } = row;
    if (status !== 'pending') throw ended(id, status);
    if (row.expiresAt <= now()) throw ended(id, 'expired');
    return row;
  };
  return {
    async create({ filename, purpose, mimeType, bytes, fileExpiresAfter = null }) {
      const createdAt = now();
      const row: Row = {
        id: `upload_${randomUUID().replaceAll('-', '')}`,
        project,
        ...{ filename, purpose, mimeType, bytes, fileExpiresAfter },
        status: 'pending',
        createdAt,
        expiresAt: createdAt + LIFETIME,
        fileId: null,
      };
      await db.insert(uploads).values(row);
      return shown(row);
    },
    stage: (content, limit) => contents.stage(content, limit),
    async addPart(id, staged) {
      const { bytes } = await pending(id);
      return db.transaction(async (tx) => {
        await contents.hold(tx, staged);
        // The upload's row is held too: it must not end while its part comes, nor take parts beyond count.
        const [open] = await tx
          .select({ status: uploads.status })
          .from(uploads)
          .where(eq(uploads.id, id))
          .for('update');
        if (open?.status !== 'pending') throw ended(id, open?.status ?? 'expired');
        const [{ held } = { held: null }] = await tx
          .select({ held: sum(uploadParts.bytes) })
          .from(uploadParts)
          .where(eq(uploadParts.uploadId, id));
        if (Number(held ?? 0) + staged.bytes > SLACK * bytes) throw tooMuch(id, bytes);
        const part = {
          id: `part_${randomUUID().replaceAll('-', '')}`,
          uploadId: id,
          bytes: staged.bytes,
          createdAt: now(),
        };
        await tx.insert(uploadParts).values({ ...part, digest: staged.digest });
        return part;
      });
    },
    async complete(id, completion) {
      const upload = await pending(id);
      const parts = await partsInOrder(db, id, completion.parts);
      checkSize(upload, parts);
      const sumOf = createHash('md5');
      const staged = await contents.stage(joined(contents, parts, sumOf), upload.bytes);
      try {
        checkSum(sumOf.digest('hex'), completion.md5);
        const { file, row } = await db.transaction(async (tx) => {
          const [held] = await tx
            .update(uploads)
            .set({ status: 'completed' })
            .where(and(eq(uploads.id, id), eq(uploads.status, 'pending')))
            .returning();
          if (!held) throw ended(id, 'completed or cancelled');
          const { filename, purpose, fileExpiresAfter } = held;
          const made = await insertFile(tx, contents, staged, {
            ...{ project, filename, purpose, createdAt: now() },
            ...(fileExpiresAfter === null ? {} : { expiresAfter: fileExpiresAfter }),
          });
          await tx.update(uploads).set({ fileId: made.id }).where(eq(uploads.id, id));
          return { file: made, row: held };
        });
        await dropParts(db, contents, [id]);
        return { ...shown(row), file };
      } finally {
        await staged.discard();
      }
    },
    async cancel(id) {
      await pending(id);
      const [row] = await db
        .update(uploads)
        .set({ status: 'cancelled' })
        .where(and(eq(uploads.id, id), eq(uploads.status, 'pending')))
        .returning();
      if (!row) throw ended(id, 'completed or cancelled');
      await dropParts(db, contents, [id]);
      return shown(row);
    },
  };
}

/**
 * Ends the uploads of all projects whose time is over, drops the parts that a killed process left behind, and forgets
 * what ended long ago.
 */
export async function sweepUploads(db: Database, contents: Contents, now: number): Promise<void> {
  const late = and(eq(uploads.status, 'pending'), lte(uploads.expiresAt, now));
  await db.update(uploads).set({ status: 'expired' }).where(late);
  const left = await db
    .selectDistinct({ id: uploads.id })
    .from(uploads)
    .innerJoin(uploadParts, eq(uploadParts.uploadId, uploads.id))
    .where(inArray(uploads.status, ['completed', 'cancelled', 'expired']));
  await dropParts(
    db,
    contents,
    left.map(({ id }) => id),
  );
  await db
    .delete(uploads)
    .where(
      and(
        lte(uploads.expiresAt, now - REMEMBERED),
        inArray(uploads.status, ['completed', 'cancelled', 'expired']),
      ),
    );
}

async function dropParts(db: Database, contents: Contents, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const gone = await db
    .delete(uploadParts)
    .where(inArray(uploadParts.uploadId, [...ids]))
    .returning({ digest: uploadParts.digest });
  await contents.release(gone.map(({ digest }) => digest));
}

interface Part {
  readonly id: string;
  readonly digest: string;
  readonly bytes: number;
}

async function partsInOrder(db: Database, id: string, wanted: readonly string[]): Promise<Part[]> {
  const rows = await db.select().from(uploadParts).where(eq(uploadParts.uploadId, id));
  const known = new Map(rows.map((row) => [row.id, row]));
  return wanted.map((part, i) => {
    const found = PART_ID.test(part) ? known.get(part) : undefined;
    if (!found || wanted.indexOf(part) !== i) {
      const why = found ? 'it is there twice' : `upload '${id}' has no such part`;
      throw new RequestError(
        `Invalid 'part_ids[${i}]': got '${part.slice(0, 80)}', but ${why}. Name each part of this upload once.`,
        `part_ids[${i}]`,
      );
    }
    return found;
  });
}

function checkSize({ bytes }: Row, parts: readonly Part[]): void {
  const got = parts.reduce((all, part) => all + part.bytes, 0);
  if (got === bytes) return;
  throw new RequestError(
    `The parts have ${got} bytes, but ${bytes} were announced when the upload was created. Send what is missing, or begin anew.`,
    'part_ids',
  );
}

function checkSum(got: string, told: string | undefined): void {
  if (told === undefined || told.toLowerCase() === got) return;
  throw new RequestError(
    `The parts' MD5 is ${got}, but '${told.slice(0, 80)}' was told. A part is damaged, or the order is another.`,
    'md5',
  );
}

async function* joined(
  contents: Contents,
  parts: readonly Part[],
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Uint8Array> {
  for (const { digest } of parts) {
    for await (const chunk of await contents.read(digest)) {
      hash.update(chunk as Uint8Array);
      yield chunk as Uint8Array;
    }
  }
}

function shown({ id, filename, purpose, mimeType, bytes, status, createdAt, expiresAt }: Row): StoredUpload {
  return { id, filename, purpose, mimeType, bytes, status, createdAt, expiresAt };
}

function ended(id: string, status: string): RequestError {
  return new RequestError(`Upload '${id}' is ${status}: it takes no more. Create another.`, 'upload_id');
}

function tooMuch(id: string, bytes: number): RequestError {
  return new RequestError(
    `Upload '${id}' was announced with ${bytes} bytes, and its parts have far more. Complete or cancel it.`,
    'data',
  );
}
