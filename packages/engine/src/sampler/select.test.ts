import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowLogprobs } from './logprobs.ts';
import { endOfMass, largest, precedes } from './select.ts';

const rowArb = fc
  .array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -50, max: 50, noNaN: true })), {
    minLength: 1,
    maxLength: 500,
  })
  .map((values) => Float32Array.from(values));

const sorted = (row: Float32Array): number[] =>
  Array.from(row, (_, id) => id).sort((a, b) => (precedes(row, a, b) ? -1 : 1));

describe('selection agrees with sorting', () => {
  it('for the largest few', () => {
    fc.assert(
      fc.property(rowArb, fc.integer({ min: 0, max: 520 }), (row, count) => {
        expect(largest(row, count)).toEqual(sorted(row).slice(0, count));
      }),
    );
  });

  it('for a run that reaches a mass', () => {
    fc.assert(
      fc.property(rowArb, fc.integer({ min: 1, max: 2000 }), (row, target) => {
        const order = sorted(row);
        const ids = Uint32Array.from(order.keys());
        expect(endOfMass(ids, row.length, row, target)).toBe(order[Math.min(target, row.length) - 1]);
        const masses = Float64Array.from(row, (_, id) => (id % 5) + 1);
        let sum = 0;
        const end = order.find((id) => (sum += masses[id] as number) >= target) ?? order.at(-1);
        expect(endOfMass(ids, row.length, row, target, masses)).toBe(end);
      }),
    );
  });

  it('in linear work, also where all are equal or sorted', () => {
    const n = 1 << 17;
    const ids = Uint32Array.from({ length: n }, (_, i) => i);
    for (const row of [
      new Float32Array(n),
      Float32Array.from({ length: n }, (_, i) => i),
      Float32Array.from({ length: n }, (_, i) => -i),
    ]) {
      expect(endOfMass(ids.slice(), n, row, n / 2)).toBe(sorted(row)[n / 2 - 1]);
    }
  });
});

describe('log-probabilities', () => {
  it('are those of a softmax, likeliest first', () => {
    fc.assert(
      fc.property(rowArb, (row) => {
        const { logprob, top } = rowLogprobs(row, row.length - 1, 5);
        const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
        expect(logprob).toBeCloseTo((row.at(-1) as number) - Math.log(total), 4);
        expect(top.map(({ id }) => id)).toEqual(sorted(row).slice(0, 5));
        const all = rowLogprobs(row, 0, row.length).top.reduce((sum, t) => sum + Math.exp(t.logprob), 0);
        expect(all).toBeCloseTo(1, 6);
      }),
    );
  });

  it('hold for logits whose exponentials overflow', () => {
    expect(rowLogprobs(Float32Array.from([1000, 1000]), 1, 0).logprob).toBeCloseTo(-Math.LN2, 6);
  });
});
