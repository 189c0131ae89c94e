/** Tables as the migrations make them. A change here needs a migration beside it; a test compares the two. */

import {
  bigint,
  bigserial,
  boolean,
  customType,
  index,
  pgTable,
  text,
  uniqueIndex,
  type AnyPgColumn,
} from 'drizzle-orm/pg-core';
import type { Json } from './json.ts';

/**
 * JSON as its text: PostgreSQL's own types for it refuse NUL and lone surrogates, which people's text and models'
 * answers may hold and JSON writes in escapes.
 */
const json = customType<{ data: Json; driverData: string }>({
  dataType: () => 'text',
  toDriver: (value) => JSON.stringify(value),
  fromDriver: (value) => JSON.parse(value) as Json,
});

export const files = pgTable(
  'files',
  {
    id: text('id').primaryKey(),
    /** Id of the project that it belongs to; the others do not see it. */
    project: text('project').notNull(),
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
  (table) => [
    uniqueIndex('files_sequence').on(table.sequence),
    index('files_project').on(table.project, table.sequence),
    index('files_digest').on(table.digest),
  ],
);

export const conversations = pgTable('conversations', {
  id: text('id').primaryKey(),
  project: text('project').notNull(),
  /** Unix seconds. */
  createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  metadata: json('metadata').notNull(),
});

export const responses = pgTable(
  'responses',
  {
    id: text('id').primaryKey(),
    project: text('project').notNull(),
    status: text('status').notNull(),
    /** The object as the API shows it but for `status`, `error` and `output`, which change or lie in rows of their own. */
    body: json('body').notNull(),
    error: json('error'),
    /** The response that this one goes on from, which may be gone since. */
    previousId: text('previous_id'),
    /** The conversation that it went on from, and how far that was then, as a sequence of items. */
    conversationId: text('conversation_id'),
    conversationSequence: bigint('conversation_sequence', { mode: 'number' }),
    /** Which server computes it, while it is not done. */
    server: text('server').notNull(),
  },
  (table) => [index('responses_unfinished').on(table.server, table.status)],
);

/** What was said: each row belongs to one response or one conversation, and goes with it. */
export const items = pgTable(
  'items',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    id: text('id').notNull(),
    project: text('project').notNull(),
    responseId: text('response_id').references((): AnyPgColumn => responses.id, { onDelete: 'cascade' }),
    conversationId: text('conversation_id').references((): AnyPgColumn => conversations.id, {
      onDelete: 'cascade',
    }),
    /** What a response answered, as opposed to what it was asked; of a conversation always false. */
    output: boolean('output').notNull(),
    body: json('body').notNull(),
  },
  (table) => [
    uniqueIndex('items_response').on(table.responseId, table.id),
    uniqueIndex('items_conversation').on(table.conversationId, table.id),
    index('items_id').on(table.project, table.id),
  ],
);

/** Files that come in parts. */
export const uploads = pgTable(
  'uploads',
  {
    id: text('id').primaryKey(),
    project: text('project').notNull(),
    filename: text('filename').notNull(),
    purpose: text('purpose').notNull(),
    mimeType: text('mime_type').notNull(),
    /** Of the whole, as announced. */
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    status: text('status').notNull(),
    /** Unix seconds, as all times here. */
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
    expiresAt: bigint('expires_at', { mode: 'number' }).notNull(),
    /** Seconds that the file will have; null for one that stays. */
    fileExpiresAfter: bigint('file_expires_after', { mode: 'number' }),
    /** What came of it. */
    fileId: text('file_id'),
  },
  (table) => [index('uploads_expiry').on(table.status, table.expiresAt)],
);

export const uploadParts = pgTable(
  'upload_parts',
  {
    id: text('id').primaryKey(),
    uploadId: text('upload_id')
      .notNull()
      .references((): AnyPgColumn => uploads.id),
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
    digest: text('digest').notNull(),
    createdAt: bigint('created_at', { mode: 'number' }).notNull(),
  },
  (table) => [index('upload_parts_upload').on(table.uploadId), index('upload_parts_digest').on(table.digest)],
);

/** What happened, in the order in which it was written down. Rows are never changed: a trigger refuses it. */
export const auditLog = pgTable(
  'audit_log',
  {
    /** Counts from 1 without gaps. */
    sequence: bigint('sequence', { mode: 'number' }).primaryKey(),
    /** ISO 8601, UTC, milliseconds. */
    time: text('time').notNull(),
    action: text('action').notNull(),
    project: text('project').notNull(),
    /** Id of the key that asked; null where nobody's key did. */
    actor: text('actor'),
    /** Id of what it was done to. */
    subject: text('subject'),
    details: json('details').notNull(),
    /** Hash of the entry before, and of this one with it. SHA-256 in hex. */
    previous: text('previous').notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [index('audit_log_subject').on(table.subject)],
);

export { apiKeys, projects, usage } from './schema-access.ts';
