import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { checkNormWeight } from './rmsnorm.ts';
import { expectF32, lastDim, operand } from './shape-rules.ts';

export const layernorm = defineOp({
  name: 'layernorm',
  doc: 'Mean and variance normalisation over the last axis, with optional weight and bias.',
  see: 'Ba et al. 2016, arXiv:1607.06450',
  operands: ['x', 'w?', 'bias?'],
  results: ['y'],
  attrs: { eps: 'f32' },
  infer(inputs) {
    expectF32(inputs, ['x', 'w', 'bias']);
    const x = operand(inputs, 0);
    const width = lastDim('x', x);
    checkNormWeight('w', inputs[1], width);
    checkNormWeight('bias', inputs[2], width);
    return [x];
  },
  reference([x, w, bias], [y], { eps }) {
    const width = (x as ReferenceTensor).rowLength;
    const from = (x as ReferenceTensor).f32;
    const to = (y as ReferenceTensor).f32;
    for (let at = 0; at < from.length; at += width) {
      const row = from.subarray(at, at + width);
      const mean = row.reduce((sum, v) => sum + v, 0) / width;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
      const scale = 1 / Math.sqrt(variance + eps);
      for (let i = 0; i < width; i++) {
        to[at + i] =
          ((row[i] as number) - mean) * scale * (w ? (w.f32[i] as number) : 1) + (bias?.f32[i] ?? 0);
      }
    }
  },
  sample(random) {
    const width = random.pick([4, 31, 64, 576]);
    const vector = { shape: [width], dtype: 'f32' as const };
    const optional = (): typeof vector | null => (random.next() < 0.7 ? vector : null);
    return {
      inputs: [{ shape: [random.int(1, 9), width], dtype: 'f32' }, optional(), optional()],
      attrs: { eps: 1e-5 },
    };
  },
});
