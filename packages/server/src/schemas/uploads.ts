/** Uploads on the wire: files that come in parts. */

import type { StoredPart, StoredUpload } from '@steelyard/storage';
import { z } from 'zod';
import { expiresAfterSchema, fileSchema, purposes, toFileObject } from './files.ts';

const MAX_PARTS = 10_000;

export const uploadRequestSchema = z.strictObject({
  filename: z.string().min(1),
  purpose: z.enum(purposes),
  bytes: z.int().min(1),
  mime_type: z.string().min(1).max(255),
  expires_after: expiresAfterSchema.nullish(),
});

export const uploadCompletionSchema = z.strictObject({
  part_ids: z.array(z.string()).min(1).max(MAX_PARTS),
  md5: z.string().nullish(),
});

export const uploadSchema = z.object({
  id: z.string(),
  object: z.literal('upload'),
  bytes: z.int(),
  created_at: z.int(),
  filename: z.string(),
  purpose: z.enum(purposes),
  status: z.enum(['pending', 'completed', 'cancelled', 'expired']),
  expires_at: z.int(),
  file: fileSchema.nullable().optional(),
});

export const uploadPartSchema = z.object({
  id: z.string(),
  object: z.literal('upload.part'),
  created_at: z.int(),
  upload_id: z.string(),
});

export type UploadRequest = z.infer<typeof uploadRequestSchema>;
export type UploadCompletionRequest = z.infer<typeof uploadCompletionSchema>;
export type UploadObject = z.infer<typeof uploadSchema>;
export type UploadPart = z.infer<typeof uploadPartSchema>;

export function toUpload(upload: StoredUpload): UploadObject {
  return {
    id: upload.id,
    object: 'upload',
    bytes: upload.bytes,
    created_at: upload.createdAt,
    filename: upload.filename,
    // Only what the schema let through is ever stored.
    purpose: upload.purpose as UploadObject['purpose'],
    status: upload.status as UploadObject['status'],
    expires_at: upload.expiresAt,
    ...(upload.status === 'completed' ? { file: upload.file ? toFileObject(upload.file) : null } : {}),
  };
}

export function toUploadPart({ id, createdAt, uploadId }: StoredPart): UploadPart {
  return { id, object: 'upload.part', created_at: createdAt, upload_id: uploadId };
}
