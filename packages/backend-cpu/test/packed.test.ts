/** Weights in panels are the same weights: rows read back from them, and graphs that share one, in either order. */

import {
  createBuilder,
  dtypeInfo,
  Random,
  type Backend,
  type DeviceTensor,
  type DType,
  type Executable,
  type TensorData,
} from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { tensorData } from '../../../tests/ops/op-case.ts';
import { kinds } from './kinds.ts';
import { panelFormats as formats } from './weight-formats.ts';

const DEPTH = 512;
/** Of the last panel, five rows. */
const ROWS = 37;

type Use = 'gather' | 'product' | 'both' | 'plain';

/** A graph that reads rows of w, multiplies by its rows, both, or by its columns. */
async function compile(backend: Backend, dtype: DType, w: DeviceTensor, use: Use): Promise<Executable> {
  const g = createBuilder(use);
  const weight = g.weight('w', [ROWS, DEPTH], dtype);
  if (use === 'gather' || use === 'both')
    g.output('rows', g.gather(weight, g.input('indices', [ROWS], 'i32')));
  if (use === 'product' || use === 'both')
    g.output(
      'y',
      g.matmul(g.input('x', [1, DEPTH], 'f32'), null, weight, { transposed: true, narrow: false }),
    );
  if (use === 'plain')
    g.output(
      'z',
      g.matmul(g.input('v', [1, ROWS], 'f32'), null, weight, { transposed: false, narrow: false }),
    );
  return backend.compile(g.finish(), { weights: new Map([['w', w]]), states: new Map(), limits: {} });
}

const inputs = {
  indices: Int32Array.from({ length: ROWS }, (_, i) => ROWS - 1 - i),
  x: new Random(3).normals(DEPTH),
  v: new Random(4).normals(ROWS),
};

function decoded(w: TensorData): Float32Array {
  const info = dtypeInfo(w.dtype);
  const out = new Float32Array(ROWS * DEPTH);
  info.decode(w.bytes(), 0, out, 0, out.length / info.blockSize);
  return out;
}

/** In the order of `indices`. */
function reversedRows(all: Float32Array): number[] {
  return Array.from({ length: ROWS }, (_, i) => [
    ...all.subarray((ROWS - 1 - i) * DEPTH, (ROWS - i) * DEPTH),
  ]).flat();
}

describe.each(kinds)('$name', ({ create }) => {
  it.each(formats)('%s: rows of a weight that is multiplied too', async (dtype) => {
    const data = tensorData({ shape: [ROWS, DEPTH], dtype }, new Random(8));
    const backend = create({ threads: 1, activations: 'int16', poison: true });
    const w = backend.loadWeight(data);
    const executable = await compile(backend, dtype, w, 'both');
    const first = structuredClone(await executable.run({ dims: {}, inputs }));
    const wanted = reversedRows(decoded(data));
    expect(first['rows']?.length).toBe(wanted.length);
    const worst = wanted.reduce(
      (w, exact, i) => Math.max(w, Math.abs((first['rows']?.[i] ?? NaN) - exact)),
      0,
    );
    expect(worst).toBeLessThan(1e-6 * Math.max(...wanted.map(Math.abs)));
    // The first run may make its panels as it goes; later ones read them.
    expect(await executable.run({ dims: {}, inputs })).toEqual(first);
  });

  it.each(formats)(
    '%s: the same bits as published, repacked by a second run or while idle',
    async (dtype) => {
      const data = tensorData({ shape: [ROWS, DEPTH], dtype }, new Random(10));
      const backend = create({ threads: 2, activations: 'int16' });
      const found = [];
      for (const waits of [false, true]) {
        const executable = await compile(backend, dtype, backend.loadWeight(data), 'product');
        if (waits) await new Promise((resolve) => setTimeout(resolve, 120));
        for (let run = 0; run < 3; run++)
          found.push((await executable.run({ dims: {}, inputs }))['y']?.slice());
        executable.dispose();
      }
      for (const y of found) expect(y).toEqual(found[0]);
    },
  );

  it('a weight is the same to graphs that share it, whichever came first', async () => {
    const dtype = 'q4_k';
    const data = tensorData({ shape: [ROWS, DEPTH], dtype }, new Random(9));
    const found: number[][] = [];
    for (const order of [
      ['product', 'gather', 'both'],
      ['gather', 'both', 'product'],
      ['plain', 'product', 'gather', 'plain'],
    ] as const) {
      const backend = create({ threads: 1, activations: 'int16' });
      const w = backend.loadWeight(data);
      const results = new Map<string, readonly number[]>();
      const executables = [];
      for (const use of order) executables.push(await compile(backend, dtype, w, use));
      for (const executable of executables)
        for (const [name, values] of Object.entries(await executable.run({ dims: {}, inputs })))
          results.set(name, [...values]);
      found.push([...(results.get('y') ?? []), ...(results.get('rows') ?? [])]);
    }
    const [first, ...others] = found as [number[], ...number[][]];
    const size = Math.max(...first.map(Math.abs));
    // Panels and published rows are summed in different orders.
    for (const other of others)
      expect(Math.max(...other.map((v, i) => Math.abs(v - (first[i] as number)))) / size).toBeLessThan(1e-6);
  });
});
