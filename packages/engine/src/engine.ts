/**
 * One model on one backend: requests become sequences, a loop runs steps while there is work, each step's logits
 * become tokens, tokens become events. One step runs at a time; JavaScript between steps is small.
 */

import { CapacityError, RequestError } from '@steelyard/core';
import type { Backend, DeviceTensor, DType, Executable } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';
import type { Tokenizer } from '@steelyard/text';
import { Answer } from './answer.ts';
import { planMemory, type MemoryPlan } from './memory-plan.ts';
import { PagePool } from './page-pool.ts';
import { Sampler } from './sampler/sampler.ts';
import { Scheduler } from './scheduler.ts';
import { Sequence } from './sequence.ts';
import { stepInputs, type PartRows } from './step-inputs.ts';
import type { EngineStats, FinishReason, GenerateEvent, GenerateOptions } from './types.ts';

export interface EngineOptions {
  /** Bytes for weights, cache and temporaries; absent: a cache of one context, at most 16k tokens. */
  readonly memoryBytes?: number;
  readonly contextLength?: number;
  /** Tokens per page; must be that of the loaded model. */
  readonly pageSize: number;
  readonly kvDType: DType;
  /** Tokens per step. Default 512. */
  readonly maxBatchTokens?: number;
  /** Sequences that run at once. Default 64. */
  readonly maxSequences?: number;
}

interface Request {
  readonly sequence: Sequence;
  readonly answer: Answer;
  readonly sampler: Sampler;
  readonly options: GenerateOptions;
  readonly maxTokens: number;
  readonly queuedAt: number;
  startedAt?: number;
  firstTokenAt?: number;
  finished: boolean;
}

/** Rows after which the sampler lets the event loop turn. */
const ROWS_PER_TURN = 8;

export class Engine {
  readonly plan: MemoryPlan;
  readonly #tokenizer: Tokenizer;
  readonly #executable: Executable;
  readonly #tensors: readonly DeviceTensor[];
  readonly #pool: PagePool;
  readonly #scheduler: Scheduler;
  readonly #requests = new Map<Sequence, Request>();
  readonly #pageSize: number;
  readonly #vocabSize: number;
  readonly #totals = { prompt: 0, cached: 0, completion: 0, steps: 0 };
  readonly #weightBytes: number;
  #loop: Promise<void> | undefined;
  #nextId = 0;
  #disposed = false;

  private constructor(parts: {
    plan: MemoryPlan;
    tokenizer: Tokenizer;
    executable: Executable;
    tensors: readonly DeviceTensor[];
    scheduler: (pool: PagePool) => Scheduler;
    model: LoadedModel;
    pageSize: number;
  }) {
    this.plan = parts.plan;
    this.#tokenizer = parts.tokenizer;
    this.#executable = parts.executable;
    this.#tensors = parts.tensors;
    this.#pool = new PagePool(parts.plan.pages);
    this.#scheduler = parts.scheduler(this.#pool);
    this.#pageSize = parts.pageSize;
    this.#vocabSize = parts.model.config.vocabSize;
    this.#weightBytes = parts.model.weightBytes;
  }

  /** Loads weights, allocates the cache, compiles. @throws CapacityError with numbers when it does not fit */
  static async create(
    model: LoadedModel,
    tokenizer: Tokenizer,
    backend: Backend,
    options: EngineOptions,
  ): Promise<Engine> {
    const { maxBatchTokens = 512, maxSequences = 64, pageSize, kvDType } = options;
    const plan = planMemory(model, { ...options, maxBatchTokens, maxSequences });
    const tensors: DeviceTensor[] = [];
    try {
      const keep = (tensor: DeviceTensor): DeviceTensor => {
        tensors.push(tensor);
        return tensor;
      };
      const weights = new Map(
        [...model.weights].map(([name, data]) => [name, keep(backend.loadWeight(data))]),
      );
      const states = new Map(
        model.kv.states.map(({ name, heads, dim }) => [
          name,
          keep(backend.allocateState(kvDType, [plan.pages, heads, pageSize, dim])),
        ]),
      );
      const limits = {
        T: maxBatchTokens,
        S: maxSequences,
        P: Math.ceil(plan.contextLength / pageSize),
        V: maxSequences,
        N: plan.pages,
      };
      const executable = await backend.compile(model.graph, { weights, states, limits });
      const scheduler = (pool: PagePool): Scheduler =>
        new Scheduler(pool, { maxBatchTokens, maxSequences, maxRows: maxSequences });
      return new Engine({ plan, tokenizer, executable, tensors, scheduler, model, pageSize });
    } catch (error) {
      for (const tensor of tensors) tensor.dispose();
      throw error;
    }
  }

