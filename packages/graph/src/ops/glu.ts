import { ShapeError } from '@steelyard/core';
import { defineOp, type AttrsOf } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { geluErf, geluTanh } from './gelu.ts';
import { expectDim, expectF32, operand } from './shape-rules.ts';

/**
 * alpha: gain of silu's sigmoid, 1 but in gpt-oss. limit: bound on gate from above and on up from both sides, 0 for
 * none. offset: added to up.
 */
const attrs = {
  activation: ['silu', 'gelu', 'gelu_tanh'],
  alpha: 'f32',
  limit: 'f32',
  offset: 'f32',
} as const;

function activate(x: number, { activation, alpha }: AttrsOf<typeof attrs>): number {
  if (activation === 'silu') return x / (1 + Math.exp(-alpha * x));
  return activation === 'gelu' ? geluErf(x) : geluTanh(x);
}

export const glu = defineOp({
  name: 'glu',
  doc: 'activation(gate) * (up + offset): the gated linear unit of an MLP; made by the fuse-glu pass.',
  see: 'Shazeer 2020, arXiv:2002.05202; limit and offset: the gpt-oss model card, arXiv:2508.10925',
  operands: ['gate', 'up'],
  results: ['y'],
  attrs,
  infer(inputs) {
    expectF32(inputs, ['gate', 'up']);
    const [gate, up] = [operand(inputs, 0), operand(inputs, 1)];
    if (gate.shape.length !== up.shape.length) throw new ShapeError('gate and up must have the same shape');
    gate.shape.forEach((dim, i) => expectDim(`axis ${i} of up`, up.shape[i], dim));
    return [gate];
  },
  reference([gate, up], [y], options) {
    const { limit, offset } = options;
    const ups = (up as ReferenceTensor).f32;
    const out = (y as ReferenceTensor).f32;
    (gate as ReferenceTensor).f32.forEach((value, i) => {
      const other = ups[i] as number;
      const [g, u] =
        limit > 0 ? [Math.min(value, limit), Math.max(-limit, Math.min(other, limit))] : [value, other];
      out[i] = activate(g, options) * (u + offset);
    });
  },
  sample(random) {
    const x = { shape: [random.int(1, 9), random.pick([5, 64, 130])], dtype: 'f32' as const };
    return {
      inputs: [x, x],
      attrs: {
        activation: random.pick(attrs.activation),
        alpha: random.pick([1, 1.702]),
        limit: random.pick([0, 0, 1.5]),
        offset: random.pick([0, 1]),
      },
    };
  },
});
