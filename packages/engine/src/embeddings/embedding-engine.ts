/**
 * Texts to vectors, or pairs of texts to scores: whole texts side by side in each step, without padding, up to a budget of tokens. Nothing stays in
 * the cache from step to step, but for texts longer than a step, which a model that looks back only computes in
 * chunks. Calls that come together share steps.
 */

import { CapacityError, RequestError } from '@steelyard/core';
import type { Backend, DType } from '@steelyard/graph';
import type { LoadedModel, Pooling } from '@steelyard/models';
import { loadStep, type LoadedStep } from '../loaded-step.ts';
import { planMemory, type MemoryPlan } from '../memory-plan.ts';
import { StepInputs } from '../step-inputs.ts';
import { Turns } from '../turn.ts';
import { PlacedText, type TokenText } from './placed-text.ts';
import { PooledRows } from './pool.ts';
import type { EmbedOptions } from './types.ts';

export interface EmbeddingEngineOptions {
  readonly pooling: Pooling;
  /** What the model was loaded for: hidden states, which are pooled, or a score. Default hidden states. */
  readonly output?: 'hidden' | 'score';
  /** Tokens per page, as the model was loaded with. */
  readonly pageSize: number;
  /** Storage format of the cache, as the model was loaded with. */
  readonly kvDType: DType;
  /** Bytes for weights, cache and temporaries; default what `availableBytes` allows. */
  readonly memoryBytes?: number;
  /** Bytes that the machine can spare. Default: not known. */
  readonly availableBytes?: number;
  /** Longest text, tokens; default and limit the model's own, and DEFAULT_CONTEXT where texts come in chunks. */
  readonly contextLength?: number;
  /** Tokens per step. Default 512, and at least the longest text of an encoder. */
  readonly maxBatchTokens?: number;
  /** Texts per step. Default 32. */
  readonly maxSequences?: number;
}

const DEFAULT_BATCH_TOKENS = 512;
const DEFAULT_SEQUENCES = 32;
/** Tokens; decoders declare contexts whose cache would take gigabytes. */
const DEFAULT_CONTEXT = 8192;

/**
 * What an engine of these options takes.
 * @throws CapacityError with numbers when it does not fit
 */
export function planEmbedding(model: LoadedModel, options: EmbeddingEngineOptions): MemoryPlan {
  const { causal = true, contextLength: own } = model.config;
  const contextLength = Math.min(own, options.contextLength ?? (causal ? DEFAULT_CONTEXT : own));
  const least = causal ? (options.maxSequences ?? 1) : contextLength;
  const maxBatchTokens = Math.max(options.maxBatchTokens ?? DEFAULT_BATCH_TOKENS, least);
  const maxSequences = options.maxSequences ?? Math.min(DEFAULT_SEQUENCES, maxBatchTokens);
  return planMemory(model, {
    ...options,
    contextLength,
    maxBatchTokens,
    maxSequences,
    maxRows: options.pooling === 'last' ? maxSequences : maxBatchTokens,
    cacheTokens: Math.max(maxBatchTokens + maxSequences * options.pageSize, contextLength),
  });
}

