/** A text's tokens with pages of the cache of their own, one after another. */

import type { PlacedTokens } from '../step-inputs.ts';

export class PlacedText implements PlacedTokens {
  readonly tokens: readonly number[];
  readonly pages: readonly number[];
  readonly stateSlot: number;
  readonly #firstSlot: number;

  constructor(tokens: readonly number[], firstPage: number, pageSize: number, stateSlot: number) {
    this.stateSlot = stateSlot;
    this.tokens = tokens;
    this.pages = Array.from({ length: Math.ceil(tokens.length / pageSize) }, (_, i) => firstPage + i);
    this.#firstSlot = firstPage * pageSize;
  }

  slot(position: number): number {
    return this.#firstSlot + position;
  }
}
