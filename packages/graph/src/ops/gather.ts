import { ShapeError } from '@steelyard/core';
import { formatType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectRank, operand } from './shape-rules.ts';
import { randomWeight } from './sample-weight.ts';

export const gather = defineOp({
  name: 'gather',
  doc: 'Rows of a table by index, decoded to float32: token embeddings, and the rows whose logits are wanted.',
  operands: ['table', 'rows'],
  results: ['y'],
  attrs: {},
  infer(inputs) {
    const [table, rows] = [operand(inputs, 0), operand(inputs, 1)];
    expectRank('table', table, 2);
    expectRank('rows', rows, 1);
    if (rows.dtype !== 'i32') throw new ShapeError(`rows must be i32, is ${formatType(rows)}`);
    return [{ shape: [rows.shape[0] as number, table.shape[1] as number], dtype: 'f32' }];
  },
  flops: () => 0,
  reference([table, rows], [y]) {
    const width = (y as ReferenceTensor).rowLength;
    const out = (y as ReferenceTensor).f32;
    (rows as ReferenceTensor).i32.forEach((row, i) => {
      (table as ReferenceTensor).readRow(row, out.subarray(i * width, (i + 1) * width));
    });
  },
  sample(random) {
    const rows = random.int(1, 40);
    const count = random.int(1, 9);
    const table = randomWeight(random, rows);
    return {
      inputs: [table, { shape: [count], dtype: 'i32', values: random.ints(count, 0, rows - 1) }],
      attrs: {},
    };
  },
});
