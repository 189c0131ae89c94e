import type { Value } from '../ir.ts';
import { defineOp, type BoundType } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

export const outersum = defineOp({
  name: 'outersum',
  doc: "The sum over T rows of outer products, y = a^T b: the gradient of a linear layer's weight.",
  /** a [T, N], b [T, K]; y [N, K]. */
  operands: ['a', 'b'],
  results: ['y'],
  attrs: {},
  infer(inputs) {
    const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
    expectF32(inputs, ['a', 'b']);
    expectRank('a', a, 2);
    expectRank('b', b, 2);
    expectDim('rows of b', b.shape[0], a.shape[0]);
    return [{ shape: [lastDim('a', a), lastDim('b', b)], dtype: 'f32' }];
  },
  flops([a], [y]) {
    const { shape } = y as BoundType;
    return 2 * ((a as BoundType).shape[0] as number) * shape.reduce((n, dim) => n * dim, 1);
  },
  reference(inputs, [y]) {
    const [a, b] = inputs as [ReferenceTensor, ReferenceTensor];
    const [rows, height] = a.shape as [number, number];
    const width = b.rowLength;
    for (let n = 0; n < height; n++) {
      const sums = new Float64Array(width);
      for (let t = 0; t < rows; t++) {
        const factor = a.f32[t * height + n] as number;
        for (let k = 0; k < width; k++)
          sums[k] = (sums[k] as number) + factor * (b.f32[t * width + k] as number);
      }
      (y as ReferenceTensor).f32.set(sums, n * width);
    }
  },
  gradient(g, node, [dy]) {
    const [a, b] = node.inputs as [Value, Value];
    if (!dy) return [null, null];
    return [
      g.apply('matmul', [b, null, dy], { transposed: true }),
      g.apply('matmul', [a, null, dy], { transposed: false }),
    ];
  },
  sample(random) {
    const rows = random.pick([1, 2, 7, 33, 70]);
    const width = (): number => random.pick([1, 5, 16, 65, 130, 300]);
    return {
      inputs: [
        { shape: [rows, width()], dtype: 'f32' },
        { shape: [rows, width()], dtype: 'f32' },
      ],
      attrs: {},
    };
  },
});
