/**
 * Matmul in every weight format: against float64 sums over the decoded weights, the same bits for a row alone and in any
 * batch, and values that are not finite or hardly above zero carried through.
 */

import {
  createBuilder,
  dtypeInfo,
  dtypes,
  Random,
  type Backend,
  type DType,
  type TensorData,
} from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { tensorData } from '../../../tests/ops/op-case.ts';
import { kinds, type Kind } from './kinds.ts';

const formats = (Object.keys(dtypes) as DType[]).filter(
  (name) => !/^(u8|i8|i16|i32|i64|f64|bool)$/.test(name),
);
const DEPTH = 512;
/** Of floats: several blocks of columns, and a last one that fills no vector. */
const DEEP = 2088;
/** No multiple of any tile of rows. */
const COLUMNS = 37;
/** Enough for weights to be spread out: of tiles of five or six rows four and one are left, of 26 rows one or two. */
const BATCH = 29;

type Rows = (first: number, last: number) => Promise<Float32Array>;

/** Rows [first, last) of x times w; w is [COLUMNS, depth]. */
async function multiplier(backend: Backend, w: TensorData, x: Float32Array, narrow = false): Promise<Rows> {
  const depth = w.shape[1] as number;
  const g = createBuilder('matmul');
  const operand = g.input('x', ['T', depth], 'f32');
  g.output('y', g.matmul(operand, null, g.weight('w', [...w.shape], w.dtype), { transposed: true, narrow }));
  const weights = new Map([['w', backend.loadWeight(w)]]);
  const executable = await backend.compile(g.finish(), { weights, states: new Map(), limits: { T: BATCH } });
  return async (first, last) => {
    const inputs = { x: x.slice(first * depth, last * depth) };
    return ((await executable.run({ dims: { T: last - first }, inputs }))['y'] as Float32Array).slice();
  };
}

function decoded(w: TensorData): Float32Array {
  const info = dtypeInfo(w.dtype);
  const out = new Float32Array(COLUMNS * (w.shape[1] as number));
  info.decode(w.bytes(), 0, out, 0, out.length / info.blockSize);
  return out;
}

/** Largest error, each relative to the sum of the magnitudes of its products. */
function worstError(y: Float32Array, x: Float32Array, w: Float32Array): number {
  let worst = 0;
  const depth = w.length / COLUMNS;
  y.forEach((got, i) => {
    const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS];
    let [sum, size] = [0, 0];
    for (let k = 0; k < depth; k++) {
      const product = (x[row * depth + k] as number) * (w[column * depth + k] as number);
      sum += product;
      size += Math.abs(product);
    }
    // A row of zeros has no size.
    const error = Math.abs(got - sum) / (size || 1);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  });
  return worst;
}

/** The weight with every byte of its blocks `fill`, save those that make a value not finite. */
function filled(w: TensorData, fill: number): TensorData {
  const info = dtypeInfo(w.dtype);
  const bytes = w.bytes().slice();
  const block = new Float32Array(info.blockSize);
  for (let i = 0; i < bytes.length; i++) {
    const before = bytes[i] as number;
    bytes[i] = fill;
    info.decode(bytes, i - (i % info.blockBytes), block, 0, 1);
    if (!block.every(Number.isFinite)) bytes[i] = before;
  }
  return { ...w, bytes: () => bytes };
}

const random = new Random(99);
const x = random.normals(BATCH * DEPTH, 2);
const weights = new Map(
  formats.map((dtype) => [dtype, tensorData({ shape: [COLUMNS, DEPTH], dtype }, random)]),
);

/** Bounds by activations, and by whether the graph lets them be narrow. */
const BOUNDS = [
  ['f32', false, 2e-6],
  // Each activation moves by at most 1/65024 of its run's peak; worst where one block outweighs the row (mxfp4).
  ['int16', false, 5e-5],
  // To 8 bits: by 1/254; to bfloat16: by 1/512 of itself.
  ['int16', true, 1.5e-2],
] as const;

/** Rows together are what they are apart, on any number of threads, and near what they should be. */
async function agrees({ create, threads }: Kind, w: TensorData, x: Float32Array): Promise<void> {
  for (const [activations, narrow, bound] of BOUNDS) {
    const rows = await multiplier(create({ threads: 1, activations, poison: true }), w, x, narrow);
    const together = await rows(0, BATCH);
    expect(worstError(together, x, decoded(w))).toBeLessThan(bound);
    // Steps of 1, 2, 4, 11 and 11 rows: every size of tile that a kernel has.
    const cuts = [0, 1, 3, 7, 18, BATCH];
    const apart: number[] = [];
    for (let i = 1; i < cuts.length; i++)
      apart.push(...(await rows(cuts[i - 1] as number, cuts[i] as number)));
    expect(apart).toEqual([...together]);
    expect(await rows(0, 26)).toEqual(together.slice(0, 26 * COLUMNS));
    for (const count of threads) {
      const others = await multiplier(create({ threads: count, activations }), w, x, narrow);
      expect(await others(0, BATCH)).toEqual(together);
      expect(await others(3, 4)).toEqual(together.slice(3 * COLUMNS, 4 * COLUMNS));
    }
  }
}

describe.each(kinds)('$name', (kind) => {
  const { create } = kind;
  it.each(formats)('%s', (format) => agrees(kind, weights.get(format) as TensorData, x));

  it.each(['f32', 'f16', 'bf16'] as const)('%s, deep', (dtype) => {
    const random = new Random(5);
    const w = tensorData({ shape: [COLUMNS, DEEP], dtype }, random);
    return agrees(kind, w, random.normals(BATCH * DEEP, 2));
  });

  // Where a level adds products in fewer bits than it needs, these overflow.
  it.each(formats.filter((format) => /^(q[4-8]_|iq4|mxfp4)/.test(format)))(
    '%s: codes and activations at their ends',
    async (format) => {
      const ends = Float32Array.from({ length: DEPTH * 2 }, (_, i) => (i < DEPTH || i % 4 > 1 ? 1 : -1));
      for (const fill of [0xff, 0x80, 0x7f]) {
        const w = filled(weights.get(format) as TensorData, fill);
        for (const narrow of [true, false]) {
          const rows = await multiplier(create({ threads: 1, activations: 'int16' }), w, ends, narrow);
          expect(worstError(await rows(0, 2), ends, decoded(w))).toBeLessThan(5e-5);
        }
      }
    },
  );

  it.each(['f32', 'bf16', 'q4_0', 'q6_k'] as const)(
    '%s: what is not finite shows, in its row only',
    async (format) => {
      const odd = x.slice();
      odd[DEPTH + 70] = NaN;
      odd[3 * DEPTH + 500] = Infinity;
      odd.fill(1e-39, 5 * DEPTH, 6 * DEPTH);
      odd.fill(0, 6 * DEPTH, 7 * DEPTH);
      const rows = await multiplier(create({ threads: 1 }), weights.get(format) as TensorData, odd);
      const y = await rows(0, BATCH);
      for (let row = 0; row < BATCH; row++) {
        const finite = y.subarray(row * COLUMNS, (row + 1) * COLUMNS).every(Number.isFinite);
        expect(finite, `row ${row}`).toBe(row !== 1 && row !== 3);
        const alone = await rows(row, row + 1);
        expect(alone).toEqual(y.slice(row * COLUMNS, (row + 1) * COLUMNS));
      }
      expect(Math.max(...y.slice(5 * COLUMNS, 7 * COLUMNS).map(Math.abs))).toBeLessThan(1e-30);
    },
  );
});
