/** A whole Llama-shaped graph: against the reference backend, and bit for bit against itself cut in other ways. */

import { createReferenceBackend } from '@steelyard/backend-reference';
import type { Backend } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { kinds } from './kinds.ts';
import { IN_BLOCKS, loadLlama, step, TINY, type LlamaShape, type Part } from './llama-like.ts';

const PAGES = 24;
const LIMITS = { T: 160, S: 4, P: 8, V: 160, N: PAGES };

const prompt = (seed: number, length: number): number[] =>
  Array.from({ length }, (_, i) => (seed * 31 + i * i * 7 + i) % TINY.vocab);
const A: Part = { tokens: prompt(1, 90), start: 0, pages: [3, 9, 1, 14, 0, 5] };
const B: Part = { tokens: prompt(2, 37), start: 0, pages: [7, 2, 11] };

async function logitsOf(
  backend: Backend,
  shape: LlamaShape,
  steps: readonly Part[][],
): Promise<Float32Array[]> {
  const model = await loadLlama(backend, shape, LIMITS);
  const rows: Float32Array[] = [];
  for (const parts of steps) rows.push(...(await step(model, parts, PAGES)));
  model.dispose();
  return rows;
}

function worst(got: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  let error = 0;
  wanted.forEach((row, i) => {
    const peak = row.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    row.forEach((v, k) => {
      const distance = Math.abs(v - ((got[i] as Float32Array)[k] as number)) / peak;
      error = Math.max(error, Number.isNaN(distance) ? Infinity : distance);
    });
  });
  return error;
}

/** The same tokens, one at a time after a first chunk. */
const chunked = (part: Part, first: number): Part[][] => [
  [{ ...part, tokens: part.tokens.slice(0, first) }],
  ...part.tokens.slice(first).map((token, i) => [{ ...part, tokens: [token], start: first + i }]),
];

describe.each(kinds)('$name', ({ create, threads }) => {
  it.each(['f32', 'f16', 'q4_0', 'q8_0'] as const)('%s weights agree with the reference', async (weights) => {
    const shape: LlamaShape = { ...TINY, weights, cache: weights === 'f32' ? 'f32' : 'f16' };
    const wanted = await logitsOf(createReferenceBackend(), shape, [[A, B]]);
    const exact = create({ threads: 2, activations: 'f32', poison: true });
    const rounded = create({ threads: 2, activations: 'int16', poison: true });
    // An f16 cache rounds what float32 sums in another order: a unit in its last place may differ.
    const bound = shape.cache === 'f32' ? 1e-5 : 1e-3;
    expect(worst(await logitsOf(exact, shape, [[A, B]]), wanted)).toBeLessThan(bound);
    expect(worst(await logitsOf(rounded, shape, [[A, B]]), wanted)).toBeLessThan(0.05);
  });

  it('a q8_0 cache agrees with the reference', async () => {
    const wanted = await logitsOf(createReferenceBackend(), IN_BLOCKS, [[A, B]]);
    const exact = create({ threads: 2, activations: 'f32', poison: true });
    // Where sums in another order fall on the other side of a half, a code differs by one.
    expect(worst(await logitsOf(exact, IN_BLOCKS, [[A, B]]), wanted)).toBeLessThan(5e-3);
  });

  const halves = { ...TINY, cache: 'f16' } as const;
  it.each([
    { name: 'f32 weights', shape: halves },
    { name: 'q4_0 weights', shape: { ...halves, weights: 'q4_0' } },
    { name: 'q8_0 cache', shape: IN_BLOCKS },
  ] as const)('$name: rows are the same bits however a step is cut', async ({ shape }) => {
    const one = create({ threads: 1 });
    const together = await logitsOf(one, shape, [[A, B]]);
    const alone = [...(await logitsOf(one, shape, [[A]])), ...(await logitsOf(one, shape, [[B]]))];
    expect(alone).toEqual(together);
    for (const count of threads) {
      expect(await logitsOf(create({ threads: count }), shape, [[A, B]])).toEqual(together);
    }
    expect(await logitsOf(create({ threads: 2 }), shape, chunked(A, 61))).toEqual(
      together.slice(0, A.tokens.length),
    );
  });
});
