/**
 * Products of routed experts in every weight format: against float64 sums over the decoded weights, and the same bits for
 * a row alone and in any batch, on any number of threads, with weights repacked at load or where they are used.
 */

import {
  createBuilder,
  dtypeInfo,
  dtypes,
  elementCount,
  Random,
  type Backend,
  type DType,
  type TensorData,
} from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { tensorData } from '../../../tests/ops/op-case.ts';
import { kinds } from './kinds.ts';

const formats = [...Object.keys(dtypes), 'microscaled'].filter(
  (name) => !/^(u8|i8|i16|i32|i64|f64|bool|f8_e8m0|f4_e2m1)$/.test(name),
) as (DType | 'microscaled')[];
const [EXPERTS, DEPTH, USED, TOKENS] = [4, 256, 2, 40];
/** Of an expert's last panel, five rows. */
const WIDTH = 37;

interface Setting {
  readonly w: TensorData;
  readonly scales?: TensorData;
  readonly transposed?: boolean;
  readonly narrow?: boolean;
  readonly expertsOnDisk?: boolean;
}

type Rows = (first: number, last: number) => Promise<Float32Array>;

const width = ({ w, transposed = true }: Setting): number => w.shape[transposed ? 1 : 2] as number;
const depth = ({ w, transposed = true }: Setting): number => w.shape[transposed ? 2 : 1] as number;

/** Rows [first, last) of x times their experts. */
async function multiplier(
  backend: Backend,
  setting: Setting,
  x: Float32Array,
  chosen: Int32Array,
  used = USED,
): Promise<Rows> {
  const { w, scales, transposed = true, narrow = false, expertsOnDisk = false } = setting;
  const length = depth(setting);
  const g = createBuilder('experts');
  const input = g.input('x', ['T', length], 'f32');
  const experts = g.input('experts', ['T', used], 'i32');
  const weight = g.weight('w', [...w.shape], w.dtype);
  const factors = scales ? g.weight('scales', [...scales.shape], scales.dtype) : null;
  const blocks = scales ? { blockRows: 1, blockColumns: 32 } : { blockRows: 0, blockColumns: 0 };
  g.output('y', g.expertmatmul(input, experts, weight, null, factors, { transposed, narrow, ...blocks }));
  const weights = new Map([['w', backend.loadWeight(w)]]);
  if (scales) weights.set('scales', backend.loadWeight(scales));
  const limits = { T: x.length / length };
  const executable = await backend.compile(g.finish(), { weights, states: new Map(), limits, expertsOnDisk });
  return async (first, last) => {
    const inputs = {
      x: x.slice(first * length, last * length),
      experts: chosen.slice(first * used, last * used),
    };
    return ((await executable.run({ dims: { T: last - first }, inputs }))['y'] as Float32Array).slice();
  };
}

function decoded(w: TensorData): Float32Array {
  const info = dtypeInfo(w.dtype);
  const out = new Float32Array(elementCount(w.shape));
  info.decode(w.bytes(), 0, out, 0, out.length / info.blockSize);
  return out;
}

/** Largest error, each relative to the sum of the magnitudes of its products. */
function worstError(y: Float32Array, x: Float32Array, chosen: Int32Array, setting: Setting): number {
  const { w, scales, transposed = true } = setting;
  const [columns, length] = [width(setting), depth(setting)];
  const [values, factors] = [decoded(w), scales && decoded(scales)];
  let worst = 0;
  y.forEach((got, i) => {
    const [choice, column] = [Math.floor(i / columns), i % columns];
    const token = Math.floor(choice / (chosen.length / (x.length / length)));
    const from = (chosen[choice] as number) * columns * length;
    let [sum, size] = [0, 0];
    for (let k = 0; k < length; k++) {
      const at = from + (transposed ? column * length + k : k * columns + column);
      const factor = factors ? (factors[Math.floor(at / 32)] as number) : 1;
      const product = (x[token * length + k] as number) * (values[at] as number) * factor;
      sum += product;
      size += Math.abs(product);
    }
    // A block whose scale is zero has no size.
    const error = Math.abs(got - sum) / (size || 1);
    worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
  });
  return worst;
}

