/**
 * The kernels outside Node: cases of every op are recorded with the reference's results and given to the program that
 * `STEELYARD_RUNNER` names, on each of `STEELYARD_RUNNER_LEVELS`. Run by `npm run test:arm`, under an emulator, and by
 * `npm run test:sanitizers` and `test:races`.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBuilder, ops, Random, type DType } from '@steelyard/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  drawCase,
  expectation,
  runCase,
  statePlaces,
  tensorData,
  type OpCase,
} from '../../../tests/ops/op-case.ts';
import { CaseRecorder } from './record-cases.ts';
import { panelFormats } from './weight-formats.ts';

/** Command and arguments, separated by spaces. */
const runner = process.env['STEELYARD_RUNNER']?.split(' ');
const listed = (name: string): string[] => process.env[name]?.split(' ').filter(Boolean) ?? [];
const levels = listed('STEELYARD_RUNNER_LEVELS');
/** Levels that the runner's processor has not. */
const absent = listed('STEELYARD_RUNNER_ABSENT');
const CASES = Number(process.env['STEELYARD_RUNNER_CASES'] ?? 12);
const FORMATS: readonly DType[] = [...panelFormats, 'q3_k', 'f32'];

async function recordOps(recorder: CaseRecorder): Promise<void> {
  for (const op of Object.keys(ops)) {
    for (let seed = 1; seed <= CASES; seed++) {
      const opCase = drawCase(op, new Random(seed * 7919));
      for (const integers of op.endsWith('matmul') ? [true, false] : [true]) {
        const { wanted, bound } = expectation(opCase, integers);
        const shapes = opCase.data.map((t) => (t ? `[${t.shape.join(', ')}] ${t.dtype}` : 'none')).join(', ');
        const name = `${op}(${shapes}) seed ${seed}, ${integers ? 'integers' : 'floats'}`;
        const places = statePlaces(opCase);
        recorder.expected = { name, results: wanted, bound, ...(places && { places }) };
        await runCase(recorder.backend(integers), opCase, { strided: seed % 3 === 0 });
      }
    }
  }
}

const DEPTH = 256;
/** No multiple of a tile. */
const COLUMNS = 37;
/** The last rows of either make another tile than the others. */
const BATCHES = [11, 59];

/** Rows together, then parts of them, which must come out the same to the bit. */
async function recordRows(
  recorder: CaseRecorder,
  dtype: DType,
  narrow: boolean,
  batch: number,
): Promise<void> {
  const random = new Random(17);
  const data = [
    tensorData({ shape: [batch, DEPTH], dtype: 'f32' }, random),
    null,
    tensorData({ shape: [COLUMNS, DEPTH], dtype }, random),
  ] as const;
  const attrs = { transposed: true, narrow };
  const opCase: OpCase = { op: 'matmul', sample: { inputs: data, attrs }, data };
  const { wanted, bound } = expectation(opCase, true);
  const [y] = wanted as [Float32Array];
  const x = new Float32Array(data[0].bytes().slice().buffer);
  const backend = recorder.backend(true);
  const g = createBuilder('rows');
  const w = g.weight('w', [COLUMNS, DEPTH], dtype);
  g.output('0', g.matmul(g.input('x', ['T', DEPTH], 'f32'), null, w, attrs));
  const executable = await backend.compile(g.finish(), {
    weights: new Map([['w', backend.loadWeight(data[2])]]),
    states: new Map(),
    limits: { T: batch },
  });
  const cuts = [
    [0, batch],
    [0, 1],
    [3, 5],
    [5, 9],
  ] as const;
  for (const [first, last] of cuts) {
    recorder.expected = {
      name: `rows ${first} to ${last} by ${dtype}${narrow ? ', narrow' : ''}`,
      results: [y.slice(first * COLUMNS, last * COLUMNS)],
      // Of a few rows the largest value may be small.
      bound: bound * 4,
      ...(last - first < batch && { sameFrom: first * COLUMNS }),
    };
    await executable.run({ dims: { T: last - first }, inputs: { x: x.slice(first * DEPTH, last * DEPTH) } });
  }
}

describe.skipIf(!runner)('recorded cases', () => {
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-cases-'));
  const file = join(folder, 'cases');

  beforeAll(async () => {
    const recorder = new CaseRecorder();
    await recordOps(recorder);
    for (const dtype of FORMATS)
      for (const batch of BATCHES)
        for (const narrow of [false, true]) await recordRows(recorder, dtype, narrow, batch);
    writeFileSync(file, recorder.bytes());
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(levels)(
    '%s',
    async (level) => {
      const [command, ...first] = runner as [string, ...string[]];
      const { stdout } = await promisify(execFile)(command, [...first, file, level, '3']);
      expect(stdout).toMatch(new RegExp(`^${level}: \\d{3,} cases, 0 failures`));
    },
    120_000,
  );

  it.each(absent)('%s is refused', async (level) => {
    const [command, ...first] = runner as [string, ...string[]];
    const run = promisify(execFile)(command, [...first, file, level]);
    await expect(run).rejects.toThrow(`this processor has no ${level}`);
  });
});
