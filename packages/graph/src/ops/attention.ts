import { ShapeError } from '@steelyard/core';
import { formatType, type TensorType } from '../ir.ts';
import { defineOp, type AttrsOf, type BoundType } from '../op.ts';
import type { Random } from '../random.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { expectCache, expectDim, expectF32, expectRank, operand } from './shape-rules.ts';

/**
 * scale: factor on q . k. window: a token sees itself and the window - 1 tokens before it, 0 for all.
 * chunk: it sees only its own chunk of that many positions (Llama 4), 0 for all. softcap: scores become
 * softcap * tanh(score / softcap), 0 for none. causal: it sees nothing after itself; else it sees its sequence up
 * to the last token of this step, and window counts to both sides.
 */
const attrs = { scale: 'f32', window: 'i32', chunk: 'i32', softcap: 'f32', causal: 'bool' } as const;

export const attention = defineOp({
  name: 'attention',
  doc: 'Attention, causal or not, of T query tokens over the paged keys and values of their sequences; grouped heads.',
  see: 'Kwon et al. 2023, arXiv:2309.06180; Dao 2023, arXiv:2307.08691; sinks: the gpt-oss model card',
  /**
   * q [T, H, D]; keys [N, Hkv, page_size, D], pages stored by column (see kvwrite); values [N, Hkv, page_size, Dv];
   * positions i32 [T], a token's place in its sequence; sequences i32 [T], its row of pages i32 [S, P]; sinks [H], a logit that takes
   * part in the softmax and carries no value. Tokens of one sequence are adjacent, in order of position.
   */
  operands: ['q', 'keys', 'values', 'positions', 'sequences', 'pages', 'sinks?'],
  results: ['y'],
  attrs,
  infer(inputs) {
    const [q, keys, values, positions, sequences, pages] = [0, 1, 2, 3, 4, 5].map((i) =>
      operand(inputs, i),
    ) as [TensorType, TensorType, TensorType, TensorType, TensorType, TensorType];
    expectF32([q], ['q']);
    expectRank('q', q, 3);
    expectCache('keys', keys);
    expectCache('values', values);
    expectRank('pages', pages, 2);
    for (const [name, t] of Object.entries({ positions, sequences, pages })) {
      if (t.dtype !== 'i32') throw new ShapeError(`${name} must be i32, is ${formatType(t)}`);
    }
    expectDim('positions', positions.shape[0], q.shape[0]);
    expectDim('sequences', sequences.shape[0], q.shape[0]);
    expectDim('head_dim of keys', keys.shape[3], q.shape[2]);
    for (const axis of [0, 1, 2]) expectDim(`axis ${axis} of values`, values.shape[axis], keys.shape[axis]);
    const [heads, kvHeads] = [q.shape[1] as number, keys.shape[1] as number];
    if (heads % kvHeads !== 0) throw new ShapeError(`${heads} heads do not divide among ${kvHeads} kv heads`);
    const sinks = inputs[6];
    if (sinks) expectDim('sinks', sinks.shape[0], heads);
    return [{ shape: [q.shape[0] as number, heads, values.shape[3] as number], dtype: 'f32' }];
  },
  // An upper bound: shapes do not say how long each sequence is.
  flops([q, keys, , , , pages], [y]) {
    const [[tokens = 0, heads = 0, dim = 0], pageSize = 0, longest = 0, valueDim = 0] = [
      (q as BoundType).shape,
      keys?.shape[2],
      pages?.shape[1],
      y?.shape[2],
    ];
    return 2 * tokens * heads * (dim + valueDim) * longest * pageSize;
  },
  reference(inputs, [y], options) {
    const [q, keys, values, positions, sequences, pages, sinks] = inputs as ReferenceTensor[];
    const [tokens, heads] = (q as ReferenceTensor).shape as [number, number];
    for (let t = 0; t < tokens; t++) {
      const row = (sequences as ReferenceTensor).i32[t] as number;
      const width = (pages as ReferenceTensor).rowLength;
      const table = (pages as ReferenceTensor).i32.subarray(row * width, (row + 1) * width);
      const position = (positions as ReferenceTensor).i32[t] as number;
      const end = options.causal
        ? position
        : lastPosition(positions as ReferenceTensor, sequences as ReferenceTensor, t);
      const visible = visibleFrom(position, end, options);
      for (let h = 0; h < heads; h++) {
        attendHead(
          q as ReferenceTensor,
          keys as ReferenceTensor,
          values as ReferenceTensor,
          y as ReferenceTensor,
          {
            t,
            h,
            visible,
            table,
            sink: sinks?.f32[h],
            options,
          },
        );
      }
    }
  },
  sample: sampleAttention,
});

interface HeadCase {
  readonly t: number;
  readonly h: number;
  /** First and last position that the token sees. */
  readonly visible: readonly [number, number];
  readonly table: Int32Array;
  readonly sink: number | undefined;
  readonly options: AttrsOf<typeof attrs>;
}

