import { ShapeError, UnsupportedError } from '@steelyard/core';
import { formatType, type TensorType, type Value } from '../ir.ts';
import { defineOp, type BoundType, type SampleTensor } from '../op.ts';
import type { Random } from '../random.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { randomWeight } from './sample-weight.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

/**
 * transposed: w is [E, out, in], else [E, in, out]; with four dims, [E, out, P, in] or [E, in, P, out], it holds P
 * matrices interleaved, whose results lie one after another. blockRows, blockColumns: how many stored rows and
 * columns of an expert share one of `scales`; 0 without. narrow: as of matmul.
 */
const attrs = { transposed: 'bool', blockRows: 'i32', blockColumns: 'i32', narrow: 'bool' } as const;

export const expertmatmul = defineOp({
  name: 'expertmatmul',
  doc: "Each token's x times the matrices of its k experts, in their published format; other experts are not read.",
  see: 'Shazeer et al. 2017, arXiv:1701.06538',
  /**
   * x [T, in], the same for a token's experts, or [T, k, in]; experts i32 [T, k], where absent each token has all E in
   * order; bias [E, out] or [E, out, P]; scales [E, rows / blockRows, columns / blockColumns], factors on w's stored
   * elements.
   */
  operands: ['x', 'experts?', 'w', 'bias?', 'scales?'],
  /** [T, P * k, out] */
  results: ['y'],
  attrs,
  infer(inputs, { transposed, blockRows, blockColumns }) {
    const [x, experts, w] = [operand(inputs, 0), inputs[1], operand(inputs, 2)];
    expectF32([x], ['x']);
    const m = matricesOf(w, transposed);
    if (experts) expectRank('experts', experts, 2);
    if (experts && experts.dtype !== 'i32')
      throw new ShapeError(`experts must be i32, is ${formatType(experts)}`);
    const [tokens, k] = experts ? (experts.shape as [number, number]) : [x.shape[0] as number, m.count];
    if (x.shape.length !== 2) expectRank('x', x, 3);
    expectDim('axis 0 of x', x.shape[0], tokens);
    if (x.shape.length === 3) expectDim('axis 1 of x', x.shape[1], k);
    expectDim(`the depth of w`, m.depth, lastDim('x', x));
    if (inputs[4] && !transposed) throw new ShapeError('scales are of a transposed w');
    checkExtras(m, inputs[3], inputs[4], blockRows, blockColumns);
    return [{ shape: [tokens, m.parts * k, m.width], dtype: 'f32' }];
  },
  flops: ([x], [y]) => 2 * elements(y) * ((x as BoundType).shape.at(-1) as number),
  reference(inputs, [y], { transposed, blockRows, blockColumns }) {
    const [x, experts, w, bias, scales] = inputs as [
      ReferenceTensor,
      ReferenceTensor | null,
      ReferenceTensor,
      ReferenceTensor | null,
      ReferenceTensor | null,
    ];
    const m = matricesOf(w, transposed);
    const rows = scaledRows(w, m, scales, blockRows, blockColumns);
    const tokens = x.shape[0] as number;
    const k = experts?.rowLength ?? m.count;
    const chosen = experts?.i32 ?? Int32Array.from({ length: tokens * k }, (_, choice) => choice % k);
    // Grouped by expert, so that each matrix is decoded once.
    const choices = [...chosen.keys()].sort((a, b) => (chosen[a] as number) - (chosen[b] as number));
    for (let start = 0; start < choices.length;) {
      const e = chosen[choices[start] as number] as number;
      let end = start;
      while (end < choices.length && chosen[choices[end] as number] === e) end++;
      const matrices = decodeExpert(rows, e, m, transposed);
      for (const choice of choices.slice(start, end)) {
        const from = x.shape.length === 3 ? choice : Math.floor(choice / k);
        const input = x.f32.subarray(from * m.depth, (from + 1) * m.depth);
        for (let p = 0; p < m.parts; p++) {
          const row = Math.floor(choice / k) * m.parts * k + p * k + (choice % k);
          const out = (y as ReferenceTensor).f32.subarray(row * m.width, (row + 1) * m.width);
          const offset = (n: number): number => bias?.f32[(e * m.width + n) * m.parts + p] ?? 0;
          multiply(input, matrices[p] as Float32Array, out, offset);
        }
      }
      start = end;
    }
  },
  gradient(g, node, [dy], { transposed }) {
    // Experts and their biases are frozen: the gradient flows to x.
    const [x, experts, w, , scales] = node.inputs as [Value, Value | null, Value, Value | null, Value | null];
    if (!dy) return node.inputs.map(() => null);
    if (scales)
      throw new UnsupportedError('expertmatmul has no gradient through weights with scales; decode them');
    const { parts, count } = matricesOf(w, transposed);
    const k = experts ? (experts.shape[1] as number) : count;
    const part = (value: Value, p: number): Value =>
      parts === 1 ? value : g.apply('slice', [value], { start: p * k, length: k });
    const attributes = { transposed: !transposed, blockRows: 0, blockColumns: 0 };
    const terms = Array.from({ length: parts }, (_, p) =>
      part(g.apply('expertmatmul', [part(dy, p), experts, w, null, null], attributes), p),
    );
    const dx = terms.reduce((a, b) => g.apply('add', [a, b])); // [T, k, in]
    return [x.shape.length === 3 ? dx : g.apply('combine', [dx, null]), null, null, null, null];
  },
  sample: sampleExperts,
});

