/**
 * Which tokens keep a text well-formed UTF-8, as Unicode's table 3-7 has it: no stray byte, no overlong spelling, no half
 * of a pair, nothing past U+10FFFF. Classes of xgrammar take any byte beyond ASCII as the begin of a character.
 */

import { bits } from './bits.ts';

/** Between characters; any other state is within one. */
export const BETWEEN = 0;

/** Of each state within a character: the next byte's range, and the state behind it. */
const WITHIN: readonly (readonly [from: number, to: number, next: number])[] = [
  [0, -1, 0],
  [0x80, 0xbf, BETWEEN],
  [0x80, 0xbf, 1],
  [0x80, 0xbf, 2],
  // Behind E0, ED, F0 and F4.
  [0xa0, 0xbf, 1],
  [0x80, 0x9f, 1],
  [0x90, 0xbf, 2],
  [0x80, 0x8f, 2],
];

/** First bytes by range, and the state behind them. */
const FIRST: readonly (readonly [from: number, to: number, next: number])[] = [
  [0x00, 0x7f, BETWEEN],
  [0xc2, 0xdf, 1],
  [0xe0, 0xe0, 4],
  [0xe1, 0xec, 2],
  [0xed, 0xed, 5],
  [0xee, 0xef, 2],
  [0xf0, 0xf0, 6],
  [0xf1, 0xf3, 3],
  [0xf4, 0xf4, 7],
];

/** The state behind these bytes; undefined where they are not well-formed. */
export function stateAfter(state: number, bytes: Uint8Array): number | undefined {
  for (const byte of bytes) {
    const ways = state === BETWEEN ? FIRST : [WITHIN[state]!];
    const way = ways.find(([from, to]) => from <= byte && byte <= to);
    if (!way) return undefined;
    state = way[2];
  }
  return state;
}

export class WellFormed {
  readonly #vocabulary: readonly Uint8Array[];
  readonly #ends: readonly number[];
  readonly #size: number;
  readonly #masks: Int32Array[] = [];

  /**
   * @param vocabulary each token's bytes, none for what is no text
   * @param ends ids of tokens that end an answer
   * @param size of the masks, in tokens
   */
  constructor(vocabulary: readonly Uint8Array[], ends: readonly number[], size: number) {
    this.#vocabulary = vocabulary;
    this.#ends = ends;
    this.#size = size;
  }

  /** A bit per token that may come in this state, ends between characters among them; not to be changed. */
  mask(state: number): Int32Array {
    return (this.#masks[state] ??= this.#compute(state));
  }

  /** The state behind the token; undefined where it does not fit. */
  after(state: number, id: number): number | undefined {
    if (this.#ends.includes(id)) return state === BETWEEN ? state : undefined;
    const bytes = this.#vocabulary[id];
    return bytes?.length ? stateAfter(state, bytes) : undefined;
  }

  #compute(state: number): Int32Array {
    const ids = this.#vocabulary.flatMap((_, id) => (this.after(state, id) === undefined ? [] : [id]));
    return bits(state === BETWEEN ? [...ids, ...this.#ends] : ids, this.#size);
  }
}
