import { expectDim, expectF32, expectRank, operand } from './shape-rules.ts';
import type { Value } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';

export const combine = defineOp({
  name: 'combine',
  doc: "The sum of each token's k results, each times its weight: what its experts gave together.",
  see: 'Shazeer et al. 2017, arXiv:1701.06538, equation 1',
  /** x [T, k, n]; weights [T, k], all 1 where absent. */
  operands: ['x', 'weights?'],
  results: ['y'],
  attrs: {},
  infer(inputs) {
    expectF32(inputs, ['x', 'weights']);
    const x = operand(inputs, 0);
    expectRank('x', x, 3);
    const weights = inputs[1];
    if (weights) {
      expectRank('weights', weights, 2);
      for (const axis of [0, 1]) expectDim(`axis ${axis} of weights`, weights.shape[axis], x.shape[axis]);
    }
    return [{ shape: [x.shape[0] as number, x.shape[2] as number], dtype: 'f32' }];
  },
  flops: ([x]) => 2 * (x?.shape.reduce((n, d) => n * d, 1) ?? 0),
  reference([x, weights], [y]) {
    const [tokens, k, width] = (x as ReferenceTensor).shape as [number, number, number];
    const from = (x as ReferenceTensor).f32;
    const to = (y as ReferenceTensor).f32;
    for (let t = 0; t < tokens; t++) {
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let j = 0; j < k; j++) {
          sum += (from[(t * k + j) * width + i] as number) * (weights?.f32[t * k + j] ?? 1);
        }
        to[t * width + i] = sum;
      }
    }
  },
  gradient(g, node, [dy]) {
    if (!dy) return [null, null];
    const [x, weights] = node.inputs as [Value, Value | null];
    const [tokens, k, width] = x.shape as [number, number, number];
    const spread = g.apply('reshape', [dy], { shape: [tokens, 1, width] });
    // Without weights each of the k gets dy itself, spread over zeros of x's shape.
    if (!weights) return [g.apply('add', [g.apply('scale', [x], { by: 0 }), spread]), null];
    const dx = g.apply('mul', [spread, g.apply('reshape', [weights], { shape: [tokens, k, 1] })]);
    const products = g.apply('sumto', [g.apply('mul', [x, spread])], { shape: [tokens, k, 1] });
    return [dx, g.apply('reshape', [products], { shape: [tokens, k] })];
  },
  sample(random) {
    const [tokens, k] = [random.int(1, 9), random.int(1, 8)];
    const x = { shape: [tokens, k, random.pick([1, 5, 64, 130])], dtype: 'f32' as const };
    const weights = random.next() < 0.8 ? { shape: [tokens, k], dtype: 'f32' as const } : null;
    return { inputs: [x, weights], attrs: {} };
  },
});
