import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SamplingOptions } from '../types.ts';
import { uniformAt } from './counter-random.ts';
import { weigh } from './cuts.ts';
import { Sampler } from './sampler.ts';
import { SamplerScratch } from './scratch.ts';

const logitsArb = fc
  .array(fc.oneof(fc.double({ min: -8, max: 8, noNaN: true }), fc.integer({ min: -2, max: 2 })), {
    minLength: 1,
    maxLength: 300,
  })
  .map((values) => Float32Array.from(values));

const optionsArb = fc.record({
  temperature: fc.constantFrom(0.1, 0.7, 1, 1.9),
  topK: fc.constantFrom(0, 1, 5, 40, 1000),
  topP: fc.constantFrom(1, 0, 0.1, 0.5, 0.9, 0.999),
  minP: fc.constantFrom(0, 0, 0.05, 0.3, 1),
});

interface Entry {
  readonly id: number;
  readonly logit: number;
  readonly probability: number;
}

const byLikelihood = (a: Entry, b: Entry): number => b.logit - a.logit || a.id - b.id;

/** Probabilities after each cut, by sorting everything; undefined where rounding decides top-p. */
function naiveKept(logits: Float32Array, options: SamplingOptions): Entry[] | undefined {
  const { temperature = 1, topK = 0, topP = 1, minP = 0 } = options;
  const top = Math.max(...logits);
  const weights = [...logits].map((x) => Math.exp((x - top) / temperature));
  const renormalise = (entries: Entry[]): Entry[] => {
    const total = entries.reduce((sum, e) => sum + e.probability, 0);
    return entries.map((e) => ({ ...e, probability: e.probability / total }));
  };
  let kept = weights.map((probability, id) => ({ id, logit: logits[id] as number, probability }));
  kept.sort(byLikelihood);
  if (topK > 0) kept = kept.slice(0, topK);
  kept = renormalise(kept);
  let sum = 0;
  let count = 0;
  while (count < kept.length && (count === 0 || sum < topP)) {
    sum += (kept[count++] as Entry).probability;
    if (topP > 0 && topP < 1 && Math.abs(sum - topP) < 1e-9) return undefined;
  }
  if (topP < 1) kept = kept.slice(0, count);
  // The likeliest has weight 1.
  kept = kept.filter((e) => (weights[e.id] as number) >= minP);
  return renormalise(kept).sort((a, b) => a.id - b.id);
}

function sample(logits: Float32Array, options: SamplingOptions, prompt: readonly number[] = []): Sampler {
  return new Sampler(options, prompt, new SamplerScratch(logits.length));
}

