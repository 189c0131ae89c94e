/** Recurrences give the same bits however prompts are cut, whoever shares the step, and on any number of threads. */

import { createBuilder, elementCount, Random, type Backend, type DeviceTensor } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { kinds } from './kinds.ts';

/** Not a multiple of any vector, and enough work for several chunks. */
const CHANNELS = 203;
const NUMBERS = 5;
const TAPS = 4;
const LENGTHS = [23, 1, 9];
const SLOTS = 4;

/** Tokens `from` to `to` of one sequence. */
interface Part {
  readonly sequence: number;
  readonly from: number;
  readonly to: number;
}

async function recurrence(backend: Backend) {
  const random = new Random(3);
  const g = createBuilder('recurrence');
  const x = g.input('x', ['T', CHANNELS], 'f32');
  const chosen = g.input('chosen', ['T', 2 * NUMBERS], 'f32');
  const [positions, sequences] = [g.input('positions', ['T'], 'i32'), g.input('sequences', ['T'], 'i32')];
  const slots = g.input('slots', ['S'], 'i32');
  const table = (name: string, shape: number[], change = (v: number) => v) =>
    g.constant(name, random.normals(elementCount(shape)).map(change), shape);
  const places = [positions, sequences, slots];
  const history = g.state('history', ['R', TAPS - 1, CHANNELS], 'f32');
  const taps = table('taps', [TAPS, CHANNELS]);
  const [, u] = g.shortconv(history, x, taps, table('bias', [CHANNELS]), ...places) as [typeof x, typeof x];
  const half = (start: number) => g.slice(chosen, { start, length: NUMBERS });
  const state = g.state('state', ['R', NUMBERS, CHANNELS], 'f32');
  const decay = table('decay', [NUMBERS, CHANNELS], (v) => -Math.exp(v));
  const scanned = g.selectivescan(
    state,
    u,
    x,
    decay,
    half(0),
    half(NUMBERS),
    table('d', [CHANNELS]),
    ...places,
  );
  g.output('y', (scanned as [typeof x, typeof x])[1]);
  const states = new Map<string, DeviceTensor>();
  for (const [name, rows] of [
    ['history', TAPS - 1],
    ['state', NUMBERS],
  ] as const) {
    const tensor = backend.allocateState('f32', [SLOTS, rows, CHANNELS]);
    // What a sequence before left there.
    await tensor.write(new Uint8Array(4 * SLOTS * rows * CHANNELS).fill(0x41));
    states.set(name, tensor);
  }
  const limits = { T: 33, S: 3, R: SLOTS };
  return { executable: await backend.compile(g.finish(), { weights: new Map(), states, limits }), states };
}

/** Results of every sequence's tokens, and its state at the end, by steps of parts. */
async function run(backend: Backend, steps: readonly (readonly Part[])[]) {
  const { executable, states } = await recurrence(backend);
  const rows = LENGTHS.map((): Float32Array[] => []);
  const valuesOf = (sequence: number, position: number, width: number) =>
    new Random(1 + 100 * sequence + position).normals(width);
  for (const parts of steps) {
    const tokens = parts.flatMap(({ sequence, from, to }, row) =>
      Array.from({ length: to - from }, (_, i) => ({ sequence, row, position: from + i })),
    );
    const flat = (width: number) =>
      Float32Array.from(tokens.flatMap(({ sequence, position }) => [...valuesOf(sequence, position, width)]));
    const { y } = await executable.run({
      dims: { T: tokens.length, S: parts.length, R: SLOTS },
      inputs: {
        x: flat(CHANNELS),
        chosen: flat(2 * NUMBERS),
        positions: Int32Array.from(tokens, ({ position }) => position),
        sequences: Int32Array.from(tokens, ({ row }) => row),
        slots: Int32Array.from(parts, ({ sequence }) => SLOTS - 1 - sequence),
      },
    });
    tokens.forEach(({ sequence }, i) =>
      rows[sequence]!.push((y as Float32Array).slice(i * CHANNELS, (i + 1) * CHANNELS)),
    );
  }
  const ends = await Promise.all([...states.values()].map((state) => state.read()));
  executable.dispose();
  return { rows, ends };
}

const whole = (sequence: number): Part => ({ sequence, from: 0, to: LENGTHS[sequence]! });
const cut = (sequence: number, size: number): Part[] =>
  Array.from({ length: Math.ceil(LENGTHS[sequence]! / size) }, (_, i) => ({
    sequence,
    from: i * size,
    to: Math.min(LENGTHS[sequence]!, (i + 1) * size),
  }));

describe.each([...kinds])('$name', ({ create, threads }) => {
  it('recurrences do not depend on cuts, company or threads', async () => {
    const one = () => create({ threads: 1, poison: true });
    const alone = await run(one(), [[whole(0)], [whole(1)], [whole(2)]]);
    expect(alone.rows.flat().every((row) => row.every(Number.isFinite))).toBe(true);
    const together = [[whole(2), whole(0), whole(1)]];
    const singles = [...cut(0, 1), ...cut(1, 1), ...cut(2, 1)].map((part) => [part]);
    const [long, short, middle] = [cut(0, 5), cut(1, 5), cut(2, 2)];
    const ragged = long.map((part, i) => [
      part,
      ...(short[i] ? [short[i]] : []),
      ...(middle[i] ? [middle[i]] : []),
    ]);
    for (const steps of [together, singles, ragged]) expect(await run(one(), steps)).toEqual(alone);
    for (const count of threads) {
      const many = create({ threads: count, poison: true });
      expect(await run(many, together)).toEqual(alone);
      expect(await run(many, ragged)).toEqual(alone);
    }
  });
});
