import { ShapeError } from '@steelyard/core';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { broadcastStrides, forEachBroadcast, randomShape } from './elementwise.ts';
import { broadcastShapes, expectF32, operand } from './shape-rules.ts';

export const sumto = defineOp({
  name: 'sumto',
  doc: 'Sums x over the dims along which `shape` would broadcast to x; the transpose of broadcasting.',
  operands: ['x'],
  results: ['y'],
  attrs: { shape: 'shape' },
  infer(inputs, { shape }) {
    expectF32(inputs, ['x']);
    const from = operand(inputs, 0).shape;
    const joint = broadcastShapes(from, shape);
    if (joint.some((dim, i) => dim !== from[i])) {
      throw new ShapeError(`[${shape.join(', ')}] does not broadcast to [${from.join(', ')}]`);
    }
    return [{ shape, dtype: 'f32' }];
  },
  reference([x], [y]) {
    const from = (x as ReferenceTensor).f32;
    const to = (y as ReferenceTensor).f32;
    const sums = new Float64Array(to.length);
    const shape = (x as ReferenceTensor).shape;
    const strides = [broadcastStrides((y as ReferenceTensor).shape, shape)];
    forEachBroadcast(shape, strides, (flat, [i]) => {
      sums[i as number] = (sums[i as number] as number) + (from[flat] as number);
    });
    to.set(sums);
  },
  sample(random) {
    const from = randomShape(random);
    const shape = random.pick([from.slice(1), from.map((d, i) => (i === from.length - 1 ? 1 : d)), [1]]);
    return { inputs: [{ shape: from, dtype: 'f32' }], attrs: { shape } };
  },
});
