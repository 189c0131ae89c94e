/** Weights whose rows lie apart in a file: experts that are published one by one. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReferenceBackend } from '@steelyard/backend-reference';
import {
  byteLength,
  createBuilder,
  Random,
  type Backend,
  type DeviceTensor,
  type DType,
  type TensorData,
} from '@steelyard/graph';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuAvailability, createCpuBackend, loadWasmModule } from '../src/index.ts';
import { createWasmBackend } from '../src/wasm/index.ts';

const [EXPERTS, WIDTH, DEPTH, TOKENS, USED] = [5, 12, 32, 7, 2];
const folder = mkdtempSync(join(tmpdir(), 'steelyard-parts-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The parts in a file, in falling order, `gap` bytes apart. */
function stack(dtype: DType, gap: number): TensorData {
  const random = new Random(3);
  const length = byteLength(dtype, WIDTH * DEPTH);
  const contents = Array.from({ length: EXPERTS }, () => {
    if (dtype === 'f32') return new Uint8Array(random.normals(WIDTH * DEPTH).buffer);
    // Blocks of q8_0 with the scale 1/1024.
    const scale = [0x00, 0x14];
    return Uint8Array.from({ length }, (_, i) => scale[i % 34] ?? random.int(0, 255));
  });
  const path = join(folder, `${dtype}-${gap}`);
  const file = new Uint8Array(EXPERTS * (length + gap));
  const parts = contents.map((bytes, e): TensorData => {
    const offset = (EXPERTS - 1 - e) * (length + gap) + gap;
    file.set(bytes, offset);
    const region = { path, offset, length };
    return { dtype, shape: [WIDTH, DEPTH], byteLength: length, region, bytes: () => bytes };
  });
  writeFileSync(path, file);
  const all = (): Uint8Array => Uint8Array.from(contents.flatMap((bytes) => [...bytes]));
  return { dtype, shape: [EXPERTS, WIDTH, DEPTH], byteLength: EXPERTS * length, parts, bytes: all };
}

const random = new Random(9);
const x = random.normals(TOKENS * DEPTH);
const experts = random.ints(TOKENS * USED, 0, EXPERTS - 1);

async function run(backend: Backend, w: DeviceTensor, dtype: DType): Promise<Float32Array> {
  const g = createBuilder('parts');
  const weight = g.weight('w', [EXPERTS, WIDTH, DEPTH], dtype);
  const input = g.input('x', [TOKENS, DEPTH], 'f32');
  const chosen = g.input('experts', [TOKENS, USED], 'i32');
  const attrs = { transposed: true, blockRows: 0, blockColumns: 0 };
  g.output('y', g.expertmatmul(input, chosen, weight, null, null, attrs));
  const weights = new Map([['w', w]]);
  const executable = await backend.compile(g.finish(), { weights, states: new Map(), limits: {} });
  // The second run has the weight in panels, where it is repacked.
  await executable.run({ dims: {}, inputs: { x, experts } });
  const { y } = await executable.run({ dims: {}, inputs: { x, experts } });
  const result = (y as Float32Array).slice();
  executable.dispose();
  return result;
}

const wasm = loadWasmModule('simd');
const backends: (readonly [string, () => Backend])[] = [
  ...(cpuAvailability().available
    ? (['f32', 'int16'] as const).map(
        (activations) => [`cpu, ${activations}`, () => createCpuBackend({ activations })] as const,
      )
    : []),
  ...('module' in wasm
    ? [['wasm', () => createWasmBackend({ module: wasm.module, activations: 'f32' })] as const]
    : []),
];

describe.each(backends)('%s: a weight in parts', (_, create) => {
  it.each(['f32', 'q8_0'] as const)('of %s is the same as in one piece', async (dtype) => {
    const backend = create();
    const whole = stack(dtype, 0);
    const reference = createReferenceBackend();
    const wanted = await run(reference, reference.loadWeight(whole), dtype);
    // Where floats are not aligned, they are copied.
    for (const gap of [64, 3]) {
      const w = backend.loadWeight(stack(dtype, gap));
      const got = await run(backend, w, dtype);
      wanted.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
      expect(Buffer.compare(await w.read(), whole.bytes())).toBe(0);
      if (backend.mapsWeights) expect(w.residentBytes === 0).toBe(dtype !== 'f32' || gap === 64);
      w.dispose();
    }
    backend.dispose();
  });
});

it.skipIf(!cpuAvailability().available)('an op that takes no parts refuses them', async () => {
  const backend = createCpuBackend();
  const data = { ...stack('f32', 64), shape: [EXPERTS, WIDTH * DEPTH] };
  const g = createBuilder('no-parts');
  const table = g.weight('w', [EXPERTS, WIDTH * DEPTH], 'f32');
  g.output('y', g.gather(table, g.input('rows', [1], 'i32')));
  const weights = new Map([['w', backend.loadWeight(data)]]);
  const compiled = backend.compile(g.finish(), { weights, states: new Map(), limits: {} });
  await expect(compiled).rejects.toThrow(/several pieces/);
  backend.dispose();
});
