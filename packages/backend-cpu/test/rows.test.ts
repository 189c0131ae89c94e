/** Passes over rows of logits give the same bits at every level as in TypeScript. */

import { createCpuBackend } from '@steelyard/backend-cpu';
import { plainRows, ROW_BLOCK } from '@steelyard/graph';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { levels } from './levels.ts';

const value = fc.oneof(
  fc.float({ min: -60, max: 60, noNaN: true }),
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(-Infinity, -1e30, 0, -0, -700, -701),
);
/** Of any length, blocks that are not whole among them. */
const row = fc
  .tuple(fc.array(value, { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 3 * ROW_BLOCK }))
  .map(([values, length]) =>
    Float32Array.from({ length }, (_, i) => values[(i * 7) % values.length]! + (i % 3)),
  );

const room = ({ length }: Float32Array) => ({
  weights: new Float64Array(length),
  sums: new Float64Array(Math.ceil(length / ROW_BLOCK)),
  ids: new Uint32Array(length),
});

describe.each(levels)('rows by %s', (level) => {
  const rows = createCpuBackend({ level }).rows!;

  it('agree with the plain ones to the bit', () => {
    fc.assert(
      fc.property(row, fc.constantFrom(1, 1 / 0.7, 0.5, 10), value, (logits, scale, floor) => {
        const best = plainRows.argmax(logits);
        expect(rows.argmax(logits)).toBe(best);
        const top = logits[best] as number;
        const [ours, plain] = [room(logits), room(logits)];
        if (Number.isFinite(top)) {
          const total = plainRows.weigh(logits, top, scale, plain.weights, plain.sums);
          expect(rows.weigh(logits, top, scale, ours.weights, ours.sums)).toBe(total);
          expect(ours.weights).toEqual(plain.weights);
          expect(ours.sums).toEqual(plain.sums);
        }
        for (const least of [floor, top, Math.fround(floor) + 1e-12]) {
          expect(rows.atLeast(logits, least, ours.ids)).toBe(plainRows.atLeast(logits, least, plain.ids));
          expect(ours.ids).toEqual(plain.ids);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('let NaN be seen, and never have it largest', () => {
    const logits = Float32Array.of(NaN, 1, NaN, 3, 3, NaN);
    const { weights, sums, ids } = room(logits);
    expect(rows.argmax(logits)).toBe(3);
    expect(rows.argmax(Float32Array.of(NaN, NaN))).toBe(1);
    expect(rows.argmax(Float32Array.of(NaN, -Infinity))).toBe(1);
    expect(rows.weigh(logits, 3, 1, weights, sums)).toBeNaN();
    expect(rows.atLeast(logits, -Infinity, ids)).toBe(3);
  });

  it('refuse what has no room for a row', () => {
    const logits = new Float32Array(ROW_BLOCK + 1);
    const { weights, sums, ids } = room(logits);
    expect(() => rows.weigh(logits, 0, 1, weights.subarray(1), sums)).toThrow(/no room/);
    expect(() => rows.weigh(logits, 0, 1, weights, sums.subarray(1))).toThrow(/no room/);
    expect(() => rows.atLeast(logits, 0, ids.subarray(1))).toThrow(/no room/);
  });
});
