/**
 * Contents that rows of several tables name by their digest. A content is on the disk before its first row is
 * committed, and goes after its last: a crash in between leaves garbage, never a row without bytes.
 */

import { eq, sql } from 'drizzle-orm';
import type { AnyPgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { BlobStore, StagedBlob } from './blobs.ts';
import type { Database } from './database.ts';
import type { Transaction } from './items.ts';
import { batches, files, uploadParts } from './schema.ts';

/** Every column that names a content. */
const REFERENCES: readonly { readonly table: PgTable; readonly digest: AnyPgColumn }[] = [
  { table: files, digest: files.digest },
  { table: uploadParts, digest: uploadParts.digest },
  { table: batches, digest: batches.inputDigest },
];

export interface Contents extends Pick<BlobStore, 'stage' | 'read'> {
  /** Gives staged content its name; until the transaction ends, nobody takes it away. */
  hold(tx: Transaction, staged: StagedBlob): Promise<void>;
  /** Removes those contents that no row names; called after the rows' removal is committed. */
  release(digests: readonly string[]): Promise<void>;
}

export function contentStore(db: Database, blobs: BlobStore): Contents {
  return {
    stage: (content, limit) => blobs.stage(content, limit),
    read: (digest) => blobs.read(digest),
    async hold(tx, staged) {
      await lockDigest(tx, staged.digest);
      await staged.commit();
    },
    async release(digests) {
      for (const digest of new Set(digests)) {
        await db.transaction(async (tx) => {
          await lockDigest(tx, digest);
          if (!(await isNamed(tx, digest))) await blobs.remove(digest);
        });
      }
    },
  };
}

/** Where a removal meets an arrival of the same bytes, one waits for the other. */
async function lockDigest(tx: Transaction, digest: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${digest}, 0))`);
}

async function isNamed(tx: Transaction, digest: string): Promise<boolean> {
  for (const { table, digest: column } of REFERENCES) {
    const rows = await tx
      .select({ one: sql<number>`1` })
      .from(table)
      .where(eq(column, digest))
      .limit(1);
    if (rows.length > 0) return true;
  }
  return false;
}
