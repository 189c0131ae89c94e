/** A request inside the engine: its sequence, its sampler, its answer, and what is reported of it at the end. */

import type { Tokenizer } from '@steelyard/text';
import { Answer } from './answer.ts';
import type { Guide } from './constraint/guide.ts';
import { Drafter } from './drafter.ts';
import type { EventSink } from './event-stream.ts';
import { randomSeed, Sampler } from './sampler/sampler.ts';
import type { SamplerScratch } from './sampler/scratch.ts';
import type { Sequence } from './sequence.ts';
import type { FinishReason, GenerateOptions, Timing, Trace, Usage } from './types.ts';

/** Why an answer ends. */
export interface End {
  readonly reason: FinishReason;
  readonly stop?: string;
}

export interface RequestParts {
  readonly sequence: Sequence;
  readonly tokenizer: Tokenizer;
  readonly options: GenerateOptions;
  /** Tokens to answer with at most. */
  readonly maxTokens: number;
  readonly scratch: SamplerScratch;
  readonly sink: EventSink;
  /** Keeps the answer to its constraint; the request disposes it. */
  readonly guide?: Guide;
  /** Runs once, when the request ends in any way. */
  readonly onEnd: () => void;
}

export class Request {
  readonly sequence: Sequence;
  readonly #parts: RequestParts;
  readonly #answer: Answer;
  readonly #sampler: Sampler;
  #drafter: Drafter | undefined;
  readonly #seed: number;
  readonly #endIds: ReadonlySet<number>;
  readonly #queuedAt = performance.now();
  #startedAt: number | undefined;
  #firstTokenAt: number | undefined;
  #lastTokenAt: number | undefined;
  #ended = false;

  constructor(parts: RequestParts) {
    const { sequence, tokenizer, options, scratch, sink } = parts;
    this.#parts = parts;
    this.sequence = sequence;
    this.#answer = new Answer(tokenizer, options, sink, sequence.tokens);
    this.#seed = options.sampling?.seed ?? randomSeed();
    const sampling = { ...options.sampling, seed: this.#seed };
    this.#sampler = new Sampler(sampling, sequence.tokens, scratch);
    this.#endIds = new Set(options.ignoreEos ? [] : [...tokenizer.eosIds, ...(options.endTokens ?? [])]);
  }

  get completionTokens(): number {
    return this.sequence.tokens.length - this.sequence.promptLength;
  }

  /** Its first step begins. */
  started(): void {
    this.#startedAt ??= performance.now();
  }

  /** Logits [vocab] of the prompt token at `position` came, and are wanted. */
  score(position: number, logits: Float32Array): void {
    const { tokens, promptLength } = this.sequence;
    if (position + 1 < promptLength) this.#answer.pushPrompt(tokens[position + 1] as number, logits);
    this.sequence.scored = position + 1;
    if (this.sequence.scored === promptLength) this.#answer.promptDone();
  }

  /** What may follow in an answer that has begun, `room` tokens at most: as many as it may still have beside the next. */
  guess(room: number): readonly number[] {
    if (this.completionTokens === 0) return [];
    this.#drafter ??= new Drafter(this.sequence.tokens, this.sequence.promptLength, this.#expected());
    return this.#drafter.guess(Math.min(room, this.#parts.maxTokens - this.completionTokens - 1));
  }

  /** So many guesses were computed, and so many of them came. */
  learn(guessed: number, right: number): void {
    this.#drafter?.learn(guessed, right);
  }

  #expected(): readonly number[] {
    const { tokenizer, options, maxTokens } = this.#parts;
    return tokenizer.encode(options.prediction ?? '', {
      addSpecial: false,
      parseSpecial: false,
      limit: maxTokens,
    });
  }

  /** Takes the next token from the logits [vocab] of the last; returns why the answer ends, if it does. */
  sample(logits: Float32Array): Promise<End | undefined> | End | undefined {
    const { maxTokens, guide } = this.#parts;
    if (maxTokens === 0) return { reason: 'length' };
    return guide ? this.#sampleGuided(logits, guide) : this.#take(this.#sampler.choose(logits), logits);
  }

  async #sampleGuided(logits: Float32Array, guide: Guide): Promise<End | undefined> {
    let id: number;
    do {
      const mask = await guide.mask();
      if (this.#ended) return undefined;
      id = this.#sampler.choose(logits, mask, guide.tried);
    } while (!guide.accept(id));
    return this.#take(id, logits);
  }

  #take(id: number, logits: Float32Array): End | undefined {
    this.#sampler.take(id);
    this.sequence.tokens.push(id);
    this.#lastTokenAt = performance.now();
    this.#firstTokenAt ??= this.#lastTokenAt;
    if (this.#endIds.has(id)) return { reason: 'stop' };
    const stop = this.#answer.push(id, logits);
    if (stop !== undefined) return { reason: 'stop', stop };
    return this.completionTokens >= this.#parts.maxTokens ? { reason: 'length' } : undefined;
  }

  finish({ reason, stop }: End): void {
    if (!this.#end()) return;
    const { trace } = this.#parts.options;
    this.#answer.finish(reason, stop, this.#usage(), this.#timing(), trace ? this.#trace() : undefined);
  }

  fail(error: unknown): void {
    if (this.#end()) this.#parts.sink.fail(error);
  }

  /** False when it has ended before. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#parts.guide?.dispose();
    this.#parts.onEnd();
    return true;
  }

  #trace(): Trace {
    const { tokens, promptLength } = this.sequence;
    const { options, maxTokens } = this.#parts;
    const { stop, ignoreEos, endTokens, constraint, thoughtLimit, reply, sampling } = options;
    return {
      prompt: tokens.slice(0, promptLength),
      answer: tokens.slice(promptLength),
      options: {
        maxTokens,
        ...(stop && { stop }),
        ...(ignoreEos !== undefined && { ignoreEos }),
        ...(endTokens && { endTokens }),
        ...(constraint && { constraint }),
        ...(thoughtLimit && { thoughtLimit }),
        ...(thoughtLimit && reply && { reply }),
        sampling: { ...sampling, seed: this.#seed },
      },
    };
  }

  #usage(): Usage {
    const { promptLength, cachedTokens } = this.sequence;
    const predicted = this.#parts.options.prediction !== undefined && {
      predictedTokens: this.#drafter?.expectedTokens ?? { accepted: 0, rejected: 0 },
    };
    return {
      promptTokens: promptLength,
      cachedTokens,
      completionTokens: this.completionTokens,
      ...predicted,
    };
  }

  #timing(): Timing {
    const now = performance.now();
    const [started, first, last] = [this.#startedAt, this.#firstTokenAt, this.#lastTokenAt];
    return {
      queuedMs: (started ?? now) - this.#queuedAt,
      prefillMs: started === undefined ? 0 : (first ?? now) - started,
      decodeMs: first === undefined || last === undefined ? 0 : last - first,
    };
  }
}
