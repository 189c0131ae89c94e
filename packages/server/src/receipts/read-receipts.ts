/** Receipts in a JSON value that somebody kept: one, an answer with some, or a list. */

import { RequestError } from '@steelyard/core';
import { paramPath } from '../http/validate.ts';
import { embeddingReceiptSchema } from './embedding-receipt.ts';
import { receiptSchema, type Receipt } from './receipt.ts';
import { upstreamReceiptSchema } from './upstream-receipt.ts';

/**
 * @param name of the file, for messages
 * @throws RequestError naming the field that is not a receipt's
 */
export function readReceipts(value: unknown, name: string): Receipt[] {
  const candidates = candidatesIn(value);
  if (candidates.length === 0) {
    throw new RequestError(
      `${name} holds no receipt; expected one, or an answer with 'steelyard.receipts'`,
      'receipt',
    );
  }
  return candidates.map((candidate) => {
    const elsewhere = upstreamReceiptSchema.safeParse(candidate);
    if (elsewhere.success) {
      throw new RequestError(
        `${name}: the answer of receipt ${elsewhere.data.id} was computed by ${elsewhere.data.computed_by}; expected one that was computed here, which can be computed again`,
        'receipt',
      );
    }
    if (embeddingReceiptSchema.safeParse(candidate).success) {
      throw new RequestError(`${name}: a receipt of vectors; expected one of an answer in text`, 'receipt');
    }
    const read = receiptSchema.safeParse(candidate);
    if (read.success) return read.data;
    const issue = read.error.issues[0]!;
    throw new RequestError(`${name}: ${paramPath(issue.path) || 'the receipt'}: ${issue.message}`, 'receipt');
  });
}

function candidatesIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return [];
  const extension = (value as { steelyard?: { receipts?: unknown } }).steelyard;
  if (Array.isArray(extension?.receipts)) return extension.receipts;
  return 'object' in value && value.object === 'steelyard.receipt' ? [value] : [];
}
