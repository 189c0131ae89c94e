/** Files on the wire: the upload's form, the query of a list, and the objects answered. */

import type { StoredFile } from '@steelyard/storage';
import { z } from 'zod';

export const purposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;
/** Purposes of files that the server itself makes. */
const outputPurposes = ['assistants_output', 'batch_output', 'fine-tune-results'] as const;

const HOUR = 3_600;
const MONTH = 30 * 24 * HOUR;
/** Characters kept of a name. */
const MAX_FILENAME = 255;

/** How long a file stays, in a body of JSON. */
export const expiresAfterSchema = z.strictObject({
  anchor: z.literal('created_at'),
  seconds: z.int().min(HOUR).max(MONTH),
});

/** Fields of a form are text. */
export const fileFormSchema = z.object({
  purpose: z.enum(purposes),
  expires_after: z
    .object({
      anchor: z.literal('created_at'),
      seconds: z
        .string()
        .regex(/^\d{1,9}$/, 'expected whole seconds')
        .transform(Number)
        .pipe(z.int().min(HOUR).max(MONTH)),
    })
    .optional(),
});

/** Largest page of a list, as OpenAI's; also its default. */
const MAX_PAGE = 10_000;

export const fileListQuerySchema = z.object({
  limit: z
    .string()
    .regex(/^\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(MAX_PAGE),
  order: z.enum(['asc', 'desc']).default('desc').describe('By time of arrival.'),
  after: z.string().optional().describe('Id of the last object of the page before.'),
  purpose: z.enum([...purposes, ...outputPurposes]).optional(),
});

export const fileSchema = z.object({
  id: z.string(),
  object: z.literal('file'),
  bytes: z.int(),
  created_at: z.int(),
  expires_at: z.int().optional(),
  filename: z.string(),
  purpose: z.enum([...purposes, ...outputPurposes]),
  /** Deprecated by OpenAI and still required by its types. */
  status: z.literal('processed'),
});

export const fileListSchema = z.object({
  object: z.literal('list'),
  data: z.array(fileSchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const fileDeletedSchema = z.object({
  id: z.string(),
  object: z.literal('file'),
  deleted: z.literal(true),
});

export type FileRequest = z.infer<typeof fileFormSchema>;
export type FileObject = z.infer<typeof fileSchema>;
export type FileList = z.infer<typeof fileListSchema>;
export type FileDeleted = z.infer<typeof fileDeletedSchema>;

/** A name without what databases do not take, and not longer than file systems do. */
export function keptFilename(name: string): string {
  return [...name.replaceAll('\0', '')].slice(0, MAX_FILENAME).join('');
}

export function toFileObject(file: StoredFile): FileObject {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: file.createdAt,
    ...(file.expiresAt === null ? {} : { expires_at: file.expiresAt }),
    filename: file.filename,
    // Only purposes of these schemas are ever stored.
    purpose: file.purpose as FileObject['purpose'],
    status: 'processed',
  };
}
