/** The audit log in the database: written at its end only, by any number of processes, and read in order. */

import { and, asc, desc, eq, getTableColumns, gt, gte, inArray, lt, sql } from 'drizzle-orm';
import type { AnyPgColumn } from 'drizzle-orm/pg-core';
import {
  chainEntry,
  GENESIS,
  verifyChain,
  type AuditEntry,
  type AuditHead,
  type AuditVerdict,
  type NewAuditEntry,
} from './audit-chain.ts';
import type { Database } from './database.ts';
import type { Queries } from './items.ts';
import type { Json } from './json.ts';
import { auditLog } from './schema.ts';

/** Held by who writes at the end; any number that no other lock here has. */
const AUDIT_LOCK = 7_266_532;
/** Entries per statement and per page. */
const BATCH = 500;

export interface AuditQuery {
  /** Entries after this one. Default: from the first. */
  readonly after?: number;
  /** Only of this project. */
  readonly project?: string;
  /** Only about what has this id. */
  readonly subject?: string;
}

/** What to list, newest first; each list of names means any of them. */
export interface AuditListQuery {
  readonly limit: number;
  /** Entries before this one. Default: from the last. */
  readonly before?: number;
  /** Entries after this one. */
  readonly after?: number;
  readonly projects?: readonly string[];
  readonly actors?: readonly string[];
  readonly subjects?: readonly string[];
  readonly actions?: readonly string[];
  /** Unix seconds; `to` is exclusive. */
  readonly from?: number;
  readonly to?: number;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  readonly hasMore: boolean;
}

export interface AuditLog {
  /**
   * Writes an entry at the end. Once resolved, a killed process has not lost it; entries asked for at once, by this
   * process or others, follow each other in some order.
   */
  append(entry: NewAuditEntry): Promise<AuditEntry>;
  /** The last entry's place and hash; noted elsewhere, it shows later whether the end was cut off. */
  head(): Promise<AuditHead>;
  /** Entries in order, read in pages. */
  read(query?: AuditQuery): AsyncGenerator<AuditEntry>;
  list(query: AuditListQuery): Promise<AuditPage>;
  /** @param expected a head noted earlier, which the log must hold */
  verify(expected?: AuditHead): Promise<AuditVerdict>;
}

interface Waiting {
  readonly entry: NewAuditEntry;
  readonly time: string;
  readonly resolve: (entry: AuditEntry) => void;
  readonly reject: (error: unknown) => void;
}

export function auditStore(db: Database, now = (): Date => new Date()): AuditLog {
  const waiting: Waiting[] = [];
  let writing = false;
  /** What came during a write goes together in the next: one transaction for many answers. */
  const write = async (): Promise<void> => {
    if (writing) return;
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH);
      try {
        const written = await appendAll(db, batch);
        batch.forEach(({ resolve }, i) => resolve(written[i]!));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    writing = false;
  };
  return {
    append: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ entry, time: now().toISOString(), resolve, reject });
        void write();
      }),
    head: () => headOf(db),
    read: (query) => read(db, query),
    list: (query) => list(db, query),
    verify: (expected) => verifyChain(read(db), expected),
  };
}

function appendAll(db: Database, batch: readonly Waiting[]): Promise<AuditEntry[]> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${AUDIT_LOCK})`);
    let head = await headOf(tx);
    const entries = batch.map(({ entry, time }) => {
      const next = chainEntry(head, time, entry);
      head = next;
      return next;
    });
    await tx.insert(auditLog).values(entries);
    return entries;
  });
}

async function headOf(db: Queries): Promise<AuditHead> {
  const [last] = await db
    .select({ sequence: auditLog.sequence, hash: auditLog.hash })
    .from(auditLog)
    .orderBy(desc(auditLog.sequence))
    .limit(1);
  return last ?? GENESIS;
}

const columns = {
  ...getTableColumns(auditLog),
  // Not through the column's own reading, which fails on what somebody has changed to something else than JSON.
  details: sql<string>`${auditLog.details}`,
};

async function* read(db: Database, query: AuditQuery = {}): AsyncGenerator<AuditEntry> {
  for (let after = query.after ?? 0; ;) {
    const rows = await db
      .select(columns)
      .from(auditLog)
      .where(
        and(
          gt(auditLog.sequence, after),
          query.project === undefined ? undefined : eq(auditLog.project, query.project),
          query.subject === undefined ? undefined : eq(auditLog.subject, query.subject),
        ),
      )
      .orderBy(asc(auditLog.sequence))
      .limit(BATCH);
    for (const row of rows) yield { ...row, details: parsed(row.details) };
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return;
    after = last.sequence;
  }
}

async function list(db: Database, query: AuditListQuery): Promise<AuditPage> {
  const { limit, before, after, from, to } = query;
  const among = (column: AnyPgColumn, names?: readonly string[]) => names && inArray(column, [...names]);
  const rows = await db
    .select(columns)
    .from(auditLog)
    .where(
      and(
        before === undefined ? undefined : lt(auditLog.sequence, before),
        after === undefined ? undefined : gt(auditLog.sequence, after),
        among(auditLog.project, query.projects),
        among(auditLog.actor, query.actors),
        among(auditLog.subject, query.subjects),
        among(auditLog.action, query.actions),
        from === undefined ? undefined : gte(auditLog.time, isoTime(from)),
        to === undefined ? undefined : lt(auditLog.time, isoTime(to)),
      ),
    )
    .orderBy(desc(auditLog.sequence))
    .limit(limit + 1);
  const entries = rows.slice(0, limit).map((row) => ({ ...row, details: parsed(row.details) }));
  return { entries, hasMore: rows.length > limit };
}

/** As entries have it, so that texts compare as times do. */
function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { unreadable: text };
  }
}
