/**
 * Runs the generations of one request: admitted, merged with their choice index, stopped when the client leaves.
 * What the events look like on the wire is the endpoints' business.
 */

import type { GenerateEvent, LanguageModel } from '@steelyard/engine';
import type { UsageKind } from '@steelyard/storage';
import { abortReason, admit, stopOf, type Stop } from './admission.ts';
import type { Call } from './endpoint.ts';
import { isFault, promptRefusal, toApiError, type ApiError } from './http/api-error.ts';
import { sseResponse, type SseFrames } from './http/sse.ts';
import { acquireModel, type Lease } from './model-provider.ts';
import type { Place } from './queue/fair-queue.ts';
import type { Demand } from './queue/queues.ts';
import { ReadAhead } from './read-ahead.ts';
import { giveReceipt, receiptWish, traced, type ReceiptWish } from './receipts/give-receipt.ts';
import type { AnyReceipt } from './receipts/any-receipt.ts';
import type { FinishEvent } from './schemas/usage.ts';
import { GenerationWatch } from './telemetry/generation-watch.ts';

/** Characters of a choice that its reader may be behind before the engine is held up: any ordinary answer. */
const AHEAD = 1 << 20;

export interface ChoiceEvent {
  /** Index of the choice that the event belongs to. */
  readonly index: number;
  readonly event: GenerateEvent;
  /** With its end, where they are wanted: one, or where tools were called one for each time that the model spoke. */
  readonly receipts?: readonly AnyReceipt[];
}

export interface Generation {
  readonly model: LanguageModel;
  /** Every choice's events; ends when all have finished. Never holds a `finish` with reason `abort`. */
  readonly events: AsyncGenerator<ChoiceEvent>;
  /** Stops all choices; harmless when they have ended. */
  readonly abort: () => void;
}

export interface GenerationPlan extends Demand {
  /** Name of the model asked for. */
  readonly model: string;
  /** Path of the endpoint, for the metrics. */
  readonly endpoint: string;
  /** What its tokens are counted as. Default `completions`. */
  readonly usageKind?: UsageKind;
  /** How long the model stays loaded from now on once nobody uses it. */
  readonly keepAliveMs?: number;
  /** The parameter at fault when the prompt is too long. */
  readonly promptParam: 'messages' | 'prompt' | 'input';
  /** Choices that share a prompt, whose tokens then count once. Default 1. */
  readonly choicesPerPrompt?: number;
  /** Hears of the end of each choice, of one that was stopped too. */
  readonly onFinish?: (finish: FinishEvent) => void;
  /** Starts the choices; each must stop when the signal aborts. */
  readonly start: (model: LanguageModel, signal: AbortSignal) => readonly AsyncIterable<GenerateEvent>[];
}

/**
 * Starts, and waits for the first event, so that a request that cannot run still gets its status code.
 * @throws whatever the provider or the engine throws; ApiError 429 or 503 when the server takes no more
 */
export async function startGeneration(call: Call<unknown>, plan: GenerationPlan): Promise<Generation> {
  const wish = receiptWish(call);
  const leave = admit(call, plan.model);
  const stop = stopOf(call);
  const watch = new GenerationWatch(call, plan);
  let held: Held | undefined;
  const abort = (error?: unknown) => {
    stop.abort();
    watch.end(error);
    held?.place.done();
    held?.lease.release();
    leave();
  };
  try {
    held = await hold(call, plan, stop, watch);
    const { model } = held.lease;
    const asked = wish === 'none' ? model : traced(model);
    const merged = interleave(
      readAhead(
        plan.start(asked, stop.signal).map((choice) => watch.events(choice)),
        held.place,
        (index, finish) => {
          const isFirst = index % (plan.choicesPerPrompt ?? 1) === 0;
          watch.finished(finish, isFirst);
          chargeFor(call, { ...plan, model: model.info.name }, finish, isFirst);
          plan.onFinish?.(finish);
        },
      ),
    );
    const events = supervise(merged, { call, plan, abort, signal: stop.signal, model, wish });
    const first = await events.next().catch((error: unknown) => {
      throw promptRefusal(error, plan.promptParam);
    });
    return { model, events: withFirst(first, events), abort: () => abort(leftEarly(call)) };
  } catch (error) {
    abort(error);
    throw error;
  }
}

/** What a generation has while it runs. */
interface Held {
  readonly lease: Lease<LanguageModel>;
  readonly place: Place;
}

