/** Picks the next token of one request from a row of logits. */

import type { SamplingOptions } from '../types.ts';
import { uniformAt } from './counter-random.ts';
import { candidates } from './cuts.ts';
import { applyPenalties, changesLogits } from './penalties.ts';
import { argmax } from './select.ts';

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #seed: number;
  readonly #prompt: ReadonlySet<number>;
  readonly #answered = new Map<number, number>();
  readonly #changes: boolean;
  #drawn = 0;

  /** @param prompt ids of the prompt, which the repetition penalty counts */
  constructor(options: SamplingOptions, prompt: readonly number[]) {
    this.#options = options;
    this.#seed = options.seed ?? Math.floor(Math.random() * 2 ** 48);
    this.#changes = changesLogits(options);
    this.#prompt = this.#changes ? new Set(prompt) : new Set();
  }

  /** @param logits [vocab] float32, not changed */
  next(logits: Float32Array): number {
    let row = logits;
    if (this.#changes) {
      row = logits.slice();
      applyPenalties(row, this.#options, { answered: this.#answered, prompt: this.#prompt });
    }
    const id = (this.#options.temperature ?? 1) === 0 ? argmax(row) : this.#draw(row);
    this.#answered.set(id, (this.#answered.get(id) ?? 0) + 1);
    return id;
  }

  #draw(row: Float32Array): number {
    const { ids, weights } = candidates(row, this.#options);
    const total = weights.reduce((a, b) => a + b, 0);
    let left = uniformAt(this.#seed, this.#drawn++) * total;
    for (let i = 0; i < weights.length; i++) {
      left -= weights[i] as number;
      if (left < 0) return ids ? (ids[i] as number) : i;
    }
    // Rounding can leave a crumb; the last token with weight takes it.
    let last = weights.length - 1;
    while (last > 0 && !((weights[last] as number) > 0)) last--;
    return ids ? (ids[last] as number) : last;
  }
}
