/** Receipts in a JSON value that somebody kept: one, an answer with some, or a list. */

import { RequestError } from '@steelyard/core';
import { paramPath } from '../http/validate.ts';
import { embeddingReceiptSchema } from './embedding-receipt.ts';
import { receiptSchema, type Receipt } from './receipt.ts';
import { anyReceiptSchema, type AnyReceipt } from './any-receipt.ts';
import { upstreamReceiptSchema } from './upstream-receipt.ts';

/**
 * Of any form, as signatures are checked.
 * @param name of the file, for messages
 * @throws RequestError naming the field that is not a receipt's
 */
export function readAnyReceipts(value: unknown, name: string): AnyReceipt[] {
  return candidatesIn(value, name).map((candidate) => {
    const read = anyReceiptSchema.safeParse(candidate);
    // What is wrong with one that nothing fits is told as of an answer here.
    return read.success ? read.data : localReceipt(candidate, name);
  });
}

/**
 * Of answers that can be computed again.
 * @param name of the file, for messages
 * @throws RequestError naming the field that is not such a receipt's
 */
export function readReceipts(value: unknown, name: string): Receipt[] {
  return candidatesIn(value, name).map((candidate) => {
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
    return localReceipt(candidate, name);
  });
}

function localReceipt(candidate: unknown, name: string): Receipt {
  const read = receiptSchema.safeParse(candidate);
  if (read.success) return read.data;
  const issue = read.error.issues[0]!;
  throw new RequestError(`${name}: ${paramPath(issue.path) || 'the receipt'}: ${issue.message}`, 'receipt');
}

function candidatesIn(value: unknown, name: string): unknown[] {
  const found = receiptsIn(value);
  if (found.length > 0) return found;
  throw new RequestError(
    `${name} holds no receipt; expected one, or an answer with 'steelyard.receipts'`,
    'receipt',
  );
}

function receiptsIn(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return [];
  const extension = (value as { steelyard?: { receipts?: unknown } }).steelyard;
  if (Array.isArray(extension?.receipts)) return extension.receipts;
  return 'object' in value && value.object === 'steelyard.receipt' ? [value] : [];
}