  /**
   * Streams the continuation of a prompt of token ids.
   * @throws RequestError, CapacityError on the first `next()`, when the prompt is empty or does not fit
   */
  async *generate(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<GenerateEvent> {
    const request = this.#accept(prompt, options);
    const abort = (): void => this.#finish(request, 'abort');
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted) abort();
    try {
      yield* request.answer.events(abort);
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  stats(): EngineStats {
    return {
      running: this.#scheduler.runningCount,
      waiting: this.#scheduler.waitingCount,
      pagesTotal: this.#pool.total,
      pagesFree: this.#pool.freeCount,
      pagesCached: this.#pool.idleCount,
      promptTokensTotal: this.#totals.prompt,
      cachedTokensTotal: this.#totals.cached,
      completionTokensTotal: this.#totals.completion,
      stepsTotal: this.#totals.steps,
      preemptionsTotal: this.#scheduler.preemptions,
      memory: {
        weights: this.#weightBytes,
        kv: this.plan.kvBytes,
        temporaries: this.#executable.temporaryBytes,
      },
    };
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const request of [...this.#requests.values()]) this.#finish(request, 'abort');
    await this.#loop;
    this.#executable.dispose();
    for (const tensor of this.#tensors) tensor.dispose();
  }

  #accept(prompt: readonly number[], options: GenerateOptions): Request {
    if (this.#disposed) throw new RequestError('the model was disposed; open it again');
    if (prompt.length === 0) throw new RequestError('the prompt has no tokens; write something', 'prompt');
    const bad = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= this.#vocabSize);
    if (bad !== undefined) {
      throw new RequestError(`token id ${bad} is not in the vocabulary of ${this.#vocabSize}`, 'prompt');
    }
    const { contextLength } = this.plan;
    const room = contextLength - prompt.length;
    if (room < 1) {
      throw new CapacityError(
        `the prompt has ${prompt.length} tokens, the context holds ${contextLength} with room for an answer; shorten it`,
      );
    }
    const maxTokens = Math.min(options.maxTokens ?? room, room);
    const sequence = new Sequence(
      this.#nextId++,
      prompt,
      this.#pool,
      this.#pageSize,
      options.promptLogprobs ?? false,
    );
    const request: Request = {
      sequence,
      answer: new Answer(this.#tokenizer, options),
      sampler: new Sampler(options.sampling ?? {}, prompt),
      options,
      maxTokens,
      queuedAt: performance.now(),
      finished: false,
    };
    this.#totals.prompt += prompt.length;
    this.#requests.set(sequence, request);
    this.#scheduler.add(sequence);
    this.#loop ??= this.#run();
    return request;
  }

  /** Steps while there is work. A failed step fails the requests that were in it and no others. */
  async #run(): Promise<void> {
    // Requests that arrive together start together.
    await Promise.resolve();
    while (this.#requests.size > 0) await this.#step();
    // Cleared in the same turn as the check above, so no request can arrive in between and be left waiting.
    this.#loop = undefined;
  }

  async #step(): Promise<void> {
    const parts = this.#scheduler.compose();
    const now = performance.now();
    for (const { sequence } of parts) (this.#requests.get(sequence) as Request).startedAt ??= now;
    const { request, rows } = stepInputs(parts, this.plan.pages);
    try {
      const { logits } = await this.#executable.run(request);
      this.#totals.steps++;
      await this.#digest(rows, logits as Float32Array);
    } catch (error) {
      for (const { sequence } of parts) this.#fail(sequence, error);
    }
  }

  async #digest(rows: readonly PartRows[], logits: Float32Array): Promise<void> {
    let sampled = 0;
    for (const { part, firstRow, rowCount } of rows) {
      const request = this.#requests.get(part.sequence);
      if (!request) continue; // aborted during the step
      part.sequence.advance(part.count);
      const row = (i: number): Float32Array =>
        logits.subarray((firstRow + i) * this.#vocabSize, (firstRow + i + 1) * this.#vocabSize);
      if (part.rows === 'all') this.#digestPrompt(request, part.start, rowCount, row);
      if (rowCount > 0 && part.sequence.pending === 0) this.#sample(request, row(rowCount - 1));
      sampled += rowCount;
      if (sampled >= ROWS_PER_TURN) {
        sampled = 0;
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }

  #digestPrompt(request: Request, start: number, count: number, row: (i: number) => Float32Array): void {
    const { tokens, promptLength } = request.sequence;
    for (let i = 0; i < count; i++) {
      const next = start + i + 1;
      if (next < promptLength) request.answer.pushPrompt(tokens[next] as number, row(i));
    }
    if (start + count >= promptLength) request.answer.promptDone();
  }

  #sample(request: Request, logits: Float32Array): void {
    const { sequence, options } = request;
    if (request.maxTokens < 1) return this.#finish(request, 'length');
    const id = request.sampler.next(logits);
    sequence.tokens.push(id);
    request.firstTokenAt ??= performance.now();
    this.#totals.completion++;
    if (!options.ignoreEos && this.#tokenizer.eosIds.includes(id)) return this.#finish(request, 'stop');
    const stop = request.answer.push(id, logits);
    if (stop !== undefined) return this.#finish(request, 'stop', stop);
    if (sequence.tokens.length - sequence.promptLength >= request.maxTokens) this.#finish(request, 'length');
  }

  #finish(request: Request, reason: FinishReason, stop?: string): void {
    if (request.finished) return;
    request.finished = true;
    const { sequence, queuedAt, startedAt, firstTokenAt } = request;
    const now = performance.now();
    this.#totals.cached += sequence.cachedTokens;
    this.#requests.delete(sequence);
    this.#scheduler.remove(sequence);
    request.answer.finish(
      reason,
      stop,
      {
        promptTokens: sequence.promptLength,
        cachedTokens: sequence.cachedTokens,
        completionTokens: sequence.tokens.length - sequence.promptLength,
      },
      {
        queuedMs: (startedAt ?? now) - queuedAt,
        prefillMs: startedAt === undefined ? 0 : (firstTokenAt ?? now) - startedAt,
        decodeMs: firstTokenAt === undefined ? 0 : now - firstTokenAt,
      },
    );
  }

  #fail(sequence: Sequence, error: unknown): void {
    const request = this.#requests.get(sequence);
    if (!request) return;
    request.finished = true;
    this.#requests.delete(sequence);
    this.#scheduler.remove(sequence);
    request.answer.fail(error);
  }
}
