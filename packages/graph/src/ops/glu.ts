import { ShapeError } from '@steelyard/core';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { geluErf, geluTanh } from './gelu.ts';
import { expectDim, expectF32, operand } from './shape-rules.ts';

const activations = { silu: (x: number) => x / (1 + Math.exp(-x)), gelu: geluErf, gelu_tanh: geluTanh };

export const glu = defineOp({
  name: 'glu',
  doc: 'activation(gate) * up: the gated linear unit of an MLP; made by the fuse-glu pass.',
  see: 'Shazeer 2020, arXiv:2002.05202',
  operands: ['gate', 'up'],
  results: ['y'],
  attrs: { activation: ['silu', 'gelu', 'gelu_tanh'] },
  infer(inputs) {
    expectF32(inputs, ['gate', 'up']);
    const [gate, up] = [operand(inputs, 0), operand(inputs, 1)];
    if (gate.shape.length !== up.shape.length) throw new ShapeError('gate and up must have the same shape');
    gate.shape.forEach((dim, i) => expectDim(`axis ${i} of up`, up.shape[i], dim));
    return [gate];
  },
  reference([gate, up], [y], { activation }) {
    const f = activations[activation];
    const ups = (up as ReferenceTensor).f32;
    const out = (y as ReferenceTensor).f32;
    (gate as ReferenceTensor).f32.forEach((value, i) => {
      out[i] = f(value) * (ups[i] as number);
    });
  },
  sample(random) {
    const x = { shape: [random.int(1, 9), random.pick([5, 64, 130])], dtype: 'f32' as const };
    return { inputs: [x, x], attrs: { activation: random.pick(['silu', 'gelu', 'gelu_tanh'] as const) } };
  },
});
