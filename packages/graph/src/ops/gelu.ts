import { elementCount } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { erf } from './erf.ts';
import { randomShape } from './elementwise.ts';
import { expectF32, operand } from './shape-rules.ts';

/** sqrt(2 / pi) */
const ROOT = 0.7978845608028654;
const CUBIC = 0.044715;

export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(ROOT * (x + CUBIC * x * x * x)));
}

export function geluErf(x: number): number {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

export const gelu = defineOp({
  name: 'gelu',
  doc: 'Gaussian error linear unit, exact (erf) or by its tanh approximation.',
  see: 'Hendrycks and Gimpel 2016, arXiv:1606.08415',
  operands: ['x'],
  results: ['y'],
  attrs: { approximate: ['none', 'tanh'] },
  infer(inputs) {
    expectF32(inputs, ['x']);
    return [operand(inputs, 0)];
  },
  reference([x], [y], { approximate }) {
    const from = (x as ReferenceTensor).f32;
    const to = (y as ReferenceTensor).f32;
    const f = approximate === 'tanh' ? geluTanh : geluErf;
    for (let i = 0; i < to.length; i++) to[i] = f(from[i] as number);
  },
  sample(random) {
    const shape = randomShape(random);
    const values = random.normals(elementCount(shape), 3);
    return {
      inputs: [{ shape, dtype: 'f32', values }],
      attrs: { approximate: random.pick(['none', 'tanh'] as const) },
    };
  },
});
