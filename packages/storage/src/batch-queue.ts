/**
 * Batches as those who work them off see them. A batch is claimed for a while by one server at a time; each answer is
 * kept by itself, so that work goes on where it stopped; the files are made in the transaction that ends the batch.
 */

import type { Readable } from 'node:stream';
import { and, asc, eq, gt, inArray, isNull, lt, notInArray, or, sql } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import type { Contents } from './contents.ts';
import type { Database } from './database.ts';
import { insertFile } from './files.ts';
import type { Json } from './json.ts';
import { batches, batchResults } from './schema.ts';
import type { StagedBlob } from './blobs.ts';

const UNFINISHED = ['validating', 'in_progress', 'finalizing', 'cancelling'];
/** Results read at a time while files are written. */
const PAGE = 500;

/** The statuses in which a batch may end, and when each did. */
const ENDS = { completed: 'completedAt', expired: 'expiredAt', cancelled: 'cancelledAt' } as const;
export type BatchEnd = keyof typeof ENDS;

export interface ClaimedBatch {
  readonly id: string;
  readonly project: string;
  readonly caller: Json;
  readonly status: string;
  readonly endpoint: string;
  readonly inputDigest: string;
  readonly expiresAt: number;
  /** Null for one whose input was not checked. */
  readonly inProgressAt: number | null;
}

export interface LineResult {
  /** From 1. */
  readonly line: number;
  readonly succeeded: boolean;
  /** The line of the output or error file. */
  readonly body: string;
  readonly usage?: {
    readonly input: number;
    readonly cached: number;
    readonly output: number;
    readonly reasoning: number;
  };
}

export interface BatchQueue {
  /**
   * Claims the oldest batch that nobody works on for so many seconds, or one that this server had before it stopped.
   * @param except ids that this process works on already
   */
  claim(seconds: number, except: readonly string[]): Promise<ClaimedBatch | undefined>;
  /** Keeps a claim. @returns the status; undefined when another server has it now */
  renew(id: string, seconds: number): Promise<string | undefined>;
  /** Gives a claim up, for anyone to take. */
  release(id: string): Promise<void>;
  input(digest: string): Promise<Readable>;
  /** The input is good. @returns false when the batch was cancelled meanwhile */
  begin(id: string, facts: { readonly model: string; readonly total: number }): Promise<boolean>;
  /** The input is not good: the batch has ended. */
  fail(id: string, errors: Json): Promise<void>;
  /** Lines that have their answer. */
  answered(id: string): Promise<Set<number>>;
  /** Keeps an answer, unless the line has one. @returns the batch's status */
  record(id: string, result: LineResult): Promise<string | undefined>;
  /** All lines have their answers: makes the files and ends the batch. */
  finish(id: string, end: BatchEnd): Promise<void>;
}

/**
 * @param server this server's name among those that share the database
 * @param now Unix seconds; tests move it
 */
export function batchQueue(
  db: Database,
  contents: Contents,
  server: string,
  now = (): number => Math.floor(Date.now() / 1000),
): BatchQueue {
  const mine = (id: string) => and(eq(batches.id, id), eq(batches.claimedBy, server));
  return {
    async claim(seconds, except) {
      const free = or(
        isNull(batches.claimedUntil),
        lt(batches.claimedUntil, now()),
        eq(batches.claimedBy, server),
      );
      const next = db
        .select({ id: batches.id })
        .from(batches)
        .where(
          and(
            inArray(batches.status, UNFINISHED),
            free,
            except.length > 0 ? notInArray(batches.id, [...except]) : undefined,
          ),
        )
        .orderBy(asc(batches.sequence))
        .limit(1)
        .for('update', { skipLocked: true });
      const [row] = await db
        .update(batches)
        .set({ claimedBy: server, claimedUntil: now() + seconds })
        .where(inArray(batches.id, next))
        .returning();
      return row && { ...row, inputDigest: row.inputDigest! };
    },
    async renew(id, seconds) {
      const [row] = await db
        .update(batches)
        .set({ claimedUntil: now() + seconds })
        .where(mine(id))
        .returning({ status: batches.status });
      return row?.status;
    },
    async release(id) {
      await db.update(batches).set({ claimedBy: null, claimedUntil: null }).where(mine(id));
    },
    input: (digest) => contents.read(digest),
    async begin(id, { model, total }) {
      const rows = await db
        .update(batches)
        .set({ status: 'in_progress', inProgressAt: now(), model, total })
        .where(and(mine(id), eq(batches.status, 'validating')))
        .returning({ id: batches.id });
      return rows.length > 0;
    },
    async fail(id, errors) {
      const digest = await digestOf(db, id);
      await db
        .update(batches)
        .set({ status: 'failed', failedAt: now(), errors, inputDigest: null, claimedUntil: null })
        .where(and(mine(id), eq(batches.status, 'validating')));
      if (digest) await contents.release([digest]);
    },
    async answered(id) {
      const rows = await db
        .select({ line: batchResults.line })
        .from(batchResults)
        .where(eq(batchResults.batchId, id));
      return new Set(rows.map(({ line }) => line));
    },
    record: (id, result) => record(db, id, result),
    finish: (id, end) => finish(db, contents, id, end, now()),
  };
}

