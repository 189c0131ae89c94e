/** `POST /v1/completions`: the continuation of texts or token ids, without a chat template. */

import type { GenerateEvent, GenerateOptions, LanguageModel } from '@steelyard/engine';
import type { Infill } from '@steelyard/text';
import { answerHead, type AnswerHead } from '../answer-head.ts';
import { ChoiceWriter, echoOf, type Prompt } from '../choice-writer.ts';
import { defineEndpoint, type Call } from '../endpoint.ts';
import { startGeneration, streamGeneration, type Generation } from '../generation.ts';
import { ApiError, unsupported } from '../http/api-error.ts';
import { completionRequestSchema, type CompletionRequest } from '../schemas/completion-request.ts';
import {
  completionResponseSchema,
  toCompletionLogprobs,
  type CompletionLogprobs,
  type CompletionResponse,
} from '../schemas/completion-response.ts';
import { best, MeanLogprob } from '../best-of.ts';
import { paddedChunks } from '../obfuscation.ts';
import { withReceipts } from '../receipts/give-receipt.ts';
import type { AnyReceipt } from '../receipts/any-receipt.ts';
import { checkSampling, toGenerateOptions } from '../schemas/sampling.ts';
import { toTimings, toUsage, type FinishEvent } from '../schemas/usage.ts';

const PATH = '/v1/completions';
const DEFAULT_MAX_TOKENS = 16;
/** Prompts times `n`; each is a sequence in the engine. */
const MAX_CHOICES = 256;

export const completions = defineEndpoint({
  method: 'POST',
  path: PATH,
  summary: 'Continuations of prompts.',
  routable: true,
  request: completionRequestSchema,
  response: completionResponseSchema,
  streamEvent: completionResponseSchema,
  async handle(call: Call<CompletionRequest>) {
    const { body } = call;
    const prompts = toPrompts(body.prompt);
    checkBody(body, prompts.length);
    const generation = await startGeneration(call, {
      model: body.model,
      endpoint: PATH,
      promptParam: 'prompt',
      sequences: prompts.length * triesOf(body),
      maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
      choicesPerPrompt: triesOf(body),
      start: (model, signal) => start(model, body, prompts, signal),
    });
    const head = answerHead('cmpl', generation.model.info, call.services.version);
    const writers = choiceWriters(generation.model, body, prompts);
    if (body.stream) {
      const told = chunks(body, head, generation, writers);
      const pads = body.stream_options?.include_obfuscation === true;
      return streamGeneration(call, generation, pads ? paddedChunks(told) : told);
    }
    return Response.json(await collect(body, head, generation, writers));
  },
});

/** Answers to each prompt, of which `n` are chosen. */
function triesOf({ n, best_of: tries }: CompletionRequest): number {
  return tries ?? n ?? 1;
}

function isRanked(body: CompletionRequest): boolean {
  return triesOf(body) > (body.n ?? 1);
}

function toPrompts(prompt: CompletionRequest['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string') return [prompt];
  if (typeof prompt[0] === 'number') return [prompt as number[]];
  return prompt as Prompt[];
}

function checkBody(body: CompletionRequest, promptCount: number): void {
  const n = body.n ?? 1;
  if (body.suffix && body.echo && typeof body.logprobs === 'number') {
    throw unsupported('echo', "'echo' with 'logprobs' and 'suffix'", 'Leave one of them out.');
  }
  if (body.best_of && body.best_of < n) {
    throw new ApiError(
      400,
      `Invalid 'best_of': got ${body.best_of}, expected at least 'n', which is ${n}: as many are chosen.`,
      { param: 'best_of', code: 'invalid_value' },
    );
  }
  if (body.stream && triesOf(body) > n) {
    throw new ApiError(
      400,
      "With 'best_of' above 'n' nothing can be streamed: which are best is known at the end. Remove one of them.",
      { param: 'best_of', code: 'invalid_value' },
    );
  }
  const choices = promptCount * triesOf(body);
  if (choices > MAX_CHOICES) {
    const per = body.best_of ? `best_of = ${body.best_of}` : `n = ${n}`;
    throw new ApiError(
      400,
      `${promptCount} prompts with ${per} make ${choices} choices, expected at most ${MAX_CHOICES}. Send fewer prompts at a time.`,
      { param: 'prompt', code: 'invalid_value' },
    );
  }
}

function start(
  model: LanguageModel,
  body: CompletionRequest,
  prompts: readonly Prompt[],
  signal: AbortSignal,
): AsyncIterable<GenerateEvent>[] {
  checkSampling(body, model.info.vocabSize);
  checkTokenIds(body.prompt, model.info.vocabSize);
  return prompts.flatMap((prompt, at) => {
    const { prompt: given, endTokens } = body.suffix
      ? between(model, body, at)
      : { prompt, endTokens: undefined };
    const options = (i: number) => ({
      ...completionOptions(body, i, signal),
      ...(endTokens ? { endTokens } : {}),
    });
    return Array.from({ length: triesOf(body) }, (_, i) => model.complete(given, options(i)));
  });
}

