/**
 * An answer in rounds: the model speaks; the calls of the server's tools that it makes are run, their results appended,
 * and it speaks again, until it calls none any more, calls a function of the caller, or a limit is reached.
 */

import type { ChatOptions, GenerateEvent, LanguageModel } from '@steelyard/engine';
import type { ChatMessage } from '@steelyard/text';
import { abortReason, admit, stopOf, type Stop } from '../admission.ts';
import { toChatOptions, type ChatAsk } from '../chat-options.ts';
import type { Call } from '../endpoint.ts';
import { startGeneration, type Generation, type GenerationPlan } from '../generation.ts';
import type { AnyReceipt } from '../receipts/any-receipt.ts';
import { totalUsage, type FinishEvent } from '../schemas/usage.ts';
import { Round } from './round.ts';
import type { ItemStep, LoopEvent, LoopStart, ServerTool, ToolSource } from './server-tool.ts';
import { Toolbox, type ClientTool, type ToolChoice } from './toolbox.ts';

/** Rounds of one answer at most. */
const MAX_ROUNDS = 16;

export interface LoopPlan extends Pick<GenerationPlan, 'model' | 'endpoint' | 'promptParam' | 'onFinish'> {
  readonly messages: readonly ChatMessage[];
  readonly ask: Omit<ChatAsk, 'signal' | 'tools' | 'toolChoice'>;
  readonly client: readonly ClientTool[];
  readonly sources: readonly ToolSource[];
  readonly choice: ToolChoice;
  /** Whether one round may make several calls. */
  readonly parallel: boolean | null | undefined;
  /** Calls of the server's tools at most. Default: as many as the rounds make. */
  readonly maxCalls: number | null | undefined;
  /** Starts one round. */
  readonly start: (
    model: LanguageModel,
    messages: readonly ChatMessage[],
    options: ChatOptions,
  ) => AsyncIterable<GenerateEvent>;
}

export interface LoopGeneration {
  readonly model: LanguageModel;
  readonly events: AsyncGenerator<LoopEvent>;
  /** Stops the model and its tools; harmless when all have ended. */
  readonly abort: () => void;
}

/**
 * Makes the tools ready and starts the first round, so that a request that cannot run still gets its status code.
 * @throws as `startGeneration`
 */
export async function startToolLoop(call: Call<unknown>, plan: LoopPlan): Promise<LoopGeneration> {
  // One round, in which each token goes straight to its reader.
  if (plan.sources.length === 0)
    return startRound(call, plan, new Toolbox(plan.client, [], plan.choice, false));
  const leave = admit(call, plan.model);
  let stop: Stop | undefined;
  let loop: ToolLoop | undefined;
  const abort = () => {
    stop?.abort();
    leave();
    loop?.close();
  };
  try {
    stop = stopOf(call);
    loop = new ToolLoop({ ...call, signal: stop.signal, isAdmitted: true }, plan);
    const model = await loop.open();
    return { model, events: supervise(call, stop, loop, abort), abort };
  } catch (error) {
    const why = stop?.signal.aborted ? abortReason(call, stop.signal) : error;
    abort();
    throw why;
  }
}

/** Tells why it stopped, where it was stopped, and leaves nothing behind. */
async function* supervise(
  call: Call<unknown>,
  { signal }: Stop,
  loop: ToolLoop,
  abort: () => void,
): AsyncGenerator<LoopEvent> {
  try {
    yield* loop.events();
  } catch (error) {
    throw signal.aborted ? abortReason(call, signal) : error;
  } finally {
    abort();
  }
}

class ToolLoop {
  readonly #call: Call<unknown>;
  readonly #plan: LoopPlan;
  /** What was done before the first round. */
  readonly #before: ItemStep[] = [];
  readonly #finishes: FinishEvent[] = [];
  readonly #receipts: AnyReceipt[] = [];
  #messages: readonly ChatMessage[];
  #toolbox: Toolbox;
  #first: Generation | undefined;
  #failure: { readonly error: unknown } | undefined;
  #callsLeft: number;

  constructor(call: Call<unknown>, plan: LoopPlan) {
    this.#call = call;
    this.#plan = plan;
    this.#messages = plan.messages;
    this.#callsLeft = plan.maxCalls ?? Infinity;
    this.#toolbox = new Toolbox(plan.client, [], plan.choice, false);
  }

  /** @returns the model, once it has begun to answer */
  async open(): Promise<LanguageModel> {
    const model = this.#plan.sources.length > 0 ? await this.#makeReady() : undefined;
    try {
      this.#first = await this.#startRound(0);
      return this.#first.model;
    } catch (error) {
      // What a tool has done already is told, whatever became of the answer.
      const acted = this.#before.some((step) => 'done' in step && step.done.type === 'mcp_call');
      if (!acted || !model) throw error;
      this.#failure = { error };
      return model;
    }
  }

