import type { TensorType } from '../ir.ts';
import { defineOp } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectRecurrence, placeOperands, runsOf, samplePlaces } from './recurrence.ts';
import { expectDim, expectF32, expectRank, operand } from './shape-rules.ts';

/** state, x, dt, a, b, c, d. */
type Operands = readonly [TensorType, TensorType, TensorType, TensorType, TensorType, TensorType, TensorType];

export const selectivescan = defineOp({
  name: 'selectivescan',
  doc: 'A linear recurrence per channel whose step, input and output weights depend on the token (Mamba).',
  see: 'Gu and Dao 2023, arXiv:2312.00752, algorithm 2',
  /**
   * state [R, N, D], N numbers for each channel of a sequence; x [T, D]; dt [T, D], the step before softplus; a [N, D],
   * negative; b and c [T, N]; d [D], the share of x itself; positions and sequences i32 [T], as attention has them; slots
   * i32 [S], each sequence's row of the state. Tokens of one sequence are adjacent, in order; at position 0 the state is
   * taken for zero. With s = softplus(dt): state = exp(s * a) * state + s * b * x; y = sum over N of c * state, + d * x.
   */
  operands: ['state', 'x', 'dt', 'a', 'b', 'c', 'd', ...placeOperands],
  results: ['state', 'y'],
  attrs: {},
  aliases: [0],
  infer(inputs) {
    const [state, x, dt, a, b, c, d] = inputs as Operands;
    expectF32([dt, a, b, c, d], ['dt', 'a', 'b', 'c', 'd']);
    for (const [name, type] of Object.entries({ dt, a, b, c })) expectRank(name, type, 2);
    expectRecurrence(
      state,
      x,
      a.shape[0],
      [7, 8, 9].map((i) => operand(inputs, i)),
    );
    for (const [name, type] of Object.entries({ dt, b, c }))
      expectDim(`tokens of ${name}`, type.shape[0], x.shape[0]);
    for (const [name, type] of Object.entries({ dt, a }))
      expectDim(`channels of ${name}`, type.shape[1], x.shape[1]);
    for (const [name, type] of Object.entries({ b, c }))
      expectDim(`numbers of ${name}`, type.shape[1], a.shape[0]);
    expectDim('d', d.shape[0], x.shape[1]);
    return [state, { shape: x.shape, dtype: 'f32' }];
  },
  // An exponential counts as one.
  flops: ([, x, , a]) => 7 * (x?.shape[0] ?? 0) * (a?.shape[0] ?? 0) * (a?.shape[1] ?? 0),
  reference(inputs, [state, y]) {
    const [, x, dt, a, b, c, d, positions, sequences, slots] = inputs as ReferenceTensor[];
    const kept = (state as ReferenceTensor).f32;
    const [numbers, channels] = (a as ReferenceTensor).shape as [number, number];
    const at = (tensor: ReferenceTensor | undefined, row: number, i: number): number =>
      tensor?.f32[row * tensor.rowLength + i] as number;
    for (const { first, end, slot, fresh } of runsOf(
      positions as ReferenceTensor,
      sequences as ReferenceTensor,
      slots as ReferenceTensor,
    )) {
      const base = slot * numbers * channels;
      for (let i = 0; i < channels; i++) {
        const h = Array.from({ length: numbers }, (_, n) =>
          fresh ? 0 : (kept[base + n * channels + i] as number),
        );
        for (let t = first; t < end; t++) {
          const step = softplus(at(dt, t, i));
          const input = at(x, t, i);
          let sum = at(d, 0, i) * input;
          for (let n = 0; n < numbers; n++) {
            h[n] = Math.exp(step * at(a, n, i)) * (h[n] as number) + step * at(b, t, n) * input;
            sum += at(c, t, n) * (h[n] as number);
          }
          (y as ReferenceTensor).f32[t * channels + i] = sum;
        }
        h.forEach((value, n) => (kept[base + n * channels + i] = value));
      }
    }
  },
  sample(random) {
    const [tokens, numbers] = [random.int(1, 12), random.pick([1, 3, 8, 16, 17])];
    const channels = random.pick([1, 7, 16, 33, 80]);
    const { slots, places } = samplePlaces(random, tokens);
    const a = random.normals(numbers * channels).map((value) => -Math.exp(value));
    return {
      inputs: [
        { shape: [slots, numbers, channels], dtype: 'f32' },
        { shape: [tokens, channels], dtype: 'f32' },
        { shape: [tokens, channels], dtype: 'f32', values: random.normals(tokens * channels, 4) },
        { shape: [numbers, channels], dtype: 'f32', values: a },
        { shape: [tokens, numbers], dtype: 'f32' },
        { shape: [tokens, numbers], dtype: 'f32' },
        { shape: [channels], dtype: 'f32' },
        ...places,
      ],
      attrs: {},
    };
  },
});

/** ln(1 + e^x), without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
