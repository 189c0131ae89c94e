/** Turns the parts of a step into the inputs of a model's step graph. */

import type { RunRequest } from '@steelyard/graph';

/** A sequence's tokens and where they lie in the cache. */
export interface PlacedTokens {
  readonly tokens: readonly number[];
  readonly pages: readonly number[];
  /** Its slot of recurrent states. */
  readonly stateSlot: number;
  /** Cache slot of the token at `position`. */
  slot(position: number): number;
  /** Where a second text begins, of two that are read together. */
  readonly second?: number;
}

/** Tokens of one sequence in a step; results are wanted of the last `rows` of them. */
export interface InputPart {
  readonly sequence: PlacedTokens;
  /** First position computed. */
  readonly start: number;
  readonly count: number;
  readonly rows: number;
  /** Its last tokens, where they are not the sequence's yet. */
  readonly guesses?: readonly number[];
}

interface Sizes {
  /** Tokens. */
  readonly T: number;
  /** Sequences. */
  readonly S: number;
  /** Pages of the longest. */
  readonly P: number;
  /** Rows of results. */
  readonly V: number;
  /** Whether any is two texts. */
  readonly pairs: boolean;
}

/** Inputs of one step after another. While sizes stay, as in decode, so do the arrays: one step's are gone with the next. */
export class StepInputs {
  readonly #limits: { readonly N: number; readonly R: number };
  #sizes: Sizes = { T: 0, S: 0, P: 0, V: 0, pairs: false };
  #inputs = arraysOf(this.#sizes);
  #request: RunRequest | undefined;

  /** @param limits pages in the cache and slots of recurrent states */
  constructor({ N, R }: { readonly N: number; readonly R: number }) {
    this.#limits = { N, R };
  }

  of(parts: readonly InputPart[]): RunRequest {
    const request = this.#requestOf(sizesOf(parts));
    const { tokens, positions, sequences, slots, pages, stateSlots, rows, textTypes } = this.#inputs;
    const width = this.#sizes.P;
    let at = 0;
    let wanted = 0;
    for (let s = 0; s < parts.length; s++) {
      const { sequence, start, count, rows: last, guesses } = parts[s] as InputPart;
      // [S, P]; rows of shorter sequences end in zeros, which no position reaches
      for (let p = 0; p < width; p++) pages[s * width + p] = sequence.pages[p] ?? 0;
      stateSlots[s] = sequence.stateSlot;
      for (let i = 0; i < count; i++) {
        tokens[at + i] = (sequence.tokens[start + i] ??
          guesses?.[start + i - sequence.tokens.length]) as number;
        positions[at + i] = start + i;
        sequences[at + i] = s;
        slots[at + i] = sequence.slot(start + i);
        if (textTypes) textTypes[at + i] = start + i >= (sequence.second ?? Infinity) ? 1 : 0;
      }
      for (let i = count - last; i < count; i++) rows[wanted++] = at + i;
      at += count;
    }
    // A step of prompt chunks only wants no logits; graphs compute at least one row.
    if (wanted === 0) rows[0] = at - 1;
    return request;
  }

  #requestOf(sizes: Sizes): RunRequest {
    const { T, S, P, V, pairs } = this.#sizes;
    const same = T === sizes.T && S === sizes.S && P === sizes.P && V === sizes.V && pairs === sizes.pairs;
    if (same && this.#request) return this.#request;
    this.#sizes = sizes;
    const { textTypes, ...inputs } = (this.#inputs = arraysOf(sizes));
    const dims = { T: sizes.T, S: sizes.S, P: sizes.P, V: sizes.V, ...this.#limits };
    this.#request = { dims, inputs: { ...inputs, ...(textTypes && { textTypes }) } };
    return this.#request;
  }
}

function sizesOf(parts: readonly InputPart[]): Sizes {
  let [T, P, V, pairs] = [0, 0, 0, false];
  for (const { sequence, count, rows } of parts) {
    T += count;
    V += rows;
    P = Math.max(P, sequence.pages.length);
    pairs ||= sequence.second !== undefined;
  }
  return { T, S: parts.length, P, V: Math.max(V, 1), pairs };
}

function arraysOf({ T, S, P, V, pairs }: Sizes) {
  return {
    tokens: new Int32Array(T),
    positions: new Int32Array(T),
    sequences: new Int32Array(T),
    slots: new Int32Array(T),
    pages: new Int32Array(S * P),
    stateSlots: new Int32Array(S),
    rows: new Int32Array(V),
    textTypes: pairs ? new Int32Array(T) : undefined,
  };
}
