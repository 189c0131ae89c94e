import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainRows, ROW_BLOCK } from './row-kernels.ts';

const row = fc
  .array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 700 })
  .map((values) => Float32Array.from(values));

describe('passes over a row', () => {
  it('find the largest, all from a floor on, and a softmax', () => {
    fc.assert(
      fc.property(row, (logits) => {
        const top = Math.max(...logits);
        expect(plainRows.argmax(logits)).toBe(logits.indexOf(top));
        const ids = new Uint32Array(logits.length);
        const found = plainRows.atLeast(logits, top - 20, ids);
        const expected = Array.from(logits.keys()).filter((i) => (logits[i] as number) >= top - 20);
        expect([...ids.subarray(0, found)]).toEqual(expected);
        const weights = new Float64Array(logits.length);
        const sums = new Float64Array(Math.ceil(logits.length / ROW_BLOCK));
        const total = plainRows.weigh(logits, top, 0.5, weights, sums);
        const exact = Array.from(logits, (x) => Math.exp((x - top) * 0.5));
        expect(total / exact.reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 12);
        exact.forEach((x, i) => expect((weights[i] as number) / x).toBeCloseTo(1, 12));
        expect(sums.reduce((sum, x) => sum + x, 0)).toBe(total);
      }),
    );
  });
});
