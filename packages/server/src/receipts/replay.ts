/** Computes the answer of a receipt once more: from the tokens that it holds, or from the request given again. */

import { RequestError } from '@steelyard/core';
import type { GenerateEvent, GenerateOptions, LanguageModel } from '@steelyard/engine';
import { providerOf } from '../model-provider.ts';
import { createServer } from '../server.ts';
import type { FinishEvent } from '../schemas/usage.ts';
import { sha256, idsDigest, makeReceipt, receiptSchema, type HeldTo, type Receipt } from './receipt.ts';
import { canonicalJson } from '@steelyard/storage';
import { RECEIPT_HEADER, traced } from './give-receipt.ts';

export interface ReplayOptions {
  readonly model: LanguageModel;
  readonly version: string;
  /** The body of the request; needed where the receipt holds no tokens. */
  readonly request?: Readonly<Record<string, unknown>>;
}

/**
 * @returns the receipt of the second computation, with its tokens
 * @throws RequestError for a receipt whose content is not what its digests say, or without any and no request
 */
export function replayReceipt(receipt: Receipt, options: ReplayOptions): Promise<Receipt> {
  return options.request ? replayRequest(receipt, options.request, options) : replayTokens(receipt, options);
}

async function replayTokens(receipt: Receipt, { model, version }: ReplayOptions): Promise<Receipt> {
  const { content } = receipt;
  if (!content) {
    throw new RequestError(
      "the receipt holds no tokens; give the request too (--request FILE), or ask for receipts with 'content'",
      'content',
    );
  }
  const { prompt_tokens: prompt, constraint } = content;
  checkContent(receipt, content);
  const held = heldOptions(constraint as HeldTo | undefined);
  const answer = traced(model).complete(prompt, { ...optionsOf(receipt), ...held });
  const finish = await finishOf(answer);
  const { endpoint, request_id: requestId, choice } = receipt;
  return makeReceipt({
    endpoint,
    requestId,
    choice,
    version,
    model,
    finish,
    trace: finish.trace!,
    content: true,
  });
}

function heldOptions(held: HeldTo | undefined): GenerateOptions {
  if (!held) return {};
  if (held.type !== 'thought_limit') return { constraint: held };
  const { type: _, ...limited } = held;
  return limited;
}

function checkContent(receipt: Receipt, content: NonNullable<Receipt['content']>): void {
  const parts: readonly [string, string | undefined, string | undefined][] = [
    ['prompt_tokens', idsDigest(content.prompt_tokens), receipt.prompt.sha256],
    ['output_tokens', idsDigest(content.output_tokens), receipt.output.sha256],
    [
      'constraint',
      content.constraint === undefined ? undefined : sha256(canonicalJson(content.constraint)),
      receipt.constraint?.sha256,
    ],
  ];
  for (const [name, found, expected] of parts) {
    if (found !== expected) {
      throw new RequestError(
        `content.${name} of the receipt is not what its digest says; it was changed, so there is nothing to compare with`,
        `content.${name}`,
      );
    }
  }
}

function optionsOf({ sampling, max_tokens, stop, ignore_eos, end_tokens }: Receipt): GenerateOptions {
  return {
    sampling: {
      temperature: sampling.temperature,
      topP: sampling.top_p,
      topK: sampling.top_k,
      minP: sampling.min_p,
      repetitionPenalty: sampling.repetition_penalty,
      presencePenalty: sampling.presence_penalty,
      frequencyPenalty: sampling.frequency_penalty,
      ...(sampling.logit_bias ? { logitBias: sampling.logit_bias } : {}),
      seed: sampling.seed,
    },
    ...(max_tokens === null ? {} : { maxTokens: max_tokens }),
    stop,
    ignoreEos: ignore_eos,
    ...(end_tokens ? { endTokens: end_tokens } : {}),
  };
}

async function finishOf(events: AsyncIterable<GenerateEvent>): Promise<FinishEvent> {
  for await (const event of events) if (event.type === 'finish') return event;
  throw new RequestError('the answer ended without its end', 'content');
}

/** Where a request says its seed; that of a choice is the request's and its index. */
function seedOf({ endpoint, sampling, choice }: Receipt, { options }: Readonly<Record<string, unknown>>) {
  const seed = sampling.seed - (endpoint === '/v1/responses' ? 0 : choice);
  return endpoint.startsWith('/api/') ? { options: { ...(options ?? {}), seed } } : { seed };
}

/** Through the same endpoint, on a server that nobody else reaches. */
async function replayRequest(
  receipt: Receipt,
  request: Readonly<Record<string, unknown>>,
  { model, version }: ReplayOptions,
): Promise<Receipt> {
  const { app } = createServer({ models: providerOf([model]), chatPage: false, version, onError: () => {} });
  const named = { ...request, model: model.info.name, stream: false, stream_options: undefined };
  const body = { ...named, ...seedOf(receipt, request) };
  const response = await app.request(receipt.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [RECEIPT_HEADER]: 'content' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as {
    steelyard?: { receipts: unknown[] };
    error?: { message: string; param: string | null };
  };
  if (answer.error) {
    throw new RequestError(
      `the request is refused: ${answer.error.message}`,
      answer.error.param ?? undefined,
    );
  }
  const receipts = (answer.steelyard?.receipts ?? []).map((one) => receiptSchema.parse(one));
  const found = receipts.find(({ choice }) => choice === receipt.choice);
  if (found) return found;
  throw new RequestError(
    `the request has ${receipts.length} answers, but the receipt is of answer ${receipt.choice}; give the request that it belongs to`,
    'request',
  );
}