interface Matrices {
  readonly count: number;
  readonly width: number;
  readonly depth: number;
  /** Interleaved matrices of each expert. */
  readonly parts: number;
  /** Rows and columns of an expert as stored. */
  readonly rows: number;
  readonly columns: number;
}

function matricesOf(w: { readonly shape: TensorType['shape'] }, transposed: boolean | undefined): Matrices {
  const { shape } = w;
  if (shape.some((dim) => typeof dim !== 'number')) throw new ShapeError('w must have fixed dims');
  if (shape.length !== 3 && shape.length !== 4)
    throw new ShapeError(`w must have 3 or 4 dims, has [${shape.join(', ')}]`);
  const [count, first, last] = [shape[0], shape[1], shape.at(-1)] as [number, number, number];
  const parts = shape.length === 4 ? (shape[2] as number) : 1;
  return transposed
    ? { count, width: first, depth: last, parts, rows: first * parts, columns: last }
    : { count, width: last, depth: first, parts, rows: first, columns: parts * last };
}

function checkExtras(
  m: Matrices,
  bias: TensorType | null | undefined,
  scales: TensorType | null | undefined,
  blockRows: number,
  blockColumns: number,
): void {
  if (bias) {
    const shape = m.parts === 1 ? [m.count, m.width] : [m.count, m.width, m.parts];
    expectRank('bias', bias, shape.length);
    shape.forEach((dim, i) => expectDim(`axis ${i} of bias`, bias.shape[i], dim));
  }
  if (!scales) {
    if (blockRows !== 0 || blockColumns !== 0) throw new ShapeError('blocks need scales');
    return;
  }
  if (blockRows < 1 || blockColumns < 1) throw new ShapeError('scales need blockRows and blockColumns');
  const shape = [m.count, Math.ceil(m.rows / blockRows), Math.ceil(m.columns / blockColumns)];
  expectRank('scales', scales, 3);
  shape.forEach((dim, i) => expectDim(`axis ${i} of scales`, scales.shape[i], dim));
}

function elements(type: BoundType | undefined): number {
  return type?.shape.reduce((n, d) => n * d, 1) ?? 0;
}

/** Reads stored row `row` of expert `e`, all its columns, scales applied. */
type ReadRow = (e: number, row: number, out: Float32Array) => void;

