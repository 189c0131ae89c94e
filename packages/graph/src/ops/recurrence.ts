/** What ops with a recurrent state share: states in slots, and the tokens of a step as runs, one of each sequence. */

import { ShapeError } from '@steelyard/core';
import { formatType, type TensorType } from '../ir.ts';
import type { SampleTensor } from '../op.ts';
import type { Random } from '../random.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank } from './shape-rules.ts';

/** Operands that say which tokens belong together and where their states lie. */
export const placeOperands = ['positions', 'sequences', 'slots'] as const;

/** Tokens [first, end) of one sequence, in order. */
export interface Run {
  readonly first: number;
  readonly end: number;
  /** Row of the state. */
  readonly slot: number;
  /** The sequence begins here, so its state is zero whatever the slot holds. */
  readonly fresh: boolean;
}

/** @throws ShapeError when the state is not [R, rows, channels] f32 or an index operand does not fit */
export function expectRecurrence(
  state: TensorType,
  x: TensorType,
  rows: number | string | undefined,
  places: readonly TensorType[],
): void {
  expectF32([state, x], ['state', 'x']);
  expectRank('state', state, 3);
  expectRank('x', x, 2);
  expectDim('axis 1 of the state', state.shape[1], rows);
  expectDim('channels of the state', state.shape[2], x.shape[1]);
  places.forEach((place, i) => {
    const name = placeOperands[i] as string;
    if (place.dtype !== 'i32') throw new ShapeError(`${name} must be i32, is ${formatType(place)}`);
    expectRank(name, place, 1);
    if (name !== 'slots') expectDim(name, place.shape[0], x.shape[0]);
  });
}

/** Neighbours of one sequence are a run; it goes on from its slot unless its first token is at position 0. */
export function runsOf(
  positions: ReferenceTensor,
  sequences: ReferenceTensor,
  slots: ReferenceTensor,
): Run[] {
  const runs: Run[] = [];
  const rows = sequences.i32;
  for (let first = 0; first < rows.length;) {
    let end = first + 1;
    while (end < rows.length && rows[end] === rows[first]) end++;
    const slot = slots.i32[rows[first] as number] as number;
    runs.push({ first, end, slot, fresh: positions.i32[first] === 0 });
    first = end;
  }
  return runs;
}

/** Random places of `tokens` tokens in up to three sequences, some of which begin and some of which go on. */
export function samplePlaces(random: Random, tokens: number): { slots: number; places: SampleTensor[] } {
  const count = random.int(1, Math.min(3, tokens));
  const slots = count + random.int(0, 2);
  const free = Array.from({ length: slots }, (_, i) => i);
  const taken = Array.from(
    { length: count },
    () => free.splice(random.int(0, free.length - 1), 1)[0] as number,
  );
  const [positions, sequences] = [new Int32Array(tokens), new Int32Array(tokens)];
  let at = 0;
  for (let row = 0; row < count; row++) {
    const length = row === count - 1 ? tokens - at : random.int(1, tokens - at - (count - 1 - row));
    const start = random.next() < 0.5 ? 0 : random.int(1, 30);
    for (let i = 0; i < length; i++, at++) {
      positions[at] = start + i;
      sequences[at] = row;
    }
  }
  const index = (values: Int32Array): SampleTensor => ({ shape: [values.length], dtype: 'i32', values });
  return { slots, places: [positions, sequences, Int32Array.from(taken)].map(index) };
}