/** @throws why it stopped, when it did so while it waited */
async function hold(
  call: Call<unknown>,
  plan: GenerationPlan,
  stop: Stop,
  watch: GenerationWatch,
): Promise<Held> {
  const { models, queues } = call.services;
  const { signal } = stop;
  let lease: Lease<LanguageModel> | undefined;
  try {
    lease = await acquireModel(models, plan.model, {
      signal,
      ...(plan.keepAliveMs === undefined ? {} : { keepAliveMs: plan.keepAliveMs }),
    });
    const { name } = lease.model.info;
    watch.loaded(name);
    const place = await queues.enter(call, name, plan, stop);
    watch.placed();
    return { lease, place };
  } catch (error) {
    lease?.release();
    throw signal.aborted ? abortReason(call, signal) : error;
  }
}

/** The choices, read as they come. When all have ended, the engine's place is free, whatever their readers do. */
function readAhead(
  choices: readonly AsyncIterable<GenerateEvent>[],
  place: Place,
  onFinish: (index: number, finish: FinishEvent) => void,
): readonly AsyncIterable<GenerateEvent>[] {
  let running = choices.length;
  let tokens = 0;
  return choices.map(
    (choice, index) =>
      new ReadAhead(choice, {
        sizeOf,
        limit: AHEAD,
        onEnd(last) {
          if (last?.type === 'finish') {
            tokens += tokensOf(last);
            onFinish(index, last);
          }
          if (--running === 0) place.done(tokens);
        },
      }),
  );
}

function sizeOf(event: GenerateEvent): number {
  return 'text' in event ? event.text.length : 0;
}

/** Those that were computed. */
function tokensOf({ usage }: FinishEvent): number {
  return usage.promptTokens - usage.cachedTokens + usage.completionTokens;
}

/** Streams what `chunks` makes of the events; the generation stops when the client stops reading. */
export function streamGeneration(
  call: Call<unknown>,
  generation: Pick<Generation, 'abort'>,
  chunks: AsyncGenerator<unknown>,
  frames?: SseFrames,
): Response {
  return sseResponse(chunks, {
    ...(frames ? { frames } : {}),
    stallMs: call.services.limits.stallMs,
    onCancel: generation.abort,
    onError(error) {
      generation.abort();
      if (isFault(toApiError(error))) call.services.reportError(error, call.requestId);
    },
  });
}

interface Supervision {
  readonly call: Call<unknown>;
  readonly plan: GenerationPlan;
  readonly abort: (error?: unknown) => void;
  readonly signal: AbortSignal;
  readonly model: LanguageModel;
  readonly wish: ReceiptWish;
}

/** Turns an abort into an error that says why, and gives the place up at the end. */
async function* supervise(
  merged: AsyncGenerator<ChoiceEvent>,
  { call, plan, abort, signal, model, wish }: Supervision,
): AsyncGenerator<ChoiceEvent> {
  const withReceipt = async (choice: ChoiceEvent, finish: FinishEvent): Promise<ChoiceEvent> => {
    const ended = { endpoint: plan.endpoint, choice: choice.index, model, finish };
    const receipt = await giveReceipt(call, wish, ended);
    return receipt ? { ...choice, receipts: [receipt] } : choice;
  };
  try {
    for await (const choice of merged) {
      if (choice.event.type === 'finish' && choice.event.reason === 'abort') throw abortReason(call, signal);
      yield choice.event.type === 'finish' && wish !== 'none'
        ? await withReceipt(choice, choice.event)
        : choice;
    }
    abort();
  } catch (error) {
    const why = signal.aborted ? abortReason(call, signal) : error;
    abort(why);
    throw why;
  } finally {
    // Its reader left.
    abort(leftEarly(call));
  }
}

/** For an answer that nobody reads to its end. */
function leftEarly(call: Call<unknown>): ApiError {
  return abortReason(call, AbortSignal.abort());
}

/** What was computed is counted, for an aborted answer too. */
function chargeFor(
  { caller, services }: Call<unknown>,
  { model, usageKind }: Pick<GenerationPlan, 'model' | 'usageKind'>,
  { usage }: FinishEvent,
  isFirst: boolean,
): void {
  services.charge(caller, {
    model,
    ...(usageKind ? { kind: usageKind } : {}),
    inputTokens: isFirst ? usage.promptTokens : 0,
    cachedTokens: isFirst ? usage.cachedTokens : 0,
    outputTokens: usage.completionTokens,
  });
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