function record(
  db: Database,
  id: string,
  { line, succeeded, body, usage }: LineResult,
): Promise<string | undefined> {
  return db.transaction(async (tx) => {
    const added = await tx
      .insert(batchResults)
      .values({ batchId: id, line, succeeded, body })
      .onConflictDoNothing()
      .returning({ line: batchResults.line });
    const n = added.length;
    const plus = (column: AnyPgColumn, by = 0) => sql`${column} + ${n * by}`;
    const [row] = await tx
      .update(batches)
      .set({
        completed: plus(batches.completed, succeeded ? 1 : 0),
        failed: plus(batches.failed, succeeded ? 0 : 1),
        inputTokens: plus(batches.inputTokens, usage?.input),
        cachedTokens: plus(batches.cachedTokens, usage?.cached),
        outputTokens: plus(batches.outputTokens, usage?.output),
        reasoningTokens: plus(batches.reasoningTokens, usage?.reasoning),
      })
      .where(eq(batches.id, id))
      .returning({ status: batches.status });
    return row?.status;
  });
}

async function finish(
  db: Database,
  contents: Contents,
  id: string,
  end: BatchEnd,
  now: number,
): Promise<void> {
  if (end === 'completed') {
    await db
      .update(batches)
      .set({ status: 'finalizing', finalizingAt: now })
      .where(and(eq(batches.id, id), eq(batches.status, 'in_progress')));
  }
  const files = await Promise.all([
    stageResults(db, contents, id, true),
    stageResults(db, contents, id, false),
  ]);
  try {
    const digest = await db.transaction(async (tx) => {
      const [batch] = await tx.select().from(batches).where(eq(batches.id, id)).for('update');
      if (!batch || !UNFINISHED.includes(batch.status)) return undefined;
      const { project, outputExpiresAfter: expiry } = batch;
      const make = async (staged: StagedBlob, kind: string): Promise<string | null> => {
        if (staged.bytes === 0) return null;
        const made = await insertFile(tx, contents, staged, {
          ...{ project, filename: `${id}_${kind}.jsonl`, purpose: 'batch_output', createdAt: now },
          ...(expiry === null ? {} : { expiresAfter: expiry }),
        });
        return made.id;
      };
      const [output, error] = files;
      await tx
        .update(batches)
        .set({
          status: end,
          [ENDS[end]]: now,
          outputFileId: await make(output, 'output'),
          errorFileId: await make(error, 'error'),
          inputDigest: null,
          claimedUntil: null,
        })
        .where(eq(batches.id, id));
      await tx.delete(batchResults).where(eq(batchResults.batchId, id));
      return batch.inputDigest;
    });
    if (digest) await contents.release([digest]);
  } finally {
    await Promise.all(files.map((staged) => staged.discard()));
  }
}

function stageResults(db: Database, contents: Contents, id: string, succeeded: boolean): Promise<StagedBlob> {
  return contents.stage(resultLines(db, id, succeeded), Infinity);
}

async function* resultLines(db: Database, id: string, succeeded: boolean): AsyncGenerator<Uint8Array> {
  for (let last = 0; ;) {
    const rows = await db
      .select({ line: batchResults.line, body: batchResults.body })
      .from(batchResults)
      .where(
        and(eq(batchResults.batchId, id), eq(batchResults.succeeded, succeeded), gt(batchResults.line, last)),
      )
      .orderBy(asc(batchResults.line))
      .limit(PAGE);
    if (rows.length === 0) return;
    yield Buffer.from(rows.map(({ body }) => `${body}\n`).join(''));
    last = rows.at(-1)!.line;
  }
}

async function digestOf(db: Database, id: string): Promise<string | null> {
  const [row] = await db.select({ digest: batches.inputDigest }).from(batches).where(eq(batches.id, id));
  return row?.digest ?? null;
}
