/**
 * Changes to logits before anything is cut, in this order: bias; repetition as in Keskar et al. 2019
 * (arXiv:1909.05858, section 4.1) over prompt and answer, dividing positive and multiplying negative logits;
 * presence and frequency as OpenAI's API documents them, over the answer.
 */

import type { SamplingOptions } from '../types.ts';

export class Penalties {
  /** False when logits stay as they are. */
  readonly active: boolean;
  readonly #bias: readonly (readonly [id: number, bias: number])[];
  readonly #repetition: number;
  readonly #presence: number;
  readonly #frequency: number;
  /** Tokens of prompt and answer. */
  readonly #seen: Set<number>;
  /** Occurrences in the answer, by id. */
  readonly #answered = new Map<number, number>();

  constructor(options: SamplingOptions, prompt: readonly number[]) {
    this.#bias = Object.entries(options.logitBias ?? {}).map(([id, bias]) => [Number(id), bias] as const);
    this.#repetition = options.repetitionPenalty ?? 1;
    this.#presence = options.presencePenalty ?? 0;
    this.#frequency = options.frequencyPenalty ?? 0;
    this.active =
      this.#bias.length > 0 || this.#repetition !== 1 || this.#presence !== 0 || this.#frequency !== 0;
    this.#seen = new Set(this.#repetition === 1 ? [] : prompt);
  }

  /** Counts a token of the answer. */
  count(id: number): void {
    if (!this.active) return;
    this.#answered.set(id, (this.#answered.get(id) ?? 0) + 1);
    this.#seen.add(id);
  }

  /** @param logits [vocab], changed in place */
  apply(logits: Float32Array): void {
    const at = (id: number): number => logits[id] as number;
    for (const [id, bias] of this.#bias) logits[id] = at(id) + bias;
    if (this.#repetition !== 1) {
      for (const id of this.#seen) {
        logits[id] = at(id) > 0 ? at(id) / this.#repetition : at(id) * this.#repetition;
      }
    }
    if (this.#presence === 0 && this.#frequency === 0) return;
    for (const [id, count] of this.#answered) {
      logits[id] = at(id) - this.#presence - this.#frequency * count;
    }
  }
}
