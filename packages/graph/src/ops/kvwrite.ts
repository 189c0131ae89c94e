import { ShapeError } from '@steelyard/core';
import { formatType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectCache, expectDim, expectF32, expectRank, operand } from './shape-rules.ts';

export const kvwrite = defineOp({
  name: 'kvwrite',
  doc: 'Stores the keys or values of T tokens at their slots (page * page_size + offset) of a paged cache.',
  see: 'Kwon et al. 2023, arXiv:2309.06180',
  /** cache: state [N, Hkv, page_size, D]; x: [T, Hkv, D]; slots: i32 [T], -1 to skip a token. */
  operands: ['cache', 'x', 'slots'],
  results: ['cache'],
  /**
   * byColumn: a page holds element i of a slot at i * page_size + slot, as attention reads keys; else by slot.
   * Blocks (q8_0) are of a slot's own elements. A page holds their codes so arranged, and then all scales, of the
   * first block of every slot, of the second, and so on.
   */
  attrs: { byColumn: 'bool' },
  aliases: [0],
  infer(inputs) {
    const [cache, x, slots] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    expectCache('cache', cache);
    expectRank('x', x, 3);
    expectF32([x], ['x']);
    if (slots.dtype !== 'i32') throw new ShapeError(`slots must be i32, is ${formatType(slots)}`);
    expectDim('slots', slots.shape[0], x.shape[0]);
    expectDim('heads of x', x.shape[1], cache.shape[1]);
    expectDim('head_dim of x', x.shape[2], cache.shape[3]);
    return [cache];
  },
  flops: () => 0,
  reference([, x, slots], [cache], { byColumn }) {
    const to = cache as ReferenceTensor;
    const [, heads, pageSize, dim] = to.shape as [number, number, number, number];
    const from = (x as ReferenceTensor).f32;
    (slots as ReferenceTensor).i32.forEach((slot, t) => {
      if (slot < 0) return;
      const page = Math.floor(slot / pageSize);
      for (let h = 0; h < heads; h++) {
        const start = (page * heads + h) * pageSize * dim;
        const [at, step] = byColumn
          ? [start + (slot % pageSize), pageSize]
          : [start + (slot % pageSize) * dim, 1];
        const row = (t * heads + h) * dim;
        to.round(from.subarray(row, row + dim)).forEach((value, i) => {
          to.f32[at + i * step] = value;
        });
      }
    });
  },
  sample(random) {
    const dtype = random.pick(['f32', 'f16', 'q8_0'] as const);
    const [pages, heads, pageSize, dim] = [
      random.int(1, 4),
      random.int(1, 4),
      random.pick([4, 16, 32]),
      random.pick([dtype === 'q8_0' ? 96 : 8, 64]),
    ];
    const tokens = random.int(1, Math.min(6, pages * pageSize));
    const slots = new Int32Array(tokens);
    const free = Array.from({ length: pages * pageSize }, (_, i) => i);
    for (let t = 0; t < tokens; t++) {
      slots[t] = random.next() < 0.1 ? -1 : (free.splice(random.int(0, free.length - 1), 1)[0] as number);
    }
    return {
      inputs: [
        { shape: [pages, heads, pageSize, dim], dtype },
        { shape: [tokens, heads, dim], dtype: 'f32' },
        { shape: [tokens], dtype: 'i32', values: slots },
      ],
      attrs: { byColumn: random.next() < 0.5 },
    };
  },
});