describe('sampler', () => {
  it('draws from what sorting everything would keep, at the same place', () => {
    fc.assert(
      fc.property(logitsArb, optionsArb, fc.integer({ min: 0, max: 1e6 }), (logits, options, seed) => {
        const kept = naiveKept(logits, options);
        fc.pre(kept !== undefined);
        const sampler = sample(logits, { ...options, seed });
        for (let drawn = 0; drawn < 4; drawn++) {
          const uniform = uniformAt(seed, drawn);
          let sum = 0;
          const at = kept.findIndex((e) => (sum += e.probability) > uniform);
          const edge = kept.some((_, i) => {
            const through = kept.slice(0, i + 1).reduce((total, e) => total + e.probability, 0);
            return Math.abs(through - uniform) < 1e-9;
          });
          const id = sampler.next(logits);
          if (!edge) expect(id).toBe((kept[at] as Entry).id);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('keeps unlikely tokens where together they matter', () => {
    // The likeliest has a share of 0.524, each of the others one of 0.0000238.
    const logits = new Float32Array(20_001);
    logits[7] = 10;
    const total = Math.exp(10) + 20_000;
    for (const topP of [0.5, 0.9]) {
      const count = 1 + Math.ceil(Math.max(0, topP * total - Math.exp(10)));
      const scratch = new SamplerScratch(logits.length);
      expect(weigh(logits, 10, { topP }, scratch).count).toBe(count);
    }
  });

  it('is greedy at temperature 0, the lowest id of equals', () => {
    fc.assert(
      fc.property(logitsArb, (logits) => {
        expect(sample(logits, { temperature: 0 }).next(logits)).toBe(logits.indexOf(Math.max(...logits)));
      }),
    );
  });

  it('draws each token as often as it is likely', () => {
    const logits = Float32Array.from([0, 1, 2, 0.5]);
    const counts = [0, 0, 0, 0];
    const sampler = sample(logits, { seed: 5 });
    const draws = 40_000;
    for (let i = 0; i < draws; i++) (counts[sampler.next(logits)] as number)++;
    const total = [...logits].reduce((sum, x) => sum + Math.exp(x), 0);
    counts.forEach((_, id) => {
      const seen = counts[id] as number;
      const expected = Math.exp(logits[id] as number) / total;
      // Six standard deviations; the seed is fixed, so this never fails by chance.
      expect(Math.abs(seen / draws - expected)).toBeLessThan(
        6 * Math.sqrt((expected * (1 - expected)) / draws),
      );
    });
  });

  it('does not change the logits that it is given', () => {
    const logits = Float32Array.from([1, 2, 3]);
    sample(logits, { repetitionPenalty: 2, logitBias: { 0: 5 } }, [0, 1, 2]).next(logits);
    expect([...logits]).toEqual([1, 2, 3]);
  });

  it('refuses logits without a largest', () => {
    for (const bad of [NaN, -Infinity, Infinity]) {
      const logits = Float32Array.from([bad, bad]);
      expect(() => sample(logits, {}).next(logits)).toThrow(/no usable logits/);
    }
  });
});

describe('penalties', () => {
  /** Greedy choices among logits under options, until `count`. */
  const choices = (logits: number[], options: SamplingOptions, prompt: number[], count: number): number[] => {
    const row = Float32Array.from(logits);
    const sampler = sample(row, { temperature: 0, ...options }, prompt);
    return Array.from({ length: count }, () => sampler.next(row));
  };

  it('bias is added to logits', () => {
    expect(choices([1, 2, 0], { logitBias: { 2: 2.5 } }, [], 1)).toEqual([2]);
    expect(choices([1, 2, 0], { logitBias: { 1: -100 } }, [], 1)).toEqual([0]);
  });

  it('repetition divides positive and multiplies negative logits of prompt and answer, once', () => {
    expect(choices([4, 3], { repetitionPenalty: 1.5 }, [0], 1)).toEqual([1]);
    expect(choices([-1, -1.4], { repetitionPenalty: 1.5 }, [0], 1)).toEqual([1]);
    // 4/1.5 = 2.67 and 3/1.5 = 2, however often they were seen.
    expect(choices([4, 3], { repetitionPenalty: 1.5 }, [0, 0, 0, 1], 3)).toEqual([0, 0, 0]);
    expect(choices([4, 3], { repetitionPenalty: 1.5 }, [], 3)).toEqual([0, 1, 0]);
  });

  it('presence counts once, frequency each time, both over the answer only', () => {
    expect(choices([3, 2.5], { presencePenalty: 1 }, [0], 4)).toEqual([0, 1, 0, 0]);
    expect(choices([3, 2.5], { frequencyPenalty: 1 }, [0], 4)).toEqual([0, 1, 0, 1]);
  });
});

describe('random numbers', () => {
  it('depend on seed and place alone, and fill the unit interval evenly', () => {
    expect(uniformAt(7, 3)).toBe(uniformAt(7, 3));
    const seen = new Set<number>();
    for (const stream of [
      (i: number) => uniformAt(1, i),
      (i: number) => uniformAt(i, 0),
      (i: number) => uniformAt(-i, 5),
      (i: number) => uniformAt(i * 2 ** 32, 1),
    ]) {
      const buckets = new Array<number>(32).fill(0);
      for (let i = 0; i < 32_000; i++) {
        const value = stream(i);
        if (!(value >= 0 && value < 1)) throw new Error(`${value} is not in the unit interval`);
        buckets[Math.floor(value * 32)]! += 1;
        seen.add(value);
      }
      const chi = buckets.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
      // 31 degrees of freedom: 65 is beyond the 99.96th percentile.
      expect(chi).toBeLessThan(65);
    }
    expect(seen.size).toBeGreaterThan(127_900);
  });
});
