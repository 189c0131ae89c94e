/**
 * Every op of the table on every backend and instruction-set level, against the table's reference implementation,
 * on random shapes, formats and strides. New ops, formats and levels are found by listing.
 */

import {
  cpuAvailability,
  createCpuBackend,
  cpuLevels,
  loadWasmModule,
  wasmVariants,
} from '@steelyard/backend-cpu';
import { createWasmBackend } from '@steelyard/backend-cpu/wasm';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { ops, Random, type Backend } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { drawCase, expectation, runCase } from './op-case.ts';

const CASES = 40;

const levels = cpuLevels.filter((level) => {
  if (!cpuAvailability().available) return false;
  try {
    createCpuBackend({ level });
    return true;
  } catch {
    return false;
  }
});

/** Builds of the WebAssembly kernels that are there and that this version of Node accepts. */
const wasmModules = wasmVariants.flatMap((variant) => {
  const loaded = loadWasmModule(variant);
  return 'module' in loaded ? [loaded] : [];
});

const backends: { name: string; create: () => Backend }[] = [
  { name: 'reference', create: createReferenceBackend },
  ...levels.flatMap((level) =>
    [1, 2].flatMap((threads) =>
      (['f32', 'int16'] as const).map((activations) => ({
        name: `cpu ${level}, ${threads} threads, ${activations}`,
        create: () => createCpuBackend({ level, threads, activations }),
      })),
    ),
  ),
  ...wasmModules.flatMap(({ module, variant }) =>
    (['f32', 'int16'] as const).map((activations) => ({
      name: `wasm ${variant}, ${activations}`,
      create: () => createWasmBackend({ module, activations, poison: true }),
    })),
  ),
];

function worstError(got: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  let worst = 0;
  wanted.forEach((reference, i) => {
    const peak = reference.reduce((top, v) => Math.max(top, Math.abs(v)), 1e-6);
    expect((got[i] as Float32Array).length).toBe(reference.length);
    reference.forEach((v, k) => {
      const error = Math.abs(((got[i] as Float32Array)[k] as number) - v) / peak;
      worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
    });
  });
  return worst;
}

describe.each(backends)('$name', ({ name, create }) => {
  it.each(Object.keys(ops))('%s agrees with the reference', async (op) => {
    const backend = create();
    for (let seed = 1; seed <= CASES; seed++) {
      const opCase = drawCase(op, new Random(seed * 7919));
      const { wanted, bound } = expectation(opCase, name.endsWith('int16'));
      const strided = seed % 3 === 0;
      const got = await runCase(backend, opCase, { strided });
      const shapes = opCase.data.map((t) => (t ? `[${t.shape.join(', ')}] ${t.dtype}` : 'none')).join(', ');
      expect(
        worstError(got, wanted),
        `${op}(${shapes}) seed ${seed}${strided ? ' strided' : ''}`,
      ).toBeLessThan(bound);
    }
    backend.dispose();
  });
});