function scaledRows(
  w: ReferenceTensor,
  { rows, columns, count }: Matrices,
  scales: ReferenceTensor | null,
  blockRows: number,
  blockColumns: number,
): ReadRow {
  const perRow = columns / w.rowLength;
  const factors = new Float32Array(scales?.rowLength ?? 0);
  return (e, row, out) => {
    if (!(e >= 0 && e < count)) throw new ShapeError(`expert ${e} is not one of ${count}`);
    for (let i = 0; i < perRow; i++)
      w.readRow((e * rows + row) * perRow + i, out.subarray(i * w.rowLength, (i + 1) * w.rowLength));
    if (!scales) return;
    scales.readRow(e * (scales.shape[1] as number) + Math.floor(row / blockRows), factors);
    for (let i = 0; i < columns; i++)
      out[i] = (out[i] as number) * (factors[Math.floor(i / blockColumns)] as number);
  };
}

/** The expert's matrices as [width, depth] each. */
function decodeExpert(
  read: ReadRow,
  e: number,
  m: Matrices,
  transposed: boolean | undefined,
): Float32Array[] {
  const row = new Float32Array(m.columns);
  const out = Array.from({ length: m.parts }, () => new Float32Array(m.width * m.depth));
  for (let r = 0; r < m.rows; r++) {
    read(e, r, row);
    if (transposed) {
      (out[r % m.parts] as Float32Array).set(row, Math.floor(r / m.parts) * m.depth);
      continue;
    }
    row.forEach((value, c) => {
      (out[Math.floor(c / m.width)] as Float32Array)[(c % m.width) * m.depth + r] = value;
    });
  }
  return out;
}

function multiply(x: Float32Array, w: Float32Array, out: Float32Array, bias: (n: number) => number): void {
  for (let n = 0; n < out.length; n++) {
    let sum = bias(n);
    for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (w[n * x.length + i] as number);
    out[n] = sum;
  }
}

function sampleExperts(random: Random) {
  const transposed = random.next() < 0.8;
  const count = random.int(1, 6);
  const parts = random.pick([1, 1, 2]);
  const scaled = transposed && random.next() < 0.3;
  const kind: SampleTensor = scaled
    ? { dtype: random.pick(['f4_e2m1', 'f8_e4m3'] as const), shape: [1, 32 * random.int(1, 3)] }
    : randomWeight(random, 1);
  const length = kind.shape[1] as number;
  const other = random.int(1, 40);
  const w = { dtype: kind.dtype, shape: [count, other, ...(parts > 1 ? [parts] : []), length] };
  const [depth, width] = transposed ? [length, other] : [other, length];
  const all = random.next() < 0.25;
  const [tokens, k] = [random.pick([1, 2, 5, 17]), all ? count : random.int(1, Math.min(count, 4))];
  const [blockRows, blockColumns] = scaled
    ? random.pick([
        [1, 32],
        [16, 8],
        [3, 32],
      ] as const)
    : [0, 0];
  const rows = other * parts;
  const scaleType = kind.dtype === 'f4_e2m1' ? ('f8_e8m0' as const) : ('f32' as const);
  const scales = {
    dtype: scaleType,
    shape: [count, Math.ceil(rows / blockRows), Math.ceil(length / blockColumns)],
  };
  const biasShape = parts > 1 ? [count, width, parts] : [count, width];
  return {
    inputs: [
      {
        shape: random.pick([
          [tokens, depth],
          [tokens, k, depth],
        ]),
        dtype: 'f32' as const,
      },
      all
        ? null
        : { shape: [tokens, k], dtype: 'i32' as const, values: random.ints(tokens * k, 0, count - 1) },
      w,
      random.next() < 0.4 ? { shape: biasShape, dtype: random.pick(['f32', 'bf16', 'f16'] as const) } : null,
      scaled ? scales : null,
    ],
    attrs: { transposed, blockRows, blockColumns },
  };
}
