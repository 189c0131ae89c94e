/** Batches as their owners see them. How they are worked off is the queue's business. */

import { randomUUID } from 'node:crypto';
import { NotFoundError, RequestError } from '@steelyard/core';
import { and, desc, eq, gt, inArray, isNull, lt, or } from 'drizzle-orm';
import type { Database } from './database.ts';
import type { Json } from './json.ts';
import { batches, files } from './schema.ts';

/** Statuses that can still be cancelled. */
const CANCELLABLE = ['validating', 'in_progress'];
const ID = /^batch_[0-9a-f]{32}$/;

export type BatchRow = typeof batches.$inferSelect;
export type StoredBatch = Omit<
  BatchRow,
  'project' | 'caller' | 'sequence' | 'inputDigest' | 'claimedBy' | 'claimedUntil'
>;

export interface NewBatch {
  /** Who asks, to be handed to those who work it off. */
  readonly caller: Json;
  readonly endpoint: string;
  readonly inputFileId: string;
  readonly completionWindow: string;
  /** Seconds from now until it expires. */
  readonly windowSeconds: number;
  readonly metadata?: Json | null;
  readonly outputExpiresAfter?: number;
}

export interface BatchQuery {
  /** Entries at most. */
  readonly limit: number;
  /** Id of the entry before the first one wanted. */
  readonly after?: string;
}

/** The batches of one project. Once a write resolves, a killed process has not lost it. */
export interface BatchStore {
  /** @throws RequestError for an input that is no file of purpose `batch` or larger than `maxBytes` */
  create(batch: NewBatch, maxBytes: number): Promise<StoredBatch>;
  /** @throws NotFoundError */
  get(id: string): Promise<StoredBatch>;
  /** Newest first. @throws RequestError when `after` names no batch */
  list(query: BatchQuery): Promise<{ readonly batches: readonly StoredBatch[]; readonly hasMore: boolean }>;
  /** @returns the batch, `cancelling` if it could still be cancelled. @throws NotFoundError */
  cancel(id: string): Promise<StoredBatch>;
}

/** @param now Unix seconds; tests move it */
export function batchStore(
  db: Database,
  project: string,
  now = (): number => Math.floor(Date.now() / 1000),
): BatchStore {
  const own = (id: string) => and(eq(batches.project, project), eq(batches.id, id));
  const rowOf = async (id: string): Promise<BatchRow> => {
    const [row] = ID.test(id) ? await db.select().from(batches).where(own(id)) : [];
    if (!row) throw new NotFoundError(`No batch found with id '${id.slice(0, 80)}'.`);
    return row;
  };
  return {
    create: (batch, maxBytes) =>
      db.transaction(async (tx) => {
        const { endpoint, inputFileId, completionWindow, windowSeconds } = batch;
        const createdAt = now();
        const alive = or(isNull(files.expiresAt), gt(files.expiresAt, createdAt));
        // Held until the batch names its content too, so that it cannot go in between.
        const [file] = /^[\w-]{1,128}$/.test(inputFileId)
          ? await tx
              .select({ digest: files.digest, purpose: files.purpose, bytes: files.bytes })
              .from(files)
              .where(and(eq(files.project, project), eq(files.id, inputFileId), alive))
              .for('key share')
          : [];
        checkInput(inputFileId, file, maxBytes);
        const [row] = await tx
          .insert(batches)
          .values({
            id: `batch_${randomUUID().replaceAll('-', '')}`,
            project,
            caller: batch.caller,
            status: 'validating',
            ...{ endpoint, inputFileId, completionWindow, createdAt },
            inputDigest: file.digest,
            metadata: batch.metadata ?? null,
            outputExpiresAfter: batch.outputExpiresAfter ?? null,
            expiresAt: createdAt + windowSeconds,
          })
          .returning();
        return shown(row!);
      }),
    get: async (id) => shown(await rowOf(id)),
    async list({ limit, after }) {
      const from = after === undefined ? undefined : await rowOf(after).catch(() => undefined);
      if (after !== undefined && !from) {
        throw new RequestError(
          `Invalid 'after': got '${after.slice(0, 80)}', expected the id of a batch.`,
          'after',
        );
      }
      const rows = await db
        .select()
        .from(batches)
        .where(and(eq(batches.project, project), from ? lt(batches.sequence, from.sequence) : undefined))
        .orderBy(desc(batches.sequence))
        .limit(limit + 1);
      return { batches: rows.slice(0, limit).map(shown), hasMore: rows.length > limit };
    },
    async cancel(id) {
      await db
        .update(batches)
        .set({ status: 'cancelling', cancellingAt: now() })
        .where(and(own(id), inArray(batches.status, CANCELLABLE)));
      return shown(await rowOf(id));
    },
  };
}

function checkInput(
  id: string,
  file: { readonly purpose: string; readonly bytes: number } | undefined,
  maxBytes: number,
): asserts file {
  const bad = (message: string) => new RequestError(message, 'input_file_id');
  if (!file) throw bad(`Invalid 'input_file_id': there is no file '${id.slice(0, 80)}'. Upload one first.`);
  if (file.purpose !== 'batch') {
    throw bad(
      `File '${id}' has the purpose '${file.purpose}', expected 'batch'. Upload it with that purpose.`,
    );
  }
  if (file.bytes > maxBytes) {
    throw bad(
      `File '${id}' has ${file.bytes} bytes, expected at most ${maxBytes}. Split it into several batches.`,
    );
  }
}

function shown(row: BatchRow): StoredBatch {
  const { project: _project, caller: _caller, sequence: _sequence, inputDigest: _digest, ...rest } = row;
  const { claimedBy: _by, claimedUntil: _until, ...batch } = rest;
  return batch;
}
