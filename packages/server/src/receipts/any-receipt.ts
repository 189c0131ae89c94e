/** Receipts of every form: of text or vectors, computed here or elsewhere. */

import { z } from 'zod';
import { embeddingReceiptSchema, type EmbeddingReceipt } from './embedding-receipt.ts';
import { receiptSchema, type Receipt } from './receipt.ts';
import { upstreamReceiptSchema, type UpstreamReceipt } from './upstream-receipt.ts';

export type AnyReceipt = Receipt | UpstreamReceipt | EmbeddingReceipt;

export const anyReceiptSchema = z.union([receiptSchema, upstreamReceiptSchema, embeddingReceiptSchema]);

/** Extension of answers: a receipt for each choice, or in a stream for the one that ends. */
export const steelyardAnswerSchema = z.object({ receipts: z.array(anyReceiptSchema) });
