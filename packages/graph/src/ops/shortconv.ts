import { ShapeError } from '@steelyard/core';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectRecurrence, placeOperands, runsOf, samplePlaces } from './recurrence.ts';
import { expectDim, expectF32, expectRank, operand } from './shape-rules.ts';

export const shortconv = defineOp({
  name: 'shortconv',
  doc: 'Causal convolution of each channel over its last K inputs, which are kept from step to step.',
  see: 'Gu and Dao 2023, arXiv:2312.00752, section 3.4',
  /**
   * history: state [R, K - 1, D], a sequence's last inputs, oldest first; x [T, D]; w [K, D], its last row for the token
   * itself; bias [D]; positions and sequences i32 [T], as attention has them; slots i32 [S], each sequence's row of
   * history. Tokens of one sequence are adjacent, in order; at position 0 history is taken for zero.
   */
  operands: ['history', 'x', 'w', 'bias?', ...placeOperands],
  results: ['history', 'y'],
  attrs: {},
  aliases: [0],
  infer(inputs) {
    const [history, x, w] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const bias = inputs[3] ?? null;
    expectF32([w, bias], ['w', 'bias']);
    expectRank('w', w, 2);
    const [taps, channels] = w.shape as [number, number];
    if (!(taps >= 2)) throw new ShapeError(`w must have two rows or more, has ${taps}`);
    expectDim('channels of x', x.shape[1], channels);
    if (bias) expectDim('bias', bias.shape[0], channels);
    expectRecurrence(
      history,
      x,
      taps - 1,
      [4, 5, 6].map((i) => operand(inputs, i)),
    );
    return [history, { shape: x.shape, dtype: 'f32' }];
  },
  flops: ([, x, w]) => 2 * (x?.shape[0] ?? 0) * (w?.shape[0] ?? 0) * (w?.shape[1] ?? 0),
  reference(inputs, [history, y]) {
    const [, x, w, bias, positions, sequences, slots] = inputs as ReferenceTensor[];
    const [kept, out] = [(history as ReferenceTensor).f32, (y as ReferenceTensor).f32];
    const [from, weights] = [(x as ReferenceTensor).f32, (w as ReferenceTensor).f32];
    const [taps, channels] = (w as ReferenceTensor).shape as [number, number];
    const before = taps - 1;
    for (const { first, end, slot, fresh } of runsOf(
      positions as ReferenceTensor,
      sequences as ReferenceTensor,
      slots as ReferenceTensor,
    )) {
      const base = slot * before * channels;
      for (let i = 0; i < channels; i++) {
        const past = Array.from({ length: before }, (_, k) =>
          fresh ? 0 : (kept[base + k * channels + i] as number),
        );
        for (let t = first; t < end; t++) past.push(from[t * channels + i] as number);
        for (let t = first; t < end; t++) {
          let sum = bias?.f32[i] ?? 0;
          for (let k = 0; k < taps; k++)
            sum += (weights[k * channels + i] as number) * (past[t - first + k] as number);
          out[t * channels + i] = sum;
        }
        past.slice(-before).forEach((value, k) => (kept[base + k * channels + i] = value));
      }
    }
  },
  sample(random) {
    const [tokens, taps] = [random.int(1, 12), random.pick([2, 3, 4, 4, 7])];
    const channels = random.pick([1, 7, 16, 33, 80]);
    const { slots, places } = samplePlaces(random, tokens);
    return {
      inputs: [
        { shape: [slots, taps - 1, channels], dtype: 'f32' },
        { shape: [tokens, channels], dtype: 'f32' },
        { shape: [taps, channels], dtype: 'f32' },
        random.next() < 0.5 ? { shape: [channels], dtype: 'f32' } : null,
        ...places,
      ],
      attrs: {},
    };
  },
});