const random = new Random(31);
const x = random.normals(TOKENS * DEPTH, 2);
/** Most rows are the first expert's, a few the third's, and none the fourth's. */
const chosen = Int32Array.from({ length: TOKENS * USED }, (_, i) => (i % 2 === 0 ? 0 : i % 11 === 5 ? 2 : 1));
const weights = new Map<string, Pick<Setting, 'w' | 'scales'>>(
  formats.map((format) => {
    const shape = [EXPERTS, WIDTH, DEPTH];
    if (format !== 'microscaled') return [format, { w: tensorData({ shape, dtype: format }, random) }];
    const exponents = random.ints((EXPERTS * WIDTH * DEPTH) / 32, 118, 130);
    const bytes = Uint8Array.from(exponents);
    const scales: TensorData = {
      dtype: 'f8_e8m0',
      shape: [EXPERTS, WIDTH, DEPTH / 32],
      byteLength: bytes.length,
      bytes: () => bytes,
    };
    return [format, { w: tensorData({ shape, dtype: 'f4_e2m1' }, random), scales }];
  }),
);

describe.each(kinds)('$name', ({ create, threads }) => {
  it.each(formats)('%s', async (format) => {
    for (const [activations, narrow, bound] of [
      ['f32', false, 2e-6],
      // As of matmul.
      ['int16', false, 5e-5],
      ['int16', true, 1.5e-2],
    ] as const) {
      const setting: Setting = { ...(weights.get(format) as Setting), narrow };
      const rows = await multiplier(create({ threads: 1, activations, poison: true }), setting, x, chosen);
      const together = await rows(0, TOKENS);
      expect(worstError(together, x, chosen, setting)).toBeLessThan(bound);
      const cuts = [0, 1, 2, 5, TOKENS];
      const apart: number[] = [];
      for (let i = 1; i < cuts.length; i++)
        apart.push(...(await rows(cuts[i - 1] as number, cuts[i] as number)));
      expect(apart).toEqual([...together]);
      for (const [count, expertsOnDisk] of threads.map((n, i) => [n, i % 2 === 0] as const)) {
        const other = create({ threads: count, activations });
        const others = await multiplier(other, { ...setting, expertsOnDisk }, x, chosen);
        expect(await others(0, TOKENS)).toEqual(together);
        const size = USED * WIDTH;
        expect(await others(3, 4)).toEqual(together.slice(3 * size, 4 * size));
      }
    }
  });

  // More rows than are multiplied together, and more columns than a chunk takes, in either layout.
  it.each([
    ['q4_k', true],
    ['bf16', true],
    ['q8_0', false],
    ['f32', false],
  ] as const)('many rows of one expert, %s, transposed %s', async (dtype, transposed) => {
    const [tokens, columns, length] = [300, 544, 256];
    const shape = transposed ? [2, columns, length] : [2, length, columns];
    const setting: Setting = { w: tensorData({ shape, dtype }, new Random(7)), transposed };
    const input = new Random(8).normals(tokens * length);
    const experts = Int32Array.from({ length: tokens }, (_, i) => (i % 29 === 0 ? 1 : 0));
    const results: Float32Array[] = [];
    for (const count of [1, ...threads]) {
      const rows = await multiplier(
        create({ threads: count, activations: 'int16' }),
        setting,
        input,
        experts,
        1,
      );
      results.push(await rows(0, tokens));
    }
    const [first, ...others] = results as [Float32Array, ...Float32Array[]];
    expect(worstError(first, input, experts, setting)).toBeLessThan(5e-5);
    for (const other of others) expect(other).toEqual(first);
  });

  it('a number that is no expert shows, in its row only', async () => {
    const setting = weights.get('q4_0') as Setting;
    const odd = chosen.slice();
    odd[6] = EXPERTS;
    odd[9] = -1;
    const y = await (await multiplier(create({ threads: 1, poison: true }), setting, x, odd))(0, TOKENS);
    for (let choice = 0; choice < odd.length; choice++) {
      const finite = y.subarray(choice * WIDTH, (choice + 1) * WIDTH).every(Number.isFinite);
      expect(finite, `choice ${choice}`).toBe(choice !== 6 && choice !== 9);
    }
  });
});
