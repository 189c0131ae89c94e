/** Vector stores, their files and batches of files on the wire. */

import type { FileCounts, StoredFileBatch, StoredVectorFile, StoredVectorStore } from '@steelyard/storage';
import { z } from 'zod';
import { attributesSchema, type Attributes } from './attribute-filter.ts';
import { pageFields } from './list-page.ts';
import { metadataSchema, type Metadata } from './metadata.ts';

const MAX_NAME = 256;
/** Files that may come at once, as OpenAI has it. */
const MAX_BATCH_FILES = 2_000;
const MAX_STORE_FILES = 500;
const CHUNK_TOKENS = { min: 100, max: 4_096 } as const;

const withoutNul = (text: z.ZodString) => text.refine((value) => !value.includes('\0'), 'it contains a NUL.');

const staticSchema = z.strictObject({
  max_chunk_size_tokens: z.int().min(CHUNK_TOKENS.min).max(CHUNK_TOKENS.max),
  chunk_overlap_tokens: z.int().min(0),
});

export const chunkingSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auto') }),
  z.strictObject({
    type: z.literal('static'),
    static: staticSchema.refine(
      ({ max_chunk_size_tokens: most, chunk_overlap_tokens: overlap }) => overlap <= most / 2,
      'chunk_overlap_tokens must not exceed half of max_chunk_size_tokens.',
    ),
  }),
]);

const expiresAfterSchema = z.strictObject({
  anchor: z.literal('last_active_at'),
  days: z.int().min(1).max(365),
});

export const vectorStoreRequestSchema = z.strictObject({
  name: withoutNul(z.string().max(MAX_NAME)).nullish(),
  description: withoutNul(z.string().max(2_000)).nullish(),
  file_ids: z.array(z.string()).max(MAX_STORE_FILES).nullish(),
  chunking_strategy: chunkingSchema.nullish(),
  expires_after: expiresAfterSchema.nullish(),
  metadata: metadataSchema.nullish(),
});

export const vectorStoreUpdateSchema = z.strictObject({
  name: withoutNul(z.string().max(MAX_NAME)).nullish(),
  expires_after: expiresAfterSchema.nullish(),
  metadata: metadataSchema.nullish(),
});

export const vectorStoreListQuerySchema = z.strictObject({
  ...pageFields('desc'),
  before: z.string().optional(),
});

const fileStatus = z.enum(['in_progress', 'completed', 'cancelled', 'failed']);

export const vectorFileListQuerySchema = vectorStoreListQuerySchema.extend({ filter: fileStatus.optional() });

const ownFields = { attributes: attributesSchema.nullish(), chunking_strategy: chunkingSchema.nullish() };

export const vectorFileRequestSchema = z.strictObject({ file_id: z.string(), ...ownFields });
export const vectorFileUpdateSchema = z.strictObject({ attributes: attributesSchema.nullable() });

export const fileBatchRequestSchema = z.strictObject({
  file_ids: z.array(z.string()).min(1).max(MAX_BATCH_FILES).nullish(),
  files: z.array(vectorFileRequestSchema).min(1).max(MAX_BATCH_FILES).nullish(),
  ...ownFields,
});

const countsSchema = z.object({
  in_progress: z.int(),
  completed: z.int(),
  failed: z.int(),
  cancelled: z.int(),
  total: z.int(),
});

export const vectorStoreSchema = z.object({
  id: z.string(),
  object: z.literal('vector_store'),
  created_at: z.int(),
  name: z.string(),
  usage_bytes: z.int(),
  file_counts: countsSchema,
  status: z.enum(['expired', 'in_progress', 'completed']),
  expires_after: expiresAfterSchema.optional(),
  expires_at: z.int().nullable(),
  last_active_at: z.int(),
  metadata: metadataSchema,
  /** Extension: the model that makes the vectors of this store, and what OpenAI's API takes and does not show. */
  steelyard: z.object({ embedding_model: z.string(), description: z.string().nullable() }),
});

