/**
 * One model on one backend: requests become sequences, a loop runs steps while there is work, each step's logits
 * become tokens, tokens become events. One step runs at a time, and JavaScript between steps is small.
 */

import { CapacityError, RequestError, SteelyardError, UnsupportedError } from '@steelyard/core';
import type { Backend, CacheDType, RowKernels } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';
import type { Tokenizer } from '@steelyard/text';
import { checkOptions } from './check-options.ts';
import type { GuideMaker } from './constraint/guide-maker.ts';
import type { Guide } from './constraint/guide.ts';
import { EventStream, type EventSink } from './event-stream.ts';
import { loadStep, meanwhile, type LoadedStep } from './loaded-step.ts';
import { planMemory, type MemoryPlan } from './memory-plan.ts';
import { PagePool } from './page-pool.ts';
import { Request, type End } from './request.ts';
import { SamplerScratch } from './sampler/scratch.ts';
import { Scheduler, type StepPart } from './scheduler.ts';
import { Sequence } from './sequence.ts';
import { StepInputs } from './step-inputs.ts';
import { Turns } from './turn.ts';
import type { EngineStats, GenerateEvent, GenerateOptions } from './types.ts';

export interface EngineOptions {
  /** Bytes for weights, cache and temporaries; absent: a cache of ordinary size within `availableBytes`. */
  readonly memoryBytes?: number;
  /** Bytes that the machine can spare. Default: not known. */
  readonly availableBytes?: number;
  /** Experts need not fit in memory: they stay in the file and are read as tokens choose them, which is slower. */
  readonly expertsOnDisk?: boolean;
  /** Longest sequence, tokens; default and limit the model's own. */
  readonly contextLength?: number;
  /** Tokens per page, as the model was loaded with. */
  readonly pageSize: number;
  /** Storage format of the cache, as the model was loaded with. */
  readonly kvDType: CacheDType;
  /** Tokens per step. Default 512. */
  readonly maxBatchTokens?: number;
  /** Sequences that run at once. Default 32. */
  readonly maxSequences?: number;
  /** Whether steps of few sequences compute guesses at their next tokens too, which changes no answer. Default true. */
  readonly speculation?: boolean;
}

interface EngineParts {
  readonly plan: MemoryPlan;
  readonly model: LoadedModel;
  readonly step: LoadedStep;
  readonly tokenizer: Tokenizer;
  readonly pageSize: number;
  readonly rows: RowKernels | undefined;
  readonly speculates: boolean;
}

const DEFAULT_BATCH_TOKENS = 512;
const DEFAULT_SEQUENCES = 32;

/**
 * What an engine of these options takes.
 * @throws CapacityError with numbers when it does not fit
 */
export function planEngine(model: LoadedModel, options: EngineOptions): MemoryPlan {
  const maxBatchTokens = options.maxBatchTokens ?? Math.max(DEFAULT_BATCH_TOKENS, options.maxSequences ?? 0);
  const maxSequences = options.maxSequences ?? Math.min(DEFAULT_SEQUENCES, maxBatchTokens);
  return planMemory(model, { ...options, maxBatchTokens, maxSequences });
}

/** A prompt's token ids, and how to go on from there. */
export interface Prompted {
  readonly ids: readonly number[];
  readonly options: GenerateOptions;
}

