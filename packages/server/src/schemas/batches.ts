/** Batches on the wire. */

import type { StoredBatch } from '@steelyard/storage';
import { z } from 'zod';
import { expiresAfterSchema } from './files.ts';
import { listOf, pageFields } from './list-page.ts';
import { metadataSchema } from './metadata.ts';

/** What lines of a batch may ask. */
export const batchEndpoints = [
  '/v1/responses',
  '/v1/chat/completions',
  '/v1/embeddings',
  '/v1/completions',
  '/v1/moderations',
  '/v1/rerank',
] as const;
export type BatchEndpoint = (typeof batchEndpoints)[number];

export const batchRequestSchema = z.strictObject({
  input_file_id: z.string(),
  endpoint: z.enum(batchEndpoints),
  completion_window: z.literal('24h'),
  metadata: metadataSchema.nullish(),
  output_expires_after: expiresAfterSchema.nullish(),
});

const { limit, after } = pageFields('desc');
export const batchListQuerySchema = z.strictObject({ limit, after });

const errorSchema = z.object({
  code: z.string(),
  line: z.int().nullable(),
  message: z.string(),
  param: z.string().nullable(),
});

const time = z.int().optional();

export const batchSchema = z.object({
  id: z.string(),
  object: z.literal('batch'),
  endpoint: z.string(),
  model: z.string().optional(),
  errors: z.object({ object: z.literal('list'), data: z.array(errorSchema) }).optional(),
  input_file_id: z.string(),
  completion_window: z.string(),
  status: z.enum([
    'validating',
    'failed',
    'in_progress',
    'finalizing',
    'completed',
    'expired',
    'cancelling',
    'cancelled',
  ]),
  output_file_id: z.string().optional(),
  error_file_id: z.string().optional(),
  created_at: z.int(),
  in_progress_at: time,
  expires_at: z.int(),
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
  usage: z.object({
    input_tokens: z.int(),
    input_tokens_details: z.object({ cached_tokens: z.int() }),
    output_tokens: z.int(),
    output_tokens_details: z.object({ reasoning_tokens: z.int() }),
    total_tokens: z.int(),
  }),
  metadata: metadataSchema.nullable(),
});

export const batchListSchema = listOf(batchSchema);

export type BatchRequest = z.infer<typeof batchRequestSchema>;
export type BatchObject = z.infer<typeof batchSchema>;
export type BatchList = z.infer<typeof batchListSchema>;
export type BatchError = z.infer<typeof errorSchema>;

export function toBatch(batch: StoredBatch): BatchObject {
  const body: { [Key in Exclude<keyof BatchObject, 'metadata'>]: BatchObject[Key] | null } = {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    model: batch.model,
    // Only what these schemas describe is ever stored.
    errors: batch.errors as BatchObject['errors'] | null,
    input_file_id: batch.inputFileId,
    completion_window: batch.completionWindow,
    status: batch.status as BatchObject['status'],
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: batch.createdAt,
    in_progress_at: batch.inProgressAt,
    expires_at: batch.expiresAt,
    finalizing_at: batch.finalizingAt,
    completed_at: batch.completedAt,
    failed_at: batch.failedAt,
    expired_at: batch.expiredAt,
    cancelling_at: batch.cancellingAt,
    cancelled_at: batch.cancelledAt,
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    usage: toUsage(batch),
  };
  // What is not there yet is left out, but for the metadata, which may be null.
  const given = Object.entries(body).filter(([, value]) => value !== null);
  return {
    ...(Object.fromEntries(given) as BatchObject),
    metadata: batch.metadata as BatchObject['metadata'],
  };
}

function toUsage(batch: StoredBatch): BatchObject['usage'] {
  return {
    input_tokens: batch.inputTokens,
    input_tokens_details: { cached_tokens: batch.cachedTokens },
    output_tokens: batch.outputTokens,
    output_tokens_details: { reasoning_tokens: batch.reasoningTokens },
    total_tokens: batch.inputTokens + batch.outputTokens,
  };
}
