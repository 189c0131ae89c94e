import { ShapeError } from '@steelyard/core';
import type { Shape, Value } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { operand } from './shape-rules.ts';

/** Product of the fixed dims, and the symbols, of a shape. */
function factors(shape: Shape): string {
  let product = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    if (typeof dim === 'number') product *= dim;
    else symbols.push(dim);
  }
  return [product, ...symbols.sort()].join(' x ');
}

export const reshape = defineOp({
  name: 'reshape',
  doc: 'The same elements under another shape.',
  operands: ['x'],
  results: ['y'],
  attrs: { shape: 'shape' },
  aliases: [0],
  view: true,
  infer(inputs, { shape }) {
    const x = operand(inputs, 0);
    if (factors(x.shape) !== factors(shape)) {
      throw new ShapeError(`cannot reshape ${factors(x.shape)} elements to ${factors(shape)}`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  reference([x], [y]) {
    (y as ReferenceTensor).f32.set((x as ReferenceTensor).f32);
  },
  gradient: (g, node, [dy]) => [
    dy ? g.apply('reshape', [dy], { shape: (node.inputs[0] as Value).shape }) : null,
  ],
  sample(random) {
    const [a, b] = [random.int(1, 6), random.int(1, 8)];
    return { inputs: [{ shape: [3, a * b], dtype: 'f32' }], attrs: { shape: [3, a, b] } };
  },
});