  async #makeReady(): Promise<LanguageModel> {
    const { plan, call } = { plan: this.#plan, call: this.#call };
    const model = await call.services.models.get(plan.model);
    const { contextLength, callsTools = false } = model.info;
    const countTokens = (text: string) => model.tokenize(text).length;
    const { signal } = call;
    const start = (): LoopStart => ({
      ...{ messages: this.#messages, contextLength, countTokens, signal },
      // What the whole answer is held to leaves no room for calls.
      callsTools: callsTools && plan.ask.constraint === undefined,
      nameOf: (tool) => this.#toolbox.nameOf(tool),
    });
    const tools: ServerTool[] = [];
    for (const source of plan.sources) {
      const opened = source.open(start());
      tools.push(...(isGenerator(opened) ? await this.#collect(opened) : opened));
    }
    this.#toolbox = new Toolbox(plan.client, tools, plan.choice, true);
    for (const source of plan.sources)
      if (source.first) this.#messages = await this.#collect(source.first(start()));
    return model;
  }

  async #collect<T>(steps: AsyncGenerator<ItemStep, T>): Promise<T> {
    for (;;) {
      const next = await steps.next();
      if (next.done) return next.value;
      this.#before.push(next.value);
    }
  }

  async *events(): AsyncGenerator<LoopEvent> {
    for (const step of this.#before) yield { event: { type: 'item', step } };
    if (this.#failure) throw this.#failure.error;
    let generation = this.#first!;
    /** The calls of a round were refused for the limit, and the next is the last. */
    let isLast = false;
    for (let number = 0; ; number++) {
      const round = new Round({
        toolbox: this.#toolbox,
        sources: this.#plan.sources,
        parallel: this.#plan.parallel,
        // The last but one tells the model that no more are allowed.
        callsLeft: number + 2 < MAX_ROUNDS ? this.#callsLeft : 0,
        signal: this.#call.signal,
      });
      yield* this.#play(round, generation);
      this.#callsLeft -= round.callsRun;
      const cut = this.#finishes.at(-1)!.reason === 'length';
      const limit = this.#tokensLeft();
      if (cut || isLast || !round.goesOn || limit === 0) {
        yield this.#finish(limit === 0 && round.goesOn);
        return;
      }
      this.#messages = [...this.#messages, ...round.messages()];
      isLast = round.callsRun === 0;
      generation = await this.#startRound(number + 1);
    }
  }

  async *#play(round: Round, { events, abort }: Generation): AsyncGenerator<LoopEvent> {
    try {
      for await (const { event, receipts } of events) {
        this.#receipts.push(...(receipts ?? []));
        if (event.type === 'finish') this.#finishes.push(event);
        else for await (const told of round.take(event)) yield { event: told };
      }
      for (const told of round.end()) yield { event: told };
    } finally {
      abort();
    }
  }

  #startRound(number: number): Promise<Generation> {
    return startRound(this.#call, this.#plan, this.#toolbox, {
      ...{ number, messages: this.#messages },
      maxTokens: number === 0 ? this.#plan.ask.maxTokens : this.#tokensLeft(),
    });
  }

  /** Of those that the whole answer may have; undefined where it may have any number. */
  #tokensLeft(): number | undefined {
    const { maxTokens } = this.#plan.ask;
    if (!maxTokens) return undefined;
    const used = this.#finishes.reduce((sum, { usage }) => sum + usage.completionTokens, 0);
    return Math.max(0, maxTokens - used);
  }

  /** @param cut ended for want of tokens, though the model had done */
  #finish(cut: boolean): LoopEvent {
    const sum = (of: (finish: FinishEvent) => number) =>
      this.#finishes.reduce((total, finish) => total + of(finish), 0);
    const last = this.#finishes.at(-1)!;
    const event: FinishEvent = {
      ...last,
      reason: cut ? 'length' : last.reason,
      usage: totalUsage(this.#finishes),
      timing: {
        queuedMs: sum(({ timing }) => timing.queuedMs),
        prefillMs: sum(({ timing }) => timing.prefillMs),
        decodeMs: sum(({ timing }) => timing.decodeMs),
      },
    };
    return { event, ...(this.#receipts.length > 0 ? { receipts: this.#receipts } : {}) };
  }

  close(): void {
    for (const source of this.#plan.sources) void source.close().catch(() => undefined);
  }
}

function startRound(
  call: Call<unknown>,
  plan: LoopPlan,
  toolbox: Toolbox,
  { number, messages, maxTokens } = { number: 0, messages: plan.messages, maxTokens: plan.ask.maxTokens },
): Promise<Generation> {
  const { model, endpoint, promptParam, onFinish, ask } = plan;
  return startGeneration(call, {
    ...{ model, endpoint, promptParam, maxTokens },
    ...(onFinish ? { onFinish } : {}),
    start(loaded, signal) {
      const asked = { ...ask, ...toolbox.offer(number), maxTokens, signal };
      return [plan.start(loaded, messages, toChatOptions(asked))];
    },
  });
}

function isGenerator<T>(opened: T | AsyncGenerator<ItemStep, T>): opened is AsyncGenerator<ItemStep, T> {
  return typeof opened === 'object' && opened !== null && Symbol.asyncIterator in opened;
}
