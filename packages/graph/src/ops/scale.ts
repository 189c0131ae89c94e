import { elementCount } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { randomShape } from './elementwise.ts';
import { expectF32, operand } from './shape-rules.ts';

export const scale = defineOp({
  name: 'scale',
  doc: 'x times a fixed number.',
  operands: ['x'],
  results: ['y'],
  attrs: { by: 'f32' },
  infer(inputs) {
    expectF32(inputs, ['x']);
    return [operand(inputs, 0)];
  },
  reference([x], [y], { by }) {
    const from = (x as ReferenceTensor).f32;
    const to = (y as ReferenceTensor).f32;
    for (let i = 0; i < to.length; i++) to[i] = (from[i] as number) * by;
  },
  gradient: (g, _node, [dy], { by }) => [dy ? g.apply('scale', [dy], { by }) : null],
  sample(random) {
    const shape = randomShape(random);
    return {
      inputs: [{ shape, dtype: 'f32', values: random.normals(elementCount(shape)) }],
      attrs: { by: random.normal() },
    };
  },
});
