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
}

export type Answer = (body: unknown, signal: AbortSignal) => Promise<Answered>;

/** Statuses of a server that has no room now. */
const BUSY = [429, 503];
const RETRY_MS = 1_000;
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
  const succeeded = response.status < 400;
  const { status: status_code, requestId: request_id, body } = response;
  const usage = succeeded ? usageOf(body) : undefined;
  return {
    line: line.number,
    succeeded,
    body: JSON.stringify({
      ...head(line.customId),
      response: { status_code, request_id, body },
      error: null,
    }),
    ...(usage ? { usage } : {}),
  };
}

/** What a line gets that is not computed any more. */
export function unansweredLine(
  number: number,
  customId: string,
  code: 'batch_expired' | 'batch_cancelled',
): LineResult {
  const message =
    code === 'batch_expired'
      ? 'This request could not be executed before the completion window expired.'
      : 'This request was not executed because the batch was cancelled.';
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
): Promise<Answered | undefined> {
  const asks = REFUSED.find((field) => body[field] === true);
  if (asks) return refusal(asks);
  while (!signal.aborted) {
    const response = await answer(body, signal);
    if (!BUSY.includes(response.status)) return response;
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
  }
  return undefined;
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
