import { ShapeError } from '@steelyard/core';
import type { TensorType, Value } from '../ir.ts';
import { defineOp, type BoundType } from '../op.ts';
import type { ReferenceTensor } from '../reference-tensor.ts';
import { dtypeInfo } from '../dtypes/index.ts';
import { randomWeight } from './sample-weight.ts';
import { expectDim, expectF32, expectRank, lastDim, operand } from './shape-rules.ts';

/** Output columns that weight `w` gives. */
function columns(w: { readonly shape: TensorType['shape'] }, transposed = false): number {
  return w.shape[transposed ? 0 : 1] as number;
}

export const matmul = defineOp({
  name: 'matmul',
  doc: 'x times one or more weights in their published format, side by side, plus a bias.',
  operands: ['x', 'bias?', 'w...'],
  results: ['y'],
  /**
   * transposed: w is [out, in], as linear layers are published; else [in, out]. narrow: a backend may round x to
   * 8 bits, in runs of 32, against weights in blocks, and to bfloat16 against those; else it keeps at least 16 bits.
   */
  attrs: { transposed: 'bool', narrow: 'bool' },
  infer(inputs, { transposed }) {
    expectF32(inputs, ['x', 'bias']);
    const x = operand(inputs, 0);
    expectRank('x', x, 2);
    const depth = lastDim('x', x);
    let width = 0;
    for (const w of inputs.slice(2) as TensorType[]) {
      expectRank('w', w, 2);
      expectDim(`axis ${transposed ? 1 : 0} of w`, w.shape[transposed ? 1 : 0], depth);
      if (typeof w.shape[transposed ? 0 : 1] !== 'number') throw new ShapeError('w must have fixed dims');
      width += columns(w, transposed);
    }
    const bias = inputs[1];
    if (bias) {
      expectRank('bias', bias, 1);
      expectDim('bias', bias.shape[0], width);
    }
    return [{ shape: [x.shape[0] as number, width], dtype: 'f32' }];
  },
  flops([x], [y]) {
    return 2 * elements(y) * ((x as BoundType).shape[1] as number);
  },
  reference(inputs, [y], { transposed }) {
    const [x, bias, ...weights] = inputs as [ReferenceTensor, ReferenceTensor | null, ...ReferenceTensor[]];
    let start = 0;
    for (const w of weights) {
      if (transposed) multiplyTransposed(x, w, y as ReferenceTensor, start);
      else multiplyPlain(x, w, y as ReferenceTensor, start);
      start += columns(w, transposed);
    }
    if (bias) addBias(bias.f32, (y as ReferenceTensor).f32);
  },
  gradient(g, node, [dy], { transposed }, wanted) {
    const [x, bias, ...weights] = node.inputs as [Value, Value | null, ...Value[]];
    if (!dy) return node.inputs.map(() => null);
    let start = 0;
    let dx: Value | null = null;
    const dw = weights.map((w) => {
      const length = columns(w, transposed);
      const part = weights.length === 1 ? dy : g.apply('slice', [dy], { start, length });
      start += length;
      if (wanted(x)) {
        const term = g.apply('matmul', [part, null, w], { transposed: !transposed });
        dx = dx ? g.apply('add', [dx, term]) : term;
      }
      if (!wanted(w)) return null;
      return g.apply('outersum', transposed ? [part, x] : [x, part]);
    });
    const dbias = bias && wanted(bias) ? g.apply('sumto', [dy], { shape: bias.shape }) : null;
    return [dx, dbias, ...dw];
  },
  sample(random) {
    const transposed = random.next() < 0.8;
    const first = randomWeight(random, random.int(1, 70));
    const depth = first.shape[transposed ? 1 : 0] as number;
    const weights = [first];
    if (transposed && random.next() < 0.5) weights.push({ ...first, shape: [random.int(1, 40), depth] });
    if (transposed && random.next() < 0.3) weights.push({ dtype: 'f32', shape: [random.int(1, 40), depth] });
    const width = weights.reduce((n, w) => n + columns(w, transposed), 0);
    const x = { shape: [random.pick([1, 2, 5, 17, 70]), depth], dtype: 'f32' as const };
    const bias = random.next() < 0.3 ? { shape: [width], dtype: 'f32' as const } : null;
    const narrow =
      transposed && weights.every((w) => dtypeInfo(w.dtype).blockSize > 1) && random.next() < 0.5;
    return { inputs: [x, bias, ...weights], attrs: { transposed, narrow } };
  },
});

function elements(type: BoundType | undefined): number {
  return type?.shape.reduce((n, d) => n * d, 1) ?? 0;
}

/** Four rows of x at a time, so that each decoded weight is loaded once for four products. */
function multiplyTransposed(x: ReferenceTensor, w: ReferenceTensor, y: ReferenceTensor, start: number): void {
  const depth = x.rowLength;
  const width = y.rowLength;
  const rows = x.shape[0] as number;
  const row = new Float32Array(depth);
  const [xs, ys] = [x.f32, y.f32];
  for (let n = 0; n < (w.shape[0] as number); n++) {
    w.readRow(n, row);
    for (let m = 0; m < rows; m += 4) {
      const [a, b, c, d] = [m, m + 1, m + 2, m + 3].map((i) => Math.min(i, rows - 1) * depth) as [
        number,
        number,
        number,
        number,
      ];
      let [sa, sb, sc, sd] = [0, 0, 0, 0];
      for (let k = 0; k < depth; k++) {
        const weight = row[k] as number;
        sa += weight * (xs[a + k] as number);
        sb += weight * (xs[b + k] as number);
        sc += weight * (xs[c + k] as number);
        sd += weight * (xs[d + k] as number);
      }
      [sa, sb, sc, sd].slice(0, rows - m).forEach((sum, i) => {
        ys[(m + i) * width + start + n] = sum;
      });
    }
  }
}

function multiplyPlain(x: ReferenceTensor, w: ReferenceTensor, y: ReferenceTensor, start: number): void {
  const depth = x.rowLength;
  const width = w.rowLength;
  const rows = x.shape[0] as number;
  const row = new Float32Array(width);
  const sums = new Float64Array(rows * width);
  for (let k = 0; k < depth; k++) {
    w.readRow(k, row);
    for (let m = 0; m < rows; m++) {
      const factor = x.f32[m * depth + k] as number;
      for (let n = 0; n < width; n++) {
        sums[m * width + n] = (sums[m * width + n] as number) + factor * (row[n] as number);
      }
    }
  }
  for (let m = 0; m < rows; m++) {
    y.f32.set(sums.subarray(m * width, (m + 1) * width), m * y.rowLength + start);
  }
}

function addBias(bias: Float32Array, y: Float32Array): void {
  for (let i = 0; i < y.length; i++) y[i] = (y[i] as number) + (bias[i % bias.length] as number);
}
