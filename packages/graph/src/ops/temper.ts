import { ShapeError } from '@steelyard/core';
import { formatType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectDim, expectF32, expectRank, operand } from './shape-rules.ts';

export const temper = defineOp({
  name: 'temper',
  doc: 'x of each token times 1 + by * ln(1 + floor((position + offset) / every)): sharper attention far on.',
  see: "Nakanishi 2025, arXiv:2501.19399; the step of `every` tokens is Llama 4's",
  /** x [T, H, D]; positions i32 [T]. */
  operands: ['x', 'positions'],
  results: ['y'],
  /** every: tokens; offset: 1 where positions count from one. */
  attrs: { by: 'f32', every: 'i32', offset: 'i32' },
  infer(inputs, { every, offset }) {
    const [x, positions] = [operand(inputs, 0), operand(inputs, 1)];
    expectF32([x], ['x']);
    expectRank('x', x, 3);
    if (positions.dtype !== 'i32') throw new ShapeError(`positions must be i32, is ${formatType(positions)}`);
    expectDim('positions', positions.shape[0], x.shape[0]);
    if (every < 1 || offset < 0)
      throw new ShapeError(`every must be from 1 and offset from 0, got ${every}, ${offset}`);
    return [x];
  },
  reference([x, positions], [y], { by, every, offset }) {
    const [from, to] = [(x as ReferenceTensor).f32, (y as ReferenceTensor).f32];
    const [, heads, dim] = (x as ReferenceTensor).shape as [number, number, number];
    const row = heads * dim;
    (positions as ReferenceTensor).i32.forEach((position, t) => {
      const factor = 1 + by * Math.log1p(Math.floor((position + offset) / every));
      for (let i = t * row; i < (t + 1) * row; i++) to[i] = (from[i] as number) * factor;
    });
  },
  sample(random) {
    const tokens = random.int(1, 9);
    return {
      inputs: [
        { shape: [tokens, random.int(1, 4), random.pick([5, 64])], dtype: 'f32' },
        { shape: [tokens], dtype: 'i32', values: random.ints(tokens, 0, 40) },
      ],
      attrs: { by: random.pick([0.1, 0.5]), every: random.pick([1, 8]), offset: random.int(0, 1) },
    };
  },
});
