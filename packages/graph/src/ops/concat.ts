import { defineOp } from '../op.ts';
import type { Value } from '../ir.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

export const concat = defineOp({
  name: 'concat',
  doc: 'Joins heads end to end: the elements of `first`, then those of `rest`.',
  /** [T, H, A], [T, H, B] */
  operands: ['first', 'rest'],
  /** [T, H, A + B] */
  results: ['y'],
  attrs: {},
  infer(inputs) {
    expectF32(inputs, ['first', 'rest']);
    const [first, rest] = [operand(inputs, 0), operand(inputs, 1)];
    expectRank('first', first, 3);
    expectRank('rest', rest, 3);
    for (const axis of [0, 1]) expectDim(`axis ${axis} of rest`, rest.shape[axis], first.shape[axis]);
    const dim = lastDim('first', first) + lastDim('rest', rest);
    return [{ shape: [...first.shape.slice(0, 2), dim], dtype: 'f32' }];
  },
  flops: () => 0,
  reference([first, rest], [y]) {
    const [a, b] = [(first as ReferenceTensor).rowLength, (rest as ReferenceTensor).rowLength];
    const { f32: to } = y as ReferenceTensor;
    for (let head = 0; head < to.length / (a + b); head++) {
      to.set((first as ReferenceTensor).f32.subarray(head * a, (head + 1) * a), head * (a + b));
      to.set((rest as ReferenceTensor).f32.subarray(head * b, (head + 1) * b), head * (a + b) + a);
    }
  },
  gradient(g, node, [dy]) {
    if (!dy) return [null, null];
    return g.applyAll('split', [dy], { at: (node.inputs[0] as Value).shape[2] as number });
  },
  sample(random) {
    const [tokens, heads] = [random.int(1, 9), random.int(1, 5)];
    const part = () => ({ shape: [tokens, heads, random.int(1, 70)], dtype: 'f32' as const });
    return { inputs: [part(), part()], attrs: {} };
  },
});
