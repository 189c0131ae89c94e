/** The answer to one line of a batch, as the output and error files have it. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LineResult } from '@steelyard/storage';
import { ApiError } from '../http/api-error.ts';

/** A request answered without a connection. */
export interface Answered {
  readonly status: number;
  readonly requestId: string;
  readonly body: unknown;
  /** Where it was computed, as answers over HTTP say it. */
  readonly computedBy?: string;
  /** When to ask again, of one that had no room. */
  readonly retryAfterMs?: number;
}

/** Not asked at all, and not to be asked again: the key is gone, or has spent what it may. */
export interface Refused {
  readonly refused: Refusal;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Gives undefined when the signal aborted first. */
export type Answer = (body: unknown) => Promise<Answered | Refused | undefined>;

/** Statuses of a server that has no room now. */
const BUSY = [429, 503];
/** Of status 503 too, but it would be the same again. */
const FINAL = 'moderation_failed';
/** Milliseconds between two tries, at least and at most, whatever is told. */
const RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Fields whose answers go on after their request, which a file cannot hold. */
const REFUSED = ['stream', 'background'] as const;

/** @returns undefined when the signal aborted: then the line has no answer */
export async function answerLine(
  line: { readonly number: number; readonly customId: string; readonly body: Record<string, unknown> },
  answer: Answer,
  signal: AbortSignal,
): Promise<LineResult | undefined> {
  const response = await untilRoom(line.body, answer, signal);
  if (!response || signal.aborted) return undefined;
  if ('refused' in response) return unansweredLine(line.number, line.customId, response.refused);
  const succeeded = response.status < 400;
  const { status: status_code, requestId: request_id, body, computedBy } = response;
  const usage = succeeded ? usageOf(body) : undefined;
  return {
    line: line.number,
    succeeded,
    body: JSON.stringify({
      ...head(line.customId),
      response: { status_code, request_id, body },
      error: null,
      // Extension: OpenAI's lines have no headers.
      ...(computedBy === undefined ? {} : { steelyard: { computed_by: computedBy } }),
    }),
    ...(usage ? { usage } : {}),
  };
}

export const EXPIRED: Refusal = {
  code: 'batch_expired',
  message: 'This request could not be executed before the completion window expired.',
};
export const CANCELLED: Refusal = {
  code: 'batch_cancelled',
  message: 'This request was not executed because the batch was cancelled.',
};

/** What a line gets that is not computed. */
export function unansweredLine(number: number, customId: string, { code, message }: Refusal): LineResult {
  const body = { ...head(customId), response: null, error: { code, message } };
  return { line: number, succeeded: false, body: JSON.stringify(body) };
}

function head(custom_id: string) {
  return { id: `batch_req_${randomUUID().replaceAll('-', '')}`, custom_id };
}

async function untilRoom(
  body: Record<string, unknown>,
  answer: Answer,
  signal: AbortSignal,
): Promise<Answered | Refused | undefined> {
  const asks = REFUSED.find((field) => body[field] === true);
  if (asks) return refusal(asks);
  while (!signal.aborted) {
    const response = await answer(body);
    if (!response || 'refused' in response || !isBusy(response)) return response;
    const wait = Math.min(Math.max(response.retryAfterMs ?? 0, RETRY_MS), LONGEST_RETRY_MS);
    await sleep(wait, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

/** Whether it may be asked again: there was no room, or the key has reached a limit of a minute. */
export function isBusy({ status, body }: Answered): boolean {
  if (!BUSY.includes(status)) return false;
  const { error } = body as { error?: { code?: unknown } };
  return error?.code !== FINAL;
}

function refusal(param: string): Answered {
  const error = new ApiError(400, `'${param}' is not supported in a batch. Remove it.`, {
    param,
    code: 'unsupported_parameter',
  });
  return { status: 400, requestId: '', body: { error: error.toObject() } };
}

interface AnyUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly input_tokens_details?: { readonly cached_tokens?: number };
  readonly output_tokens_details?: { readonly reasoning_tokens?: number };
}

/** Of completions and embeddings by their names, or of responses by theirs. */
function usageOf(body: unknown): LineResult['usage'] {
  const { usage } = body as { usage?: AnyUsage };
  if (!usage) return undefined;
  const input = usage.input_tokens_details ?? usage.prompt_tokens_details;
  const output = usage.output_tokens_details ?? usage.completion_tokens_details;
  return {
    input: usage.input_tokens ?? usage.prompt_tokens ?? 0,
    cached: input?.cached_tokens ?? 0,
    output: usage.output_tokens ?? usage.completion_tokens ?? 0,
    reasoning: output?.reasoning_tokens ?? 0,
  };
}