export class Engine {
  readonly plan: MemoryPlan;
  readonly #parts: EngineParts;
  readonly #pool: PagePool;
  readonly #scheduler: Scheduler;
  readonly #scratch: SamplerScratch;
  readonly #requests = new Map<Sequence, Request>();
  readonly #totals = { prompt: 0, cached: 0, completion: 0, steps: 0, guessed: 0, right: 0 };
  readonly #guess = (sequence: Sequence, room: number): readonly number[] =>
    this.#requests.get(sequence)?.guess(room) ?? [];
  readonly #turns = new Turns();
  readonly #inputs: StepInputs;
  /** Loaded when a request is the first to be constrained. */
  #guides: Promise<GuideMaker> | undefined;
  #loop: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  private constructor(parts: EngineParts) {
    const { pages, limits } = parts.plan;
    this.plan = parts.plan;
    this.#parts = parts;
    this.#pool = new PagePool(pages);
    this.#scheduler = new Scheduler(this.#pool, {
      maxBatchTokens: limits.T,
      maxSequences: limits.S,
      maxRows: limits.V,
    });
    this.#inputs = new StepInputs(limits);
    this.#scratch = new SamplerScratch(parts.model.config.vocabSize, parts.rows);
  }

  /**
   * Plans memory, loads weights, allocates the cache, compiles. The caller keeps the backend and the model's file and
   * disposes them after the engine.
   * @param makeTokenizer runs while the backend repacks weights, which leaves this thread idle
   * @throws CapacityError with numbers when it does not fit; UnsupportedError for what the backend cannot
   */
  static async create(
    model: LoadedModel,
    makeTokenizer: () => Tokenizer,
    backend: Backend,
    options: EngineOptions,
  ): Promise<Engine> {
    if (options.expertsOnDisk && !backend.mapsWeights) {
      throw new UnsupportedError(
        `the ${backend.name} backend copies weights to memory, so experts cannot stay on disk; use the cpu backend`,
      );
    }
    const plan = planEngine(model, options);
    const loading = loadStep(model, backend, plan, options);
    const [step, tokenizer] = await meanwhile(loading, makeTokenizer);
    const { pageSize, speculation = true } = options;
    // A recurrent state cannot be taken back to before a wrong guess.
    const speculates = speculation && model.recurrent.length === 0;
    return new Engine({ plan, model, step, tokenizer, pageSize, rows: backend.rows, speculates });
  }

  /**
   * Streams the continuation of a prompt, given as token ids, or as what makes them and settles
   * the options. Work begins at the first `next()`,
   * which rejects with RequestError or CapacityError when the prompt or the options are refused. A reader that leaves
   * (`return()`, or `break` in `for await`) ends the request.
   */
  generate(
    prompt: readonly number[] | (() => Prompted),
    given: GenerateOptions = {},
  ): AsyncIterableIterator<GenerateEvent> {
    return new EventStream((sink) => {
      const { ids, options } = typeof prompt === 'function' ? prompt() : { ids: prompt, options: given };
      if (options.constraint || options.thoughtLimit) return this.#acceptGuided(ids, options, sink);
      const request = this.#accept(ids, options, sink);
      return () => request.finish({ reason: 'abort' });
    });
  }

  /** The same once the grammar is compiled; returns what ends it before or after. */
  #acceptGuided(prompt: readonly number[], options: GenerateOptions, sink: EventSink): () => void {
    let request: Request | undefined;
    let left = false;
    checkOptions(options, this.#parts.model.config.vocabSize);
    const begin = async (): Promise<void> => {
      const guide = await this.#guideFor(prompt, options);
      try {
        if (!left) request = this.#accept(prompt, options, sink, guide);
      } finally {
        if (!request) guide.dispose();
      }
    };
    begin().catch((error: unknown) => sink.fail(error));
    return () => {
      left = true;
      request?.finish({ reason: 'abort' });
    };
  }

  async #guideFor(prompt: readonly number[], options: GenerateOptions): Promise<Guide> {
    const { constraint, thoughtLimit, reply } = options;
    if (constraint) (await import('./constraint/constraint.ts')).checkConstraint(constraint);
    const limit = thoughtLimit && reply && { ...thoughtLimit, prompt, reply };
    const { tokenizer, model } = this.#parts;
    this.#guides ??= import('./constraint/guide-maker.ts').then(
      ({ GuideMaker }) => new GuideMaker(tokenizer, model.config.vocabSize),
    );
    return (await this.#guides).make({ constraint, limit }, { tries: true });
  }

  stats(): EngineStats {
    const { prompt, cached, completion, steps, guessed, right } = this.#totals;
    return {
      running: this.#scheduler.runningCount,
      waiting: this.#scheduler.waitingCount,
      pagesTotal: this.#pool.total,
      pagesFree: this.#pool.freeCount,
      pagesCached: this.#pool.idleCount,
      promptTokensTotal: prompt,
      cachedTokensTotal: cached,
      completionTokensTotal: completion,
      stepsTotal: steps,
      guessedTokensTotal: guessed,
      rightGuessesTotal: right,
      preemptionsTotal: this.#scheduler.preemptions,
      memory: {
        weights: this.#parts.model.weightBytes,
        kv: this.plan.kvBytes + this.plan.recurrentBytes,
        temporaries: this.#parts.step.executable.temporaryBytes,
      },
    };
  }

  /** Aborts what runs and waits, and frees weights and cache once the step in progress is over. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      for (const request of [...this.#requests.values()]) request.finish({ reason: 'abort' });
      await this.#loop;
      this.#parts.step.dispose();
    })();
    return this.#disposed;
  }

  #accept(prompt: readonly number[], options: GenerateOptions, sink: EventSink, guide?: Guide): Request {
    if (this.#disposed) throw new SteelyardError('aborted', 'the model was disposed; open it again');
    checkOptions(options, this.#parts.model.config.vocabSize);
    const room = this.#roomAfter(prompt);
    const { pageSize, tokenizer } = this.#parts;
    const sequence = new Sequence(prompt, this.#pool, {
      pageSize,
      scorePrompt: options.promptLogprobs ?? false,
      // Pages of a prefix without the state that follows it are of no use.
      sharesPages: this.#parts.model.recurrent.length === 0,
    });
    const abort = (): void => request.finish({ reason: 'abort' });
    const onEnd = (): void => {
      options.signal?.removeEventListener('abort', abort);
      this.#requests.delete(sequence);
      this.#scheduler.remove(sequence);
      this.#totals.cached += sequence.cachedTokens;
    };
    const maxTokens = Math.min(options.maxTokens ?? room, room);
    const request = new Request({
      sequence,
      tokenizer,
      options,
      maxTokens,
      scratch: this.#scratch,
      sink,
      onEnd,
      ...(guide && { guide }),
    });
    options.signal?.addEventListener('abort', abort, { once: true });
    if (options.signal?.aborted) {
      abort();
      return request;
    }
    this.#totals.prompt += prompt.length;
    this.#requests.set(sequence, request);
    this.#scheduler.add(sequence);
    this.#loop ??= this.#run();
    return request;
  }

  /** Tokens that the context leaves for an answer. */
  #roomAfter(prompt: readonly number[]): number {
    const { vocabSize } = this.#parts.model.config;
    if (prompt.length === 0) throw new RequestError('the prompt has no tokens; write something', 'prompt');
    const bad = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (bad !== undefined) {
      throw new RequestError(
        `the prompt has token id ${bad}, expected ids from 0 to ${vocabSize - 1}`,
        'prompt',
      );
    }
    const { contextLength } = this.plan;
    if (prompt.length < contextLength) return contextLength - prompt.length;
    const own = this.#parts.model.config.contextLength;
    const why = own > contextLength ? ` (memory leaves so many of the model's ${own})` : '';
    throw new CapacityError(
      `the prompt has ${prompt.length} tokens at least, but prompt and answer share a context of ${contextLength}${why}; shorten the prompt`,
    );
  }

  /**
   * Steps while there is work. What runs for each token awaits only what it must: kernels have swept the caches, and every
   * promise is code that comes from memory.
   */
  async #run(): Promise<void> {
    // Requests that arrive together start together.
    await Promise.resolve();
    const { executable } = this.#parts.step;
    while (this.#requests.size > 0) {
      try {
        const parts = this.#compose();
        let result;
        try {
          result = await executable.run(this.#inputs.of(parts));
        } catch (error) {
          this.#refuse(parts, error);
          continue;
        }
        if (executable.leavesLoop) this.#turns.had();
        this.#pool.confirm();
        this.#totals.steps++;
        await this.#digest(parts, result['logits'] as Float32Array);
      } catch (error) {
        // Only a fault of the engine itself comes here. Nobody may be left waiting for ever.
        for (const request of [...this.#requests.values()]) request.fail(error);
      }
    }
    // In the same turn as the check above, so that no request can come in between and find no loop.
    this.#loop = undefined;
  }

  #compose(): StepPart[] {
    const parts = this.#scheduler.compose(this.#parts.speculates ? this.#guess : undefined);
    if (parts.length === 0) throw new Error('no waiting request can be scheduled');
    for (const { sequence } of parts) this.#requests.get(sequence)?.started();
    return parts;
  }

  /** A step failed: so do the requests that were in it and no others. */
  #refuse(parts: readonly StepPart[], error: unknown): void {
    this.#pool.revoke();
    for (const { sequence } of parts) this.#requests.get(sequence)?.fail(error);
  }

  /** Hands each part its rows of the logits [V, vocab]. */
  async #digest(parts: readonly StepPart[], logits: Float32Array): Promise<void> {
    let at = 0;
    for (const part of parts) {
      const first = at;
      at += part.rows;
      // Absent when it was aborted during the step.
      const request = this.#requests.get(part.sequence);
      if (!request) continue;
      try {
        part.sequence.computed = part.start + part.count - (part.guesses?.length ?? 0);
        const rest = this.#digestPart(request, part, first, logits);
        if (rest) await rest;
      } catch (error) {
        request.fail(error);
      }
      const pause = this.#turns.pause();
      if (pause) await pause;
    }
  }

  /** @param first row of the logits that is the part's first */
  #digestPart(
    request: Request,
    { rows, guesses }: StepPart,
    first: number,
    logits: Float32Array,
  ): Promise<void> | undefined {
    const { sequence } = request;
    if (sequence.scored < sequence.promptLength) return this.#score(request, rows, first, logits);
    if (rows === 0 || sequence.pending > 0) return undefined;
    return guesses
      ? this.#sampleGuessed(request, guesses, first, logits)
      : this.#sample(request, first + rows - 1, logits);
  }

  async #score(request: Request, rows: number, first: number, logits: Float32Array): Promise<void> {
    const { sequence } = request;
    const begin = sequence.computed - rows;
    for (let i = 0; i < rows && sequence.scored < sequence.promptLength; i++) {
      request.score(begin + i, this.#row(first + i, logits));
      await this.#turns.pause();
      if (!this.#requests.has(sequence)) return;
    }
    if (rows > 0 && sequence.pending === 0) await this.#sample(request, first + rows - 1, logits);
  }

  #sample(request: Request, row: number, logits: Float32Array): Promise<void> | undefined {
    const before = request.completionTokens;
    const took = (end: End | undefined): void => {
      this.#totals.completion += request.completionTokens - before;
      if (end) request.finish(end);
    };
    const end = request.sample(this.#row(row, logits));
    if (end instanceof Promise) return end.then(took);
    took(end);
    return undefined;
  }

  #row(row: number, logits: Float32Array): Float32Array {
    const { vocabSize } = this.#parts.model.config;
    return logits.length === vocabSize ? logits : logits.subarray(row * vocabSize, (row + 1) * vocabSize);
  }

  /** A token of each row as long as what was guessed before it is what came. */
  async #sampleGuessed(
    request: Request,
    guesses: readonly number[],
    first: number,
    logits: Float32Array,
  ): Promise<void> {
    const { sequence } = request;
    const before = request.completionTokens;
    let end: End | undefined;
    let right = 0;
    for (; ; right++) {
      end = await request.sample(this.#row(first + right, logits));
      if (end || !this.#requests.has(sequence) || sequence.tokens.at(-1) !== guesses[right]) break;
      sequence.computed++;
    }
    this.#totals.completion += request.completionTokens - before;
    this.#totals.guessed += guesses.length;
    this.#totals.right += right;
    request.learn(guesses.length, right);
    if (end) request.finish(end);
  }
}
