/**
 * Picks the next token of one request from a row of logits: penalties, temperature, cuts, and a draw that walks what
 * is kept in order of id. Everything but the seed is a function of the row, so batching changes nothing.
 */

import { ROW_BLOCK } from '@steelyard/graph';
import { applyMask } from '../constraint/guide.ts';
import type { SamplingOptions } from '../types.ts';
import { uniformAt } from './counter-random.ts';
import { weigh } from './cuts.ts';
import { Penalties } from './penalties.ts';
import type { SamplerScratch } from './scratch.ts';

/** For who asked for none. */
export function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 52);
}

/** More tokens than an answer has. */
const MAX_DRAWN = 2 ** 24;

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #seed: number;
  readonly #penalties: Penalties;
  readonly #scratch: SamplerScratch;
  /** Tokens drawn: the place in the answer, and in the stream of random numbers. */
  #drawn = 0;

  /** @param prompt ids of the prompt, which the repetition penalty counts */
  constructor(options: SamplingOptions, prompt: readonly number[], scratch: SamplerScratch) {
    this.#options = options;
    this.#seed = options.seed ?? randomSeed();
    this.#penalties = new Penalties(options, prompt);
    this.#scratch = scratch;
  }

  /** Chooses a token and takes it. */
  next(logits: Float32Array, mask?: Int32Array): number {
    const id = this.choose(logits, mask);
    this.take(id);
    return id;
  }

  /**
   * The same token for the same logits and mask until one is taken.
   * @param logits [vocab] float32, not changed
   * @param mask a bit per token that may be taken; absent: all may
   * @param tried how many were chosen here before and did not fit; each draw has a random number of its own
   * @throws Error when they are not numbers that can be compared, or none is left
   */
  choose(logits: Float32Array, mask?: Int32Array, tried = 0): number {
    const row = this.#penalties.active || mask ? this.#changed(logits, mask) : logits;
    const best = this.#scratch.rows.argmax(row);
    if (mask && row[best] === -Infinity) throw new Error('no token can follow under the constraint');
    if (!Number.isFinite(row[best])) {
      throw new Error(`the model gave no usable logits (the largest of ${row.length} is ${row[best]})`);
    }
    return (this.#options.temperature ?? 1) === 0 ? best : this.#draw(row, row[best] as number, tried);
  }

  /** It is the next token of the answer. */
  take(id: number): void {
    this.#penalties.count(id);
    this.#drawn++;
  }

  #changed(logits: Float32Array, mask: Int32Array | undefined): Float32Array {
    this.#scratch.logits.set(logits);
    if (this.#penalties.active) this.#penalties.apply(this.#scratch.logits);
    if (mask) applyMask(this.#scratch.logits, mask);
    return this.#scratch.logits;
  }

  #draw(row: Float32Array, top: number, tried: number): number {
    const { total, count } = weigh(row, top, this.#options, this.#scratch);
    if (Number.isNaN(total)) throw new Error('the model gave logits that are not numbers');
    const { weights, sums, ids } = this.#scratch;
    let left = uniformAt(this.#seed, this.#drawn + tried * MAX_DRAWN) * total;
    if (count !== undefined) return walk(count, (i) => ids[i] as number, weights, left);
    let begin = 0;
    let block = 0;
    // Rounding can leave a crumb after the last weight; the last block with any takes it.
    for (let i = 0; i < sums.length; i++) {
      const sum = sums[i] as number;
      if (sum === 0) continue;
      block = i;
      begin = left;
      left -= sum;
      if (left < 0) break;
    }
    const first = block * ROW_BLOCK;
    return walk(Math.min(ROW_BLOCK, row.length - first), (i) => first + i, weights, begin);
  }
}

/** The token at which the weights of those before it and its own exceed `left`; the last with any where none does. */
function walk(count: number, idOf: (i: number) => number, weights: Float64Array, left: number): number {
  let chosen = idOf(0);
  for (let i = 0; i < count; i++) {
    const id = idOf(i);
    const weight = weights[id] as number;
    if (weight === 0) continue;
    chosen = id;
    left -= weight;
    if (left < 0) break;
  }
  return chosen;
}