/** The prompt whose answer belongs between the `at`-th prompt and the suffix. */
function between(model: LanguageModel, { prompt, suffix }: CompletionRequest, at: number): Infill {
  const before = typeof prompt === 'string' ? prompt : prompt[at];
  if (typeof before !== 'string') {
    throw new ApiError(400, "With 'suffix' the prompt must be text: got token ids, expected a string.", {
      param: 'prompt',
      code: 'invalid_type',
    });
  }
  const found = model.infill?.(before, suffix ?? '');
  if (found) return found;
  throw unsupported(
    'suffix',
    `Filling in before a suffix with '${model.info.name}', whose vocabulary has no marks for it,`,
    'Remove it, or use a model that was trained on it: Qwen2.5-Coder, StarCoder, CodeGemma, DeepSeek-Coder, Code Llama.',
  );
}

function checkTokenIds(prompt: CompletionRequest['prompt'], vocabSize: number): void {
  if (typeof prompt === 'string') return;
  prompt.forEach((entry, i) => {
    const ids = Array.isArray(entry) ? entry : [entry];
    const bad = ids.findIndex((id) => typeof id === 'number' && id >= vocabSize);
    if (bad < 0) return;
    const param = Array.isArray(entry) ? `prompt[${i}][${bad}]` : `prompt[${i}]`;
    throw new ApiError(
      400,
      `Invalid '${param}': got token id ${ids[bad]}, expected one below ${vocabSize}.`,
      {
        param,
        code: 'invalid_value',
      },
    );
  });
}

function completionOptions(body: CompletionRequest, choice: number, signal: AbortSignal): GenerateOptions {
  return {
    ...toGenerateOptions(body, choice),
    maxTokens: body.max_tokens ?? DEFAULT_MAX_TOKENS,
    ...(typeof body.logprobs === 'number'
      ? { logprobs: body.logprobs, promptLogprobs: body.echo ?? false }
      : isRanked(body)
        ? { logprobs: 0 }
        : {}),
    signal,
  };
}

function choiceWriters(
  model: LanguageModel,
  body: CompletionRequest,
  prompts: readonly Prompt[],
): ChoiceWriter[] {
  return prompts.flatMap((prompt) => {
    const echo = body.echo ? echoOf(model, prompt) : undefined;
    return Array.from({ length: triesOf(body) }, () => new ChoiceWriter(body.logprobs ?? undefined, echo));
  });
}

async function collect(
  body: CompletionRequest,
  head: AnswerHead,
  generation: Generation,
  writers: readonly ChoiceWriter[],
): Promise<CompletionResponse> {
  const texts = writers.map(() => '');
  // An answer that a stop text ends at once has no tokens.
  const logprobs = writers.map((): CompletionLogprobs | null =>
    typeof body.logprobs === 'number' ? toCompletionLogprobs([], body.logprobs, 0) : null,
  );
  const ranks = writers.map(() => new MeanLogprob());
  const finishes: FinishEvent[] = [];
  const made: (readonly AnyReceipt[])[] = [];
  for await (const { index, event, receipts } of generation.events) {
    const piece = writers[index]!.write(event);
    ranks[index]!.add(event);
    if (receipts) made[index] = receipts;
    if (piece) {
      texts[index] += piece.text;
      logprobs[index] = joined(logprobs[index]!, piece.logprobs);
    }
    if (event.type === 'finish') finishes[index] = event;
  }
  const chosen = isRanked(body)
    ? best(ranks, { of: triesOf(body), n: body.n ?? 1 })
    : texts.map((_, index) => index);
  return {
    ...head,
    object: 'text_completion',
    choices: chosen.map((from, index) => ({
      index,
      text: texts[from]!,
      logprobs: logprobs[from] ?? null,
      finish_reason: finishes[from]?.reason === 'length' ? 'length' : 'stop',
    })),
    usage: toUsage(finishes, triesOf(body)),
    ...toTimings(finishes),
    ...withReceipts(chosen.flatMap((from) => made[from] ?? [])),
  };
}

function joined(a: CompletionLogprobs | null, b: CompletionLogprobs | null): CompletionLogprobs | null {
  if (!a || !b) return a ?? b;
  a.tokens.push(...b.tokens);
  a.token_logprobs.push(...b.token_logprobs);
  a.top_logprobs?.push(...(b.top_logprobs ?? []));
  a.text_offset.push(...b.text_offset);
  return a;
}

async function* chunks(
  body: CompletionRequest,
  head: AnswerHead,
  generation: Generation,
  writers: readonly ChoiceWriter[],
): AsyncGenerator<CompletionResponse> {
  const withUsage = body.stream_options?.include_usage === true;
  const chunk = (choices: CompletionResponse['choices']): CompletionResponse => ({
    ...head,
    object: 'text_completion',
    choices,
    ...(withUsage ? { usage: null } : {}),
  });
  const finishes: FinishEvent[] = [];
  for await (const { index, event, receipts } of generation.events) {
    const piece = writers[index]!.write(event);
    if (piece) yield chunk([{ index, ...piece, finish_reason: null }]);
    if (event.type !== 'finish') continue;
    finishes[index] = event;
    const finish_reason = event.reason === 'length' ? 'length' : 'stop';
    yield { ...chunk([{ index, text: '', logprobs: null, finish_reason }]), ...withReceipts(receipts) };
  }
  if (withUsage) {
    const usage = toUsage(finishes, body.n ?? 1);
    yield { ...chunk([]), usage, ...toTimings(finishes) };
  }
}
