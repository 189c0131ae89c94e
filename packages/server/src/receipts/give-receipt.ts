/** Receipts of a request: whether they are wanted, made as its answers end, signed, and noted in the audit log. */

import type { ChatOptions, EmbeddingModel, GenerateOptions, LanguageModel } from '@steelyard/engine';
import type { Call } from '../endpoint.ts';
import { ApiError } from '../http/api-error.ts';
import type { FinishEvent } from '../schemas/usage.ts';
import { makeEmbeddingReceipt, type EmbeddingFacts } from './embedding-receipt.ts';
import type { Signer } from './sign.ts';
import { makeReceipt, type Receipt } from './receipt.ts';
import { type AnyReceipt } from './any-receipt.ts';
import {
  isFromUpstream,
  makeUpstreamReceipt,
  type UpstreamFacts,
  type UpstreamFinish,
  type UpstreamReceipt,
} from './upstream-receipt.ts';

export const RECEIPT_HEADER = 'x-steelyard-receipt';
export const RECEIPT_ACTION = 'answer.receipt';

/** How the server gives receipts. */
export interface ReceiptPolicy {
  /** For every answer, whether it is asked for or not. Default false. */
  readonly always?: boolean;
  /** Signs them. Default: they bear no signature. */
  readonly sign?: Signer;
}

export type ReceiptWish = 'none' | 'digests' | 'content';

/** @throws ApiError 400 for a header that says neither yes nor no */
export function receiptWish({ body, request, services }: Call<unknown>): ReceiptWish {
  const field = (body as { steelyard?: { receipt?: boolean | 'content' | null } | null } | undefined)
    ?.steelyard?.receipt;
  if (field === 'content') return 'content';
  const header = request.headers.get(RECEIPT_HEADER)?.toLowerCase();
  if (header === 'content') return 'content';
  if (header !== undefined && !['0', '1', 'false', 'true'].includes(header)) {
    throw new ApiError(
      400,
      `Invalid header '${RECEIPT_HEADER}': got '${header}', expected 1, 0 or content.`,
      {
        param: RECEIPT_HEADER,
        code: 'invalid_value',
      },
    );
  }
  const wanted = field ?? (header === '1' || header === 'true');
  return wanted || services.receipts.always ? 'digests' : 'none';
}

/** The same model, whose answers end with what they were computed from. */
export function traced(model: LanguageModel): LanguageModel {
  return {
    ...model,
    chat: (messages, options?: ChatOptions) => model.chat(messages, { ...options, trace: true }),
    complete: (prompt, options?: GenerateOptions) => model.complete(prompt, { ...options, trace: true }),
  };
}

export interface EndedChoice {
  readonly endpoint: string;
  readonly choice: number;
  readonly model: LanguageModel;
  readonly finish: FinishEvent;
}

/** The extension of an answer; nothing where there are none. */
export function withReceipts(receipts: readonly AnyReceipt[] = []): {
  steelyard?: { receipts: AnyReceipt[] };
} {
  return receipts.length > 0 ? { steelyard: { receipts: [...receipts] } } : {};
}

/** Absent where none is wanted. It is in the audit log before anybody has it. */
export async function giveReceipt(
  call: Call<unknown>,
  wish: ReceiptWish,
  { finish, ...ended }: EndedChoice,
): Promise<AnyReceipt | undefined> {
  const { trace } = finish;
  const { services, requestId } = call;
  if (wish === 'none') return undefined;
  if (isFromUpstream(finish)) {
    const { endpoint } = ended;
    return giveUpstreamReceipt(call, { ...finish.elsewhere, endpoint, request_id: requestId });
  }
  if (!trace) return undefined;
  const facts = {
    ...ended,
    finish,
    trace,
    requestId,
    version: services.version,
    content: wish === 'content',
  };
  return signAndNote(call, await makeReceipt(facts));
}

/** Vectors as they were made, with what an upstream is known to have done where one made them. */
export interface EndedVectors extends Pick<
  EmbeddingFacts,
  'endpoint' | 'texts' | 'vectors' | 'promptTokens'
> {
  readonly model: EmbeddingModel;
  readonly elsewhere: UpstreamFinish['elsewhere'] | undefined;
}

/** Empty where none is wanted. */
export async function giveEmbeddingReceipts(
  call: Call<unknown>,
  { elsewhere, ...ended }: EndedVectors,
): Promise<readonly AnyReceipt[]> {
  const { services, requestId } = call;
  if (receiptWish(call) === 'none') return [];
  if (elsewhere)
    return [
      await giveUpstreamReceipt(call, { ...elsewhere, endpoint: ended.endpoint, request_id: requestId }),
    ];
  const facts = { ...ended, requestId, version: services.version };
  return [await signAndNote(call, await makeEmbeddingReceipt(facts))];
}

/** The receipt of an answer that another provider computed, in the audit log before anybody has it. */
export function giveUpstreamReceipt(call: Call<unknown>, facts: UpstreamFacts): Promise<UpstreamReceipt> {
  return signAndNote(call, makeUpstreamReceipt(facts));
}

async function signAndNote<Kind extends AnyReceipt>(
  { services, caller }: Call<unknown>,
  made: Kind,
): Promise<Kind> {
  const receipt = services.receipts.sign?.(made) ?? made;
  if (services.keeps) {
    const { content: _, ...details } = receipt as Receipt;
    const { audit } = await services.storage();
    await audit.append({
      action: RECEIPT_ACTION,
      project: caller.project,
      actor: caller.keyId,
      subject: receipt.id,
      details,
    });
  }
  return receipt;
}
