import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponential } from './exponential.ts';

describe('exponential', () => {
  it('is e^x to the last bits', () => {
    fc.assert(
      fc.property(fc.double({ min: -700, max: 0, noNaN: true }), (x) => {
        expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(1e-14 + 4e-16 * Math.abs(x));
      }),
      { numRuns: 5000 },
    );
  });

  it('is exact at its ends', () => {
    expect(exponential(0)).toBe(1);
    expect(exponential(-Math.LN2)).toBeCloseTo(0.5, 15);
    expect(exponential(-701)).toBe(0);
    expect(exponential(-Infinity)).toBe(0);
    expect(exponential(NaN)).toBeNaN();
  });
});