/** Position of the last token in this step of the sequence that token t is of. */
function lastPosition(positions: ReferenceTensor, sequences: ReferenceTensor, t: number): number {
  let last = t;
  while (last + 1 < sequences.i32.length && sequences.i32[last + 1] === sequences.i32[t]) last++;
  return positions.i32[last] as number;
}

/** First and last position that a token at `position` may see of those up to `end`. */
function visibleFrom(
  position: number,
  end: number,
  { window, chunk }: AttrsOf<typeof attrs>,
): readonly [number, number] {
  const chunkStart = chunk > 0 ? position - (position % chunk) : 0;
  const first = Math.max(0, chunkStart, window > 0 ? position - window + 1 : 0);
  const chunkEnd = chunk > 0 ? chunkStart + chunk - 1 : end;
  return [first, Math.min(end, chunkEnd, window > 0 ? position + window - 1 : end)];
}

function attendHead(
  q: ReferenceTensor,
  keys: ReferenceTensor,
  values: ReferenceTensor,
  y: ReferenceTensor,
  head: HeadCase,
): void {
  const { t, h, visible, table, sink, options } = head;
  const [, heads, dim] = q.shape as [number, number, number];
  const [, kvHeads, pageSize, valueDim] = values.shape as [number, number, number, number];
  const kvHead = Math.floor((h * kvHeads) / heads);
  const page = (j: number): number =>
    ((table[Math.floor(j / pageSize)] as number) * kvHeads + kvHead) * pageSize;
  const [first, last] = visible;
  const [qs, ks, vs, ys] = [q.f32, keys.f32, values.f32, y.f32];
  const query = (t * heads + h) * dim;
  const scores: number[] = [];
  for (let j = first; j <= last; j++) {
    const key = page(j) * dim + (j % pageSize);
    let score = 0;
    for (let i = 0; i < dim; i++) {
      score += (qs[query + i] as number) * (ks[key + i * pageSize] as number);
    }
    score *= options.scale;
    scores.push(options.softcap > 0 ? options.softcap * Math.tanh(score / options.softcap) : score);
  }
  const top = scores.reduce((a, b) => Math.max(a, b), sink ?? -Infinity);
  const weights = scores.map((s) => Math.exp(s - top));
  const total = weights.reduce((a, b) => a + b, sink === undefined ? 0 : Math.exp(sink - top));
  const sums = new Float64Array(valueDim);
  weights.forEach((weight, n) => {
    const value = (page(first + n) + ((first + n) % pageSize)) * valueDim;
    for (let i = 0; i < valueDim; i++) sums[i] = (sums[i] as number) + weight * (vs[value + i] as number);
  });
  for (let i = 0; i < valueDim; i++) ys[(t * heads + h) * valueDim + i] = (sums[i] as number) / total;
}

function sampleAttention(random: Random) {
  const dtype = random.pick(['f32', 'f16', 'q8_0'] as const);
  const [dims, valueDims] =
    dtype === 'q8_0'
      ? [
          [32, 64, 96],
          [32, 96],
        ]
      : [
          [8, 64, 80],
          [8, 48],
        ];
  const [kvHeads, group, dim] = [random.int(1, 3), random.pick([1, 3, 4]), random.pick(dims)];
  const pageSize = random.pick([4, 16, 32]);
  const sequenceCount = random.int(1, 3);
  const positions: number[] = [];
  const sequences: number[] = [];
  const lengths: number[] = [];
  for (let s = 0; s < sequenceCount; s++) {
    const fresh = random.pick([1, 1, 2, 5, 19]);
    const start = random.int(0, 70);
    for (let t = 0; t < fresh; t++) {
      positions.push(start + t);
      sequences.push(s);
    }
    lengths.push(start + fresh);
  }
  const width = Math.max(...lengths.map((n) => Math.ceil(n / pageSize)));
  const total = sequenceCount * width + 1;
  const order = Array.from({ length: total }, (_, i) => i);
  for (let i = total - 1; i > 0; i--) {
    const j = random.int(0, i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  const cache = (length: number) => ({ shape: [total, kvHeads, pageSize, length], dtype });
  const heads = kvHeads * group;
  const index = (values: number[], shape = [values.length]) =>
    ({ shape, dtype: 'i32', values: Int32Array.from(values) }) as const;
  return {
    inputs: [
      { shape: [positions.length, heads, dim], dtype: 'f32' as const },
      cache(dim),
      cache(random.pick([dim, dim, ...valueDims])),
      index(positions),
      index(sequences),
      index(order.slice(0, sequenceCount * width), [sequenceCount, width]),
      random.next() < 0.3 ? { shape: [heads], dtype: 'f32' as const } : null,
    ],
    attrs: {
      scale: 1 / Math.sqrt(dim),
      window: random.pick([0, 0, 3, 20]),
      chunk: random.pick([0, 0, 0, 8]),
      softcap: random.pick([0, 0, 5]),
      causal: random.next() < 0.7,
    },
  };
}
