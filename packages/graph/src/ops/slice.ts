import { ShapeError } from '@steelyard/core';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { operand } from './shape-rules.ts';

export const slice = defineOp({
  name: 'slice',
  doc: 'Columns [start, start + length) of axis 1: a view whose rows keep their distance.',
  operands: ['x'],
  results: ['y'],
  attrs: { start: 'i32', length: 'i32' },
  aliases: [0],
  view: true,
  infer(inputs, { start, length }) {
    const x = operand(inputs, 0);
    const axis = x.shape[1];
    if (x.shape.length < 2 || typeof axis !== 'number') throw new ShapeError('x must have a fixed axis 1');
    if (start < 0 || length < 1 || start + length > axis) {
      throw new ShapeError(`columns ${start} to ${start + length} lie outside axis 1 of ${axis}`);
    }
    return [{ shape: [x.shape[0] as number, length, ...x.shape.slice(2)], dtype: x.dtype }];
  },
  reference([x], [y], { start }) {
    const from = x as ReferenceTensor;
    const to = y as ReferenceTensor;
    const inner = from.shape.slice(2).reduce((n, d) => n * d, 1);
    const fromRow = (from.shape[1] as number) * inner;
    const toRow = (to.shape[1] as number) * inner;
    for (let row = 0; row < (to.shape[0] as number); row++) {
      const at = row * fromRow + start * inner;
      to.f32.set(from.f32.subarray(at, at + toRow), row * toRow);
    }
  },
  sample(random) {
    const start = random.int(0, 5);
    const length = random.int(1, 40);
    const shape = [random.int(1, 6), start + length + random.int(0, 3), ...random.pick([[], [8]])];
    return { inputs: [{ shape, dtype: 'f32' }], attrs: { start, length } };
  },
});
