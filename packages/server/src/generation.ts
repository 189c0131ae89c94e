/**
 * Runs the generations of one request: admitted, merged with their choice index, stopped when the client leaves.
 * What the events look like on the wire is the endpoints' business.
 */

import type { GenerateEvent, LanguageModel } from '@steelyard/engine';
import { abortReason, linkedSignal } from './admission.ts';
import type { Call } from './endpoint.ts';
import { promptRefusal, toApiError } from './http/api-error.ts';
import { sseResponse, type SseFrames } from './http/sse.ts';
import { acquireModel, type Lease } from './model-provider.ts';

export interface ChoiceEvent {
  /** Index of the choice that the event belongs to. */
  readonly index: number;
  readonly event: GenerateEvent;
}

export interface Generation {
  readonly model: LanguageModel;
  /** Every choice's events; ends when all have finished. Never holds a `finish` with reason `abort`. */
  readonly events: AsyncGenerator<ChoiceEvent>;
  /** Stops all choices; harmless when they have ended. */
  readonly abort: () => void;
}

export interface GenerationPlan {
  /** Name of the model asked for. */
  readonly model: string;
  /** Path of the endpoint, for the metrics. */
  readonly endpoint: string;
  /** The parameter at fault when the prompt is too long. */
  readonly promptParam: 'messages' | 'prompt' | 'input';
  /** Gives back a place that was taken already. Default: a place is taken now. */
  readonly leave?: () => void;
  /** Starts the choices; each must stop when the signal aborts. */
  readonly start: (model: LanguageModel, signal: AbortSignal) => readonly AsyncIterable<GenerateEvent>[];
}

/**
 * Starts, and waits for the first event, so that a request that cannot run still gets its status code.
 * @throws whatever the provider or the engine throws; ApiError 429 or 503 when the server takes no more
 */
export async function startGeneration(call: Call<unknown>, plan: GenerationPlan): Promise<Generation> {
  const { lifecycle, models } = call.services;
  const leave = plan.leave ?? lifecycle.enter();
  const own = linkedSignal([call.signal, lifecycle.signal]);
  const { signal } = own;
  let lease: Lease<LanguageModel> | undefined;
  const abort = () => {
    own.abort();
    lease?.release();
    leave();
  };
  try {
    lease = await acquireModel(models, plan.model, { signal }).catch((error: unknown) => {
      throw signal.aborted ? abortReason(call) : error;
    });
    const { model } = lease;
    const merged = interleave(plan.start(model, signal));
    const events = supervise(merged, { call, plan, abort, signal });
    const first = await events.next().catch((error: unknown) => {
      throw promptRefusal(error, plan.promptParam);
    });
    return { model, events: withFirst(first, events), abort };
  } catch (error) {
    abort();
    throw error;
  }
}

/** Streams what `chunks` makes of the events; the generation stops when the client stops reading. */
export function streamGeneration(
  call: Call<unknown>,
  generation: Generation,
  chunks: AsyncGenerator<unknown>,
  frames?: SseFrames,
): Response {
  return sseResponse(chunks, {
    ...(frames ? { frames } : {}),
    stallMs: call.services.limits.stallMs,
    onCancel: generation.abort,
    onError(error) {
      generation.abort();
      const { status } = toApiError(error);
      if (status >= 500 && status !== 503) call.services.reportError(error, call.requestId);
    },
  });
}

interface Supervision {
  readonly call: Call<unknown>;
  readonly plan: GenerationPlan;
  readonly abort: () => void;
  readonly signal: AbortSignal;
}

/** Measures, turns an abort into an error that says why, and gives the place up at the end. */
async function* supervise(
  merged: AsyncGenerator<ChoiceEvent>,
  { call, plan, abort, signal }: Supervision,
): AsyncGenerator<ChoiceEvent> {
  const { metrics } = call.services;
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let answered = false;
  try {
    for await (const choice of merged) {
      if (choice.event.type === 'finish' && choice.event.reason === 'abort') throw abortReason(call);
      if (!answered && choice.event.type === 'text') {
        answered = true;
        metrics.observeFirstToken(plan.endpoint, plan.model, seconds());
      }
      yield choice;
    }
    metrics.observeGeneration(plan.endpoint, plan.model, seconds());
  } catch (error) {
    throw signal.aborted ? abortReason(call) : error;
  } finally {
    abort();
  }
}

/** Takes events from whichever stream has one; between streams that all have one, in turn. */
export async function* interleave(
  streams: readonly AsyncIterable<GenerateEvent>[],
): AsyncGenerator<ChoiceEvent> {
  type Taken = { index: number; result: IteratorResult<GenerateEvent> };
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const take = (index: number): Promise<Taken> =>
    iterators[index]!.next().then((result) => ({ index, result }));
  // Map order is the turn: a stream that was served goes to the end.
  const pending = new Map<number, Promise<Taken>>(iterators.map((_, index) => [index, take(index)]));
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      pending.delete(index);
      if (result.done) continue;
      pending.set(index, take(index));
      yield { index, event: result.value };
    }
  } finally {
    for (const promise of pending.values()) promise.catch(() => {});
    // Not awaited: a stream that waits for its engine ends by the abort signal, not by `return`.
    for (const iterator of iterators) void iterator.return?.().catch(() => {});
  }
}

async function* withFirst<T>(first: IteratorResult<T, unknown>, rest: AsyncGenerator<T>): AsyncGenerator<T> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
