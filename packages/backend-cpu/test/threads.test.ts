/**
 * Ops large enough to be shared among threads give the same bits on any number of them, and a row the same bits alone.
 * Rows are no multiple of a vector, so that shares end in the middle of rows and of vectors.
 */

import { createBuilder, Random, type Backend, type Graph, type Value } from '@steelyard/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kinds } from './kinds.ts';

const WIDTH = 130;
const ROWS = 90;

type Build = (g: ReturnType<typeof createBuilder>, x: Value, y: Value, positions: Value) => Value;

const plain = { alpha: 1, limit: 0, offset: 0 };
const routing = {
  score: 'softmax',
  groups: 1,
  topGroups: 1,
  groupScore: 'best',
  normalise: 'sum',
  scale: 1,
} as const;
const builds: Readonly<Record<string, Build>> = {
  add: (g, x, y) => g.add(x, y),
  scale: (g, x) => g.scale(x, { by: 1.7 }),
  tanh: (g, x) => g.tanh(x),
  sigmoid: (g, x) => g.sigmoid(x),
  silu: (g, x) => g.silu(x),
  gelu: (g, x) => g.gelu(x, { approximate: 'none' }),
  'gelu tanh': (g, x) => g.gelu(x, { approximate: 'tanh' }),
  'glu silu': (g, x, y) => g.glu(x, y, { activation: 'silu', ...plain }),
  'glu gelu': (g, x, y) => g.glu(x, y, { activation: 'gelu', ...plain }),
  'glu gelu_tanh': (g, x, y) => g.glu(x, y, { activation: 'gelu_tanh', ...plain }),
  'glu of slices': (g, x, y) =>
    g.glu(g.slice(x, { start: 3, length: 115 }), g.slice(y, { start: 9, length: 115 }), {
      activation: 'silu',
      ...plain,
    }),
  'glu of gpt-oss': (g, x, y) => g.glu(x, y, { activation: 'silu', alpha: 1.702, limit: 2, offset: 1 }),
  experts: (g, x) => {
    const count = 6;
    const logits = g.slice(x, { start: 0, length: count });
    const [chosen, weights] = g.route(logits, null, { ...routing, k: 2 }) as [Value, Value];
    const w = g.constant('w', new Random(7).normals(count * WIDTH * WIDTH), [count, WIDTH, WIDTH]);
    const attrs = { transposed: true, blockRows: 0, blockColumns: 0 };
    return g.combine(g.expertmatmul(x, chosen, w, null, null, attrs), weights);
  },
  rmsnorm: (g, x) => g.rmsnorm(x, null, { eps: 1e-5, offset: 0 }),
  layernorm: (g, x) => g.layernorm(x, null, null, { eps: 1e-5 }),
  addrmsnorm: (g, x, y) => g.addrmsnorm(x, y, null, { eps: 1e-5, offset: 0 })[1] as Value,
  rope: (g, x, _y, positions) => {
    const heads = g.reshape(x, { shape: ['T', 5, 26] });
    const frequencies = g.constant('frequencies', Float32Array.of(1, 0.3, 0.1));
    return g.rope(heads, positions, frequencies, { interleaved: false, scale: 1 });
  },
};

function graphOf(build: Build): Graph {
  const g = createBuilder('threads');
  const input = (name: string): Value => g.input(name, ['T', WIDTH], 'f32');
  g.output('out', build(g, input('x'), input('y'), g.input('positions', ['T'], 'i32')));
  return g.finish();
}

const random = new Random(5);
const x = random.normals(ROWS * WIDTH, 3);
const y = random.normals(ROWS * WIDTH, 3);
const positions = random.ints(ROWS, 0, 4000);

/** Runs rows [first, last) and returns their results one after the other. */
async function rowsOf(
  backend: Backend,
  build: Build,
  stretches: readonly [number, number][],
): Promise<number[]> {
  const executable = await backend.compile(graphOf(build), {
    weights: new Map(),
    states: new Map(),
    limits: { T: ROWS },
  });
  const found: number[] = [];
  for (const [first, last] of stretches) {
    const { out } = await executable.run({
      dims: { T: last - first },
      inputs: {
        x: x.slice(first * WIDTH, last * WIDTH),
        y: y.slice(first * WIDTH, last * WIDTH),
        positions: positions.slice(first, last),
      },
    });
    found.push(...(out as Float32Array));
  }
  executable.dispose();
  return found;
}

describe.each(kinds)('$name', ({ create, threads }) => {
  let one: Backend;
  let several: Backend[];
  beforeAll(() => {
    one = create({ threads: 1, poison: true });
    several = threads.map((count) => create({ threads: count, poison: true }));
  });
  afterAll(() => {
    for (const backend of [one, ...several]) backend.dispose();
  });

  it.each(Object.entries(builds))('%s', async (_name, build) => {
    const whole: [number, number][] = [[0, ROWS]];
    const wanted = await rowsOf(one, build, whole);
    expect(wanted.every(Number.isFinite)).toBe(true);
    for (const backend of several) expect(await rowsOf(backend, build, whole)).toEqual(wanted);
    const cut: [number, number][] = [
      [0, 1],
      [1, 4],
      [4, ROWS],
    ];
    expect(await rowsOf(one, build, cut)).toEqual(wanted);
  });
});
