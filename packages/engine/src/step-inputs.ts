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

/** @param limits pages in the cache and slots of recurrent states */
export function stepInputs(
  parts: readonly InputPart[],
  { N, R }: { readonly N: number; readonly R: number },
): RunRequest {
  const total = parts.reduce((sum, { count }) => sum + count, 0);
  const width = Math.max(...parts.map(({ sequence }) => sequence.pages.length));
  const inputs = {
    tokens: new Int32Array(total),
    positions: new Int32Array(total),
    sequences: new Int32Array(total),
    slots: new Int32Array(total),
    // [S, P]; rows of shorter sequences end in zeros, which no position reaches
    pages: new Int32Array(parts.length * width),
    stateSlots: Int32Array.from(parts, ({ sequence }) => sequence.stateSlot),
  };
  const textTypes = parts.some(({ sequence }) => sequence.second !== undefined) && new Int32Array(total);
  const rows: number[] = [];
  let at = 0;
  parts.forEach(({ sequence, start, count, rows: wanted, guesses }, row) => {
    inputs.pages.set(sequence.pages, row * width);
    for (let i = 0; i < count; i++) {
      inputs.tokens[at + i] = (sequence.tokens[start + i] ??
        guesses?.[start + i - sequence.tokens.length]) as number;
      inputs.positions[at + i] = start + i;
      inputs.sequences[at + i] = row;
      inputs.slots[at + i] = sequence.slot(start + i);
      if (textTypes && start + i >= (sequence.second ?? Infinity)) textTypes[at + i] = 1;
    }
    for (let i = count - wanted; i < count; i++) rows.push(at + i);
    at += count;
  });
  // A step of prompt chunks only wants no logits; graphs compute at least one row.
  if (rows.length === 0) rows.push(total - 1);
  const dims = { T: total, S: parts.length, P: width, V: rows.length, N, R };
  return { dims, inputs: { ...inputs, ...(textTypes && { textTypes }), rows: Int32Array.from(rows) } };
}