interface Job extends TokenText {
  readonly options: EmbedOptions;
  readonly resolve: (vector: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

export class EmbeddingEngine {
  readonly plan: MemoryPlan;
  readonly #model: LoadedModel;
  readonly #step: LoadedStep;
  readonly #options: EmbeddingEngineOptions;
  readonly #queue: Job[] = [];
  readonly #turns = new Turns();
  readonly #inputs: StepInputs;
  #loop: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  private constructor(
    model: LoadedModel,
    step: LoadedStep,
    plan: MemoryPlan,
    options: EmbeddingEngineOptions,
  ) {
    this.#model = model;
    this.#step = step;
    this.plan = plan;
    this.#inputs = new StepInputs(plan.limits);
    this.#options = options;
  }

  /**
   * The model must have been loaded for its hidden states. The caller keeps the backend and the model's file and
   * disposes them after the engine.
   * @throws CapacityError with numbers when it does not fit
   */
  static async create(
    model: LoadedModel,
    backend: Backend,
    options: EmbeddingEngineOptions,
  ): Promise<EmbeddingEngine> {
    const plan = planEmbedding(model, options);
    return new EmbeddingEngine(model, await loadStep(model, backend, plan, options), plan, options);
  }

  /** One vector per list of tokens. */
  async embed(texts: readonly (readonly number[])[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    if (this.#disposed) throw new RequestError('the model was disposed; open it again');
    options.signal?.throwIfAborted();
    this.#check(texts, options);
    return this.#compute(
      texts.map((tokens) => ({ tokens })),
      options,
    );
  }

  /** The score of each two texts, unscaled; for models that were loaded for it. */
  async score(pairs: readonly Required<TokenText>[], signal?: AbortSignal): Promise<number[]> {
    if (this.#disposed) throw new RequestError('the model was disposed; open it again');
    signal?.throwIfAborted();
    const options = { normalise: false, ...(signal && { signal }) };
    this.#check(
      pairs.map(({ tokens }) => tokens),
      options,
    );
    const scores = await this.#compute(pairs, options);
    return scores.map(([score]) => score as number);
  }

  async #compute(texts: readonly TokenText[], options: EmbedOptions): Promise<Float32Array[]> {
    const vectors = texts.map(
      (text) =>
        new Promise<Float32Array>((resolve, reject) => {
          this.#queue.push({ ...text, options, resolve, reject });
        }),
    );
    this.#loop ??= this.#run();
    // All are heard, so that none fails unheard after another.
    const settled = await Promise.allSettled(vectors);
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  /** Refuses what waits, lets the step in progress end, and frees weights and cache. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      const gone = new RequestError('the model was disposed while texts waited; open it again');
      for (const job of this.#queue.splice(0)) job.reject(gone);
      await this.#loop;
      this.#step.dispose();
    })();
    return this.#disposed;
  }

  #check(texts: readonly (readonly number[])[], { dimensions }: EmbedOptions): void {
    const { vocabSize, hiddenSize } = this.#model.config;
    if (
      dimensions !== undefined &&
      !(Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= hiddenSize)
    ) {
      throw new RequestError(
        `dimensions is ${dimensions}, expected a whole number from 1 to ${hiddenSize}`,
        'dimensions',
      );
    }
    texts.forEach((tokens, i) => {
      const bad = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
      if (tokens.length === 0 || bad !== undefined) {
        const what = bad === undefined ? 'no tokens; write something' : `token id ${bad}`;
        throw new RequestError(`text ${i} has ${what}, expected ids from 0 to ${vocabSize - 1}`, 'input');
      }
      const { contextLength } = this.plan;
      if (tokens.length > contextLength) {
        throw new CapacityError(
          `text ${i} has ${tokens.length} tokens at least, the model takes ${contextLength} here; shorten or split it`,
        );
      }
    });
  }

  async #run(): Promise<void> {
    // Calls that are made together start together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#take();
      try {
        await this.#runStep(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
      await this.#turns.pause();
    }
    this.#loop = undefined;
  }

  /** The oldest jobs, as many as a step takes; one that is longer than a step comes alone. */
  #take(): Job[] {
    const { T, S } = this.plan.limits;
    const batch: Job[] = [];
    let [tokens, pages] = [0, 0];
    for (let next = this.#queue[0]; next && batch.length < S; next = this.#queue[0]) {
      const needed = Math.ceil(next.tokens.length / this.#options.pageSize);
      if (next.options.signal?.aborted) next.reject(next.options.signal.reason);
      else if (
        batch.length === 0 ||
        (tokens + next.tokens.length <= T && pages + needed <= this.plan.pages)
      ) {
        batch.push(next);
        tokens += next.tokens.length;
        pages += needed;
      } else break;
      this.#queue.shift();
    }
    return batch;
  }

  async #runStep(batch: readonly Job[]): Promise<void> {
    const { pooling, pageSize, output = 'hidden' } = this.#options;
    const width = output === 'score' ? 1 : this.#model.config.hiddenSize;
    let firstPage = 0;
    const texts = batch.map((job, stateSlot) => {
      const text = new PlacedText(job, firstPage, pageSize, stateSlot);
      firstPage += text.pages.length;
      return { text, pooled: new PooledRows(pooling, width) };
    });
    const longest = Math.max(0, ...batch.map(({ tokens }) => tokens.length));
    // More than one step only for a text that is alone.
    for (let start = 0; start < longest; start += this.plan.limits.T) {
      const parts = texts.map(({ text }) => {
        const count = Math.min(text.tokens.length - start, this.plan.limits.T);
        const ends = start + count === text.tokens.length;
        return { sequence: text, start, count, rows: pooling === 'last' ? Number(ends) : count };
      });
      const result = await this.#step.executable.run(this.#inputs.of(parts));
      const computed = result[output] as Float32Array;
      let row = 0;
      parts.forEach(({ rows }, i) => {
        for (let end = row + rows; row < end; row++) {
          texts[i]?.pooled.add(computed.subarray(row * width, (row + 1) * width));
        }
      });
    }
    batch.forEach(({ options: { dimensions = width, normalise = true }, resolve }, i) =>
      resolve((texts[i] as (typeof texts)[number]).pooled.vector(dimensions, normalise)),
    );
  }
}
