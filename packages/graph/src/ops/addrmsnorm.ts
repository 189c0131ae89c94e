import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { checkNormWeight, rmsnormRows } from './rmsnorm.ts';
import { expectDim, expectF32, lastDim, operand } from './shape-rules.ts';

export const addrmsnorm = defineOp({
  name: 'addrmsnorm',
  doc: 'The residual sum a + b and its rmsnorm in one pass over memory; made by the fuse-residual pass.',
  operands: ['a', 'b', 'w?'],
  results: ['sum', 'y'],
  attrs: { eps: 'f32', offset: 'f32' },
  infer(inputs) {
    expectF32(inputs, ['a', 'b', 'w']);
    const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
    expectDim('rank of b', b.shape.length, a.shape.length);
    a.shape.forEach((dim, i) => expectDim(`axis ${i} of b`, b.shape[i], dim));
    checkNormWeight('w', inputs[2], lastDim('a', a));
    return [a, a];
  },
  reference([a, b, w], [sum, y], { eps, offset }) {
    const total = (sum as ReferenceTensor).f32;
    const other = (b as ReferenceTensor).f32;
    (a as ReferenceTensor).f32.forEach((value, i) => {
      total[i] = value + (other[i] as number);
    });
    rmsnormRows(
      total,
      w?.f32 ?? null,
      (y as ReferenceTensor).f32,
      (sum as ReferenceTensor).rowLength,
      eps,
      offset,
    );
  },
  sample(random) {
    const shape = [random.int(1, 9), random.pick([4, 31, 64, 576])];
    const x = { shape, dtype: 'f32' as const };
    const w = { shape: shape.slice(1), dtype: 'f32' as const };
    return { inputs: [x, x, w], attrs: { eps: 1e-6, offset: random.pick([0, 1]) } };
  },
});
