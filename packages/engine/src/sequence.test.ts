import { describe, expect, it } from 'vitest';
import { PagePool } from './page-pool.ts';
import { Sequence } from './sequence.ts';

const tokens = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function compute(sequence: Sequence, count: number): void {
  expect(sequence.reserve(count)).toBe(true);
  sequence.publish(count);
  sequence.computed += count;
}

describe('sequence', () => {
  it('finds its own pages again after it gave them back', () => {
    const pool = new PagePool(8);
    const sequence = new Sequence(tokens, pool, { pageSize: 2 });
    compute(sequence, 9);
    const pages = [...sequence.pages];
    for (let times = 0; times < 2; times++) {
      sequence.release();
      expect(pool.availableCount).toBe(8);
      sequence.adoptPrefix();
      expect(sequence.pages).toEqual(pages.slice(0, 4));
      expect([sequence.computed, sequence.pending]).toEqual([8, 1]);
    }
  });

  it('always leaves a token to compute, and shares nothing but whole equal pages', () => {
    const pool = new PagePool(16);
    compute(new Sequence(tokens, pool, { pageSize: 2 }), 9);
    const adopted = (prompt: number[], scorePrompt = false): number => {
      const sequence = new Sequence(prompt, pool, { pageSize: 2, scorePrompt });
      sequence.adoptPrefix();
      const { computed } = sequence;
      sequence.release();
      return computed;
    };
    expect(adopted([1, 2, 3, 4])).toBe(2);
    expect(adopted([1, 2, 3, 4, 5])).toBe(4);
    expect(adopted([1, 2, 3, 9, 5, 6, 7])).toBe(2);
    expect(adopted([3, 4, 5, 6])).toBe(0);
    expect(adopted([1])).toBe(0);
    expect(adopted(tokens, true)).toBe(0);
  });

  it('gives slots by page and place', () => {
    const pool = new PagePool(4);
    pool.allocate();
    const sequence = new Sequence(tokens, pool, { pageSize: 4 });
    compute(sequence, 6);
    expect([0, 3, 4, 5].map((position) => sequence.slot(position))).toEqual([4, 7, 8, 9]);
    expect(sequence.reserve(99)).toBe(false);
    expect(sequence.pages).toEqual([1, 2]);
  });
});
