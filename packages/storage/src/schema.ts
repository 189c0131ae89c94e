/** Tables as the migrations make them. A change here needs a migration beside it; a test compares the two. */

import { bigint, bigserial, index, pgTable, text, uniqueIndex } from 'drizzle-orm/pg-core';

export const files = pgTable(
  'files',
  {
    id: text('id').primaryKey(),
    filename: text('filename').notNull(),
    purpose: text('purpose').notNull(),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    /** SHA-256 in hex of the content, which is its name among the blobs. */
    digest: text('digest').notNull(),
    /** Unix seconds. */
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    /** Unix seconds; null for files that stay. */
    expiresAt: bigint('expires_at', { mode: 'number' }),
    /** Order of arrival: several files may come in one second, and pages of a list must not skip any. */
    sequence: bigserial('sequence', { mode: 'number' }).notNull(),
  },
  (table) => [uniqueIndex('files_sequence').on(table.sequence), index('files_digest').on(table.digest)],
);
