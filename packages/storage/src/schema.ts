/** Tables as the migrations make them. A change here needs a migration beside it; a test compares the two. */

import { sql } from 'drizzle-orm';
import {
  bigint,
  bigserial,
  boolean,
  customType,
  index,
  pgTable,
  primaryKey,
  real,
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
    /** The response that this one goes on from; what earlier versions deleted of these is gone. */
    previousId: text('previous_id'),
    /** The conversation that it went on from, and how far that was then, as a sequence of items. */
    conversationId: text('conversation_id'),
    conversationSequence: bigint('conversation_sequence', { mode: 'number' }),
    /** Which server computes it, while it is not done. */
    server: text('server').notNull(),
  },
  (table) => [
    index('responses_unfinished').on(table.server, table.status),
    index('responses_previous').on(table.project, table.previousId),
  ],
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
const seconds = (name: string) => bigint(name, { mode: 'number' });
const counter = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0);

/** Requests that are worked off in the background, one per line of a file. */
export const batches = pgTable(
  'batches',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    id: text('id').notNull(),
    project: text('project').notNull(),
    /** Who asked, and may do what: lines are answered as if they asked now. */
    caller: json('caller').notNull(),
    status: text('status').notNull(),
    endpoint: text('endpoint').notNull(),
    inputFileId: text('input_file_id').notNull(),
    /** The content of the input, kept until the batch has ended even if its file goes. */
    inputDigest: text('input_digest'),
    completionWindow: text('completion_window').notNull(),
    metadata: json('metadata'),
    /** Seconds that the files will have that come of it; null for files that stay. */
    outputExpiresAfter: seconds('output_expires_after'),
    model: text('model'),
    errors: json('errors'),
    outputFileId: text('output_file_id'),
    errorFileId: text('error_file_id'),
    createdAt: seconds('created_at').notNull(),
    expiresAt: seconds('expires_at').notNull(),
    inProgressAt: seconds('in_progress_at'),
    finalizingAt: seconds('finalizing_at'),
    completedAt: seconds('completed_at'),
    failedAt: seconds('failed_at'),
    expiredAt: seconds('expired_at'),
    cancellingAt: seconds('cancelling_at'),
    cancelledAt: seconds('cancelled_at'),
    total: counter('total'),
    completed: counter('completed'),
    failed: counter('failed'),
    inputTokens: counter('input_tokens'),
    cachedTokens: counter('cached_tokens'),
    outputTokens: counter('output_tokens'),
    reasoningTokens: counter('reasoning_tokens'),
    /** The server that works on it, and until when the others leave it alone. */
    claimedBy: text('claimed_by'),
    claimedUntil: seconds('claimed_until'),
  },
  (table) => [
    uniqueIndex('batches_id').on(table.id),
    index('batches_project').on(table.project, table.sequence),
    index('batches_digest').on(table.inputDigest),
  ],
);

/** Answers to lines of a batch, until they are written to its files. */
export const batchResults = pgTable(
  'batch_results',
  {
    batchId: text('batch_id')
      .notNull()
      .references((): AnyPgColumn => batches.id, { onDelete: 'cascade' }),
    /** From 1. */
    line: bigint('line', { mode: 'number' }).notNull(),
    succeeded: boolean('succeeded').notNull(),
    /** The line of the output or error file. */
    body: text('body').notNull(),
  },
  (table) => [primaryKey({ columns: [table.batchId, table.line] })],
);

/** Chat completions that were made to be kept. */
export const chatCompletions = pgTable(
  'chat_completions',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    id: text('id').notNull(),
    project: text('project').notNull(),
    model: text('model').notNull(),
    metadata: json('metadata').notNull(),
    /** The metadata once more, each pair as the JSON text of an array, to be looked for. */
    metadataPairs: text('metadata_pairs').array().notNull(),
    /** The object as the API shows it but for `metadata`. */
    body: json('body').notNull(),
    /** What was asked: `{ data: [...] }`. */
    messages: json('messages').notNull(),
  },
  (table) => [
    uniqueIndex('chat_completions_id').on(table.id),
    index('chat_completions_project').on(table.project, table.sequence),
    index('chat_completions_metadata').using('gin', table.metadataPairs),
  ],
);

/** Texts of files, found again by meaning and by words. */
export const vectorStores = pgTable(
  'vector_stores',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    id: text('id').notNull(),
    project: text('project').notNull(),
    name: text('name').notNull(),
    description: text('description'),
    metadata: json('metadata').notNull(),
    /** Name of the model that makes the vectors of its texts and of queries. */
    model: text('model').notNull(),
    /** Days without use after which it expires; null for one that stays. */
    expiresDays: seconds('expires_days'),
    createdAt: seconds('created_at').notNull(),
    lastActiveAt: seconds('last_active_at').notNull(),
  },
  (table) => [
    uniqueIndex('vector_stores_id').on(table.id),
    index('vector_stores_project').on(table.project, table.sequence),
  ],
);

const inStore = () =>
  text('store_id')
    .notNull()
    .references((): AnyPgColumn => vectorStores.id, { onDelete: 'cascade' });

export const vectorFileBatches = pgTable('vector_file_batches', {
  id: text('id').primaryKey(),
  storeId: inStore(),
  cancelled: boolean('cancelled').notNull(),
  createdAt: seconds('created_at').notNull(),
});

/** A file in a store: it goes with either. */
export const vectorFiles = pgTable(
  'vector_files',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    storeId: inStore(),
    fileId: text('file_id')
      .notNull()
      .references((): AnyPgColumn => files.id, { onDelete: 'cascade' }),
    batchId: text('batch_id').references((): AnyPgColumn => vectorFileBatches.id, { onDelete: 'cascade' }),
    status: text('status').notNull(),
    error: json('error'),
    attributes: json('attributes').notNull(),
    chunking: json('chunking').notNull(),
    /** Of texts and vectors. */
    usageBytes: bigint('usage_bytes', { mode: 'number' }).notNull(),
    createdAt: seconds('created_at').notNull(),
    /** The server that reads it, and until when the others leave it alone. */
    claimedBy: text('claimed_by'),
    claimedUntil: seconds('claimed_until'),
  },
  (table) => [
    uniqueIndex('vector_files_store').on(table.storeId, table.fileId),
    index('vector_files_batch').on(table.batchId),
    index('vector_files_file').on(table.fileId),
    index('vector_files_status').on(table.status, table.sequence),
  ],
);

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });

/** Pieces of the files' texts, in order. */
export const vectorChunks = pgTable(
  'vector_chunks',
  {
    sequence: bigserial('sequence', { mode: 'number' }).primaryKey(),
    storeId: text('store_id').notNull(),
    fileId: text('file_id').notNull(),
    text: text('text').notNull(),
    /** Of length 1. An array and not pgvector's type: a server without pgvector keeps them too. */
    embedding: real('embedding').array().notNull(),
    words: tsvector('words').generatedAlwaysAs(sql`to_tsvector('english', "text")`),
  },
  (table) => [
    index('vector_chunks_file').on(table.storeId, table.fileId),
    index('vector_chunks_words').using('gin', table.words),
  ],
);