export const vectorFileSchema = z.object({
  id: z.string(),
  object: z.literal('vector_store.file'),
  usage_bytes: z.int(),
  created_at: z.int(),
  vector_store_id: z.string(),
  status: fileStatus,
  last_error: z
    .object({ code: z.enum(['server_error', 'unsupported_file', 'invalid_file']), message: z.string() })
    .nullable(),
  attributes: attributesSchema,
  /** As it was cut; `other` while that is not known: asked for as `auto` and not read yet. */
  chunking_strategy: z.discriminatedUnion('type', [
    z.object({
      type: z.literal('static'),
      static: z.object({ max_chunk_size_tokens: z.int(), chunk_overlap_tokens: z.int() }),
    }),
    z.object({ type: z.literal('other') }),
  ]),
});

export const fileBatchSchema = z.object({
  id: z.string(),
  object: z.literal('vector_store.files_batch'),
  created_at: z.int(),
  vector_store_id: z.string(),
  status: z.enum(['in_progress', 'completed', 'cancelled', 'failed']),
  file_counts: countsSchema,
});

const deleted = <T extends string>(object: T) =>
  z.object({ id: z.string(), object: z.literal(object), deleted: z.literal(true) });
export const vectorStoreDeletedSchema = deleted('vector_store.deleted');
export const vectorFileDeletedSchema = deleted('vector_store.file.deleted');

export const textPageSchema = z.object({
  object: z.literal('vector_store.file_content.page'),
  data: z.array(z.object({ type: z.literal('text'), text: z.string() })),
  has_more: z.literal(false),
  next_page: z.null(),
});

export type Chunking = z.infer<typeof chunkingSchema>;
export type VectorStoreRequest = z.infer<typeof vectorStoreRequestSchema>;
export type VectorStoreUpdate = z.infer<typeof vectorStoreUpdateSchema>;
export type VectorStoreListQuery = z.infer<typeof vectorStoreListQuerySchema>;
export type VectorFileListQuery = z.infer<typeof vectorFileListQuerySchema>;
export type VectorFileRequest = z.infer<typeof vectorFileRequestSchema>;
export type VectorFileUpdate = z.infer<typeof vectorFileUpdateSchema>;
export type FileBatchRequest = z.infer<typeof fileBatchRequestSchema>;
export type VectorStoreObject = z.infer<typeof vectorStoreSchema>;
export type VectorFile = z.infer<typeof vectorFileSchema>;
export type FileBatch = z.infer<typeof fileBatchSchema>;
export type VectorStoreDeleted = z.infer<typeof vectorStoreDeletedSchema>;
export type VectorFileDeleted = z.infer<typeof vectorFileDeletedSchema>;
export type TextPage = z.infer<typeof textPageSchema>;

export function toVectorStore(store: StoredVectorStore): VectorStoreObject {
  const counts = store.fileCounts;
  return {
    id: store.id,
    object: 'vector_store',
    created_at: store.createdAt,
    name: store.name,
    usage_bytes: store.usageBytes,
    file_counts: counts,
    status: store.isExpired ? 'expired' : counts.in_progress > 0 ? 'in_progress' : 'completed',
    ...(store.expiresDays === null
      ? {}
      : { expires_after: { anchor: 'last_active_at', days: store.expiresDays } }),
    expires_at: store.expiresAt,
    last_active_at: store.lastActiveAt,
    // Only what these schemas let through is ever stored, here and below.
    metadata: store.metadata as Metadata,
    steelyard: { embedding_model: store.model, description: store.description },
  };
}

export function toVectorFile(file: StoredVectorFile): VectorFile {
  const chunking = file.chunking as Chunking;
  return {
    id: file.fileId,
    object: 'vector_store.file',
    usage_bytes: file.usageBytes,
    created_at: file.createdAt,
    vector_store_id: file.storeId,
    status: file.status as VectorFile['status'],
    last_error: file.error as VectorFile['last_error'],
    attributes: file.attributes as Attributes,
    chunking_strategy: chunking.type === 'static' ? chunking : { type: 'other' },
  };
}

export function toFileBatch({ id, createdAt, storeId, cancelled, fileCounts }: StoredFileBatch): FileBatch {
  return {
    id,
    object: 'vector_store.files_batch',
    created_at: createdAt,
    vector_store_id: storeId,
    status: batchStatus(fileCounts, cancelled),
    file_counts: fileCounts,
  };
}

function batchStatus({ in_progress }: FileCounts, cancelled: boolean): FileBatch['status'] {
  if (cancelled) return 'cancelled';
  return in_progress > 0 ? 'in_progress' : 'completed';
}
