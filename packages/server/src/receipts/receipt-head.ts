/** What receipts of every form begin with. */

import { randomUUID } from 'node:crypto';
import { z } from 'zod';

export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

export const signatureSchema = z.object({
  algorithm: z.literal('ed25519'),
  public_key: z.string(),
  value: z.string(),
});

export const headFields = {
  id: z.string(),
  object: z.literal('steelyard.receipt'),
  /** Of this form. */
  version: z.literal(1),
  /** Unix seconds. */
  created: z.int(),
  endpoint: z.string(),
  /** Id of the request, as in the header `x-request-id`. */
  request_id: z.string(),
};

export type ReceiptHead = z.infer<z.ZodObject<typeof headFields>>;

export function receiptHead(of: Pick<ReceiptHead, 'endpoint' | 'request_id'>): ReceiptHead {
  return {
    id: `rcpt_${randomUUID().replaceAll('-', '')}`,
    object: 'steelyard.receipt',
    version: 1,
    created: Math.floor(Date.now() / 1000),
    endpoint: of.endpoint,
    request_id: of.request_id,
  };
}
