import { ShapeError } from '@steelyard/core';
import type { Value } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

export const split = defineOp({
  name: 'split',
  doc: 'Parts each head: its first `at` elements and the rest, as two tensors of their own.',
  /** [T, H, D] */
  operands: ['x'],
  /** [T, H, at], [T, H, D - at] */
  results: ['first', 'rest'],
  attrs: { at: 'i32' },
  infer(inputs, { at }) {
    expectF32(inputs, ['x']);
    const x = operand(inputs, 0);
    expectRank('x', x, 3);
    const dim = lastDim('x', x);
    if (at < 1 || at >= dim) throw new ShapeError(`at must be 1 to ${dim - 1}, is ${at}`);
    const part = (length: number) => ({
      shape: [x.shape[0] as number, x.shape[1] as number, length],
      dtype: 'f32' as const,
    });
    return [part(at), part(dim - at)];
  },
  flops: () => 0,
  reference([x], [first, rest], { at }) {
    const { f32: from, rowLength } = x as ReferenceTensor;
    for (let head = 0; head < from.length / rowLength; head++) {
      const start = head * rowLength;
      (first as ReferenceTensor).f32.set(from.subarray(start, start + at), head * at);
      (rest as ReferenceTensor).f32.set(
        from.subarray(start + at, start + rowLength),
        head * (rowLength - at),
      );
    }
  },
  gradient(g, node, [dfirst, drest]) {
    if (!dfirst && !drest) return [null];
    const [first, rest] = node.outputs as [Value, Value];
    const zeros = (like: Value): Value => g.apply('scale', [like], { by: 0 });
    return [g.apply('concat', [dfirst ?? zeros(first), drest ?? zeros(rest)])];
  },
  sample(random) {
    const at = random.int(1, 70);
    const shape = [random.int(1, 9), random.int(1, 5), at + random.int(1, 70)];
    return { inputs: [{ shape, dtype: 'f32' }], attrs: { at } };
  },
});
