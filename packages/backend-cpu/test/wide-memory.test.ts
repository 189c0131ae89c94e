/** Memory beyond what 32 bits address: which kernels are chosen for a model, and that results are the same up there. */

import {
  createNodeWasmBackend,
  createNodeWasmRunner,
  loadWasmModule,
  wasmAvailability,
  type WasmVariant,
} from '@steelyard/backend-cpu';
import { createWasmBackend } from '@steelyard/backend-cpu/wasm';
import { createReferenceBackend } from '@steelyard/backend-reference';
import { CapacityError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { loadLlama, step, TINY } from './llama-like.ts';

const GIB = 2 ** 30;
const runs = (variant: WasmVariant): boolean => 'module' in loadWasmModule(variant);
const pairs = (
  [
    ['simd', 'simd-64'],
    ['relaxed-simd', 'relaxed-simd-64'],
  ] as const
).filter(([narrow, wide]) => runs(narrow) && runs(wide));

async function logits(backend: Backend): Promise<Float32Array[]> {
  const model = await loadLlama(
    backend,
    { ...TINY, weights: 'q4_0', cache: 'f16' },
    { T: 40, S: 1, P: 3, V: 40, N: 3 },
  );
  const tokens = Array.from({ length: 40 }, (_, i) => (i * i * 7 + i) % TINY.vocab);
  const rows = await step(model, [{ tokens, start: 0, pages: [2, 0, 1] }], 3);
  model.dispose();
  return rows;
}

describe.skipIf(pairs.length === 0)('on a host of 64-bit addresses', () => {
  it.each(pairs)('%s gives the bits of %s, which works above 4 GiB', async (narrow, wide) => {
    for (const threads of [1, 2]) {
      const below = createWasmBackend({ runner: createNodeWasmRunner(threads, narrow) });
      const above = createWasmBackend({ runner: createNodeWasmRunner(threads, wide) });
      // Never written, so that the system gives it no memory.
      const room = above.allocateState('f16', [5, GIB / 2]);
      expect(await logits(above)).toEqual(await logits(below));
      room.dispose();
      above.dispose();
      below.dispose();
    }
  });

  it('agrees with the reference above 4 GiB, where it writes and reads states', async () => {
    const above = createWasmBackend({
      runner: createNodeWasmRunner(2, 'simd-64'),
      activations: 'f32',
    });
    const room = above.allocateState('f16', [5, GIB / 2]);
    const wanted = await logits(createReferenceBackend());
    const got = await logits(above);
    wanted.forEach((row, i) => {
      const peak = row.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
      row.forEach((v, k) => expect(Math.abs(v - (got[i]?.[k] ?? NaN)) / peak).toBeLessThan(1e-3));
    });
    // Its last bytes.
    await room.write(Uint8Array.of(1, 2, 3, 4), 5 * GIB - 4);
    const state = above.allocateState('f32', [2]);
    expect(await state.read()).toEqual(new Uint8Array(8));
    await state.write(Uint8Array.of(5, 6, 7, 8), 4);
    expect(await state.read()).toEqual(Uint8Array.of(0, 0, 0, 0, 5, 6, 7, 8));
    above.dispose();
  });

  it('refuses what 16 GiB do not hold, with numbers', () => {
    const backend = createNodeWasmBackend({ weightBytes: 8 * GIB });
    expect(() => backend.allocateState('f16', [16, GIB])).toThrow(/34359738368 bytes.*of its 17179869184/);
    backend.dispose();
  });
});

describe.skipIf(!wasmAvailability().available)('kernels', () => {
  it('of 64-bit addresses are chosen only for weights that 32 bits do not hold with a cache', () => {
    const descriptions = [undefined, 3 * GIB, 3 * GIB + 1].map((weightBytes) => {
      const backend = createNodeWasmBackend(weightBytes === undefined ? {} : { weightBytes });
      backend.dispose();
      return backend.description.includes('simd-64');
    });
    expect(descriptions).toEqual([false, false, pairs.length > 0]);
  });

  it.skipIf(pairs.length > 0)('of 32-bit addresses refuse such weights with numbers', () => {
    const backend = createNodeWasmBackend({ weightBytes: 5 * GIB });
    const [rows, columns] = [5 * 1024, 2 ** 19];
    const weight = {
      dtype: 'f16',
      shape: [rows, columns],
      byteLength: 5 * GIB,
      bytes: () => new Uint8Array(),
    } as const;
    expect(() => backend.loadWeight(weight)).toThrow(CapacityError);
    expect(() => backend.loadWeight(weight)).toThrow(/5368709120 bytes.*left of its 4294967296/);
    backend.dispose();
  });
});
