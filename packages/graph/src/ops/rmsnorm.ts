import type { TensorType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

/** Normalises each row of `x` into `y`: x / sqrt(mean(x^2) + eps) * (w + offset). */
export function rmsnormRows(
  x: Float32Array,
  w: Float32Array | null,
  y: Float32Array,
  width: number,
  eps: number,
  offset: number,
): void {
  for (let at = 0; at < x.length; at += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += (x[at + i] as number) ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++)
      y[at + i] = (x[at + i] as number) * scale * (w ? (w[i] as number) + offset : 1);
  }
}

export function checkNormWeight(name: string, w: TensorType | null | undefined, width: number): void {
  if (!w) return;
  expectRank(name, w, 1);
  expectDim(name, w.shape[0], width);
}

export const rmsnorm = defineOp({
  name: 'rmsnorm',
  doc: 'Root mean square normalisation over the last axis; offset 1 for weights stored around zero.',
  see: 'Zhang and Sennrich 2019, arXiv:1910.07467',
  operands: ['x', 'w?'],
  results: ['y'],
  attrs: { eps: 'f32', offset: 'f32' },
  infer(inputs) {
    expectF32(inputs, ['x', 'w']);
    const x = operand(inputs, 0);
    checkNormWeight('w', inputs[1], lastDim('x', x));
    return [x];
  },
  reference([x, w], [y], { eps, offset }) {
    const input = x as ReferenceTensor;
    rmsnormRows(input.f32, w?.f32 ?? null, (y as ReferenceTensor).f32, input.rowLength, eps, offset);
  },
  sample(random) {
    const width = random.pick([4, 31, 64, 576]);
    const shape = random.pick([
      [random.int(1, 9), width],
      [random.int(1, 4), random.int(1, 4), width],
    ]);
    const w = random.next() < 0.8 ? { shape: [width], dtype: 'f32' as const } : null;
    return { inputs: [{ shape, dtype: 'f32' }, w], attrs: { eps: 1e-5, offset: random.pick([0, 1]) } };
  },
});
