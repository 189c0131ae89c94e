/** A text's tokens with pages of the cache of their own, one after another. */

import type { PlacedTokens } from '../step-inputs.ts';

/** A text, or two that are read together, of which the second begins at `second`. */
export interface TokenText {
  readonly tokens: readonly number[];
  readonly second?: number;
}

export class PlacedText implements PlacedTokens {
  readonly tokens: readonly number[];
  readonly pages: readonly number[];
  readonly stateSlot: number;
  readonly second?: number;
  readonly #firstSlot: number;

  constructor({ tokens, second }: TokenText, firstPage: number, pageSize: number, stateSlot: number) {
    this.stateSlot = stateSlot;
    this.tokens = tokens;
    if (second !== undefined) this.second = second;
    this.pages = Array.from({ length: Math.ceil(tokens.length / pageSize) }, (_, i) => firstPage + i);
    this.#firstSlot = firstPage * pageSize;
  }

  slot(position: number): number {
    return this.#firstSlot + position;
  }
}
