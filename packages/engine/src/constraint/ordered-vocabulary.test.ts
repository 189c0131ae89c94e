import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OrderedVocabulary } from './ordered-vocabulary.ts';

/** Few different bytes, so that beginnings are shared; some tokens are no text, some are there twice. */
const tokens = fc.array(
  fc.array(fc.constantFrom(0x61, 0x62, 0xff), { maxLength: 5 }).map((bytes) => Uint8Array.from(bytes)),
  { maxLength: 60 },
);
/** Texts that must not be a beginning. */
const wrong = fc.array(fc.array(fc.constantFrom(0x61, 0x62, 0xff), { minLength: 1, maxLength: 4 }), {
  maxLength: 4,
});

describe('an ordered vocabulary', () => {
  it('finds the tokens of which no beginning is wrong, judges each beginning once, and leaves nothing', () => {
    fc.assert(
      fc.property(tokens, wrong, fc.integer({ min: 1, max: 80 }), (vocabulary, bad, steps) => {
        const isWrong = (text: readonly number[]): boolean => bad.some((one) => one.join() === text.join());
        const standing: number[] = [];
        const judged: string[] = [];
        const found: number[] = [];
        const all = new OrderedVocabulary(vocabulary).search(
          (byte) => {
            judged.push([...standing, byte].join());
            if (isWrong([...standing, byte])) return false;
            standing.push(byte);
            return true;
          },
          (count) => standing.splice(standing.length - count),
          (id) => found.push(id),
          steps,
        );
        expect(standing).toEqual([]);
        expect(new Set(judged).size).toBe(judged.length);
        expect(judged.length).toBeLessThanOrEqual(steps);
        const fit = vocabulary.flatMap((bytes, id) => {
          const beginnings = Array.from(bytes, (_, i) => [...bytes.subarray(0, i + 1)]);
          return bytes.length > 0 && !beginnings.some(isWrong) ? [id] : [];
        });
        if (all) expect(found.toSorted((a, b) => a - b)).toEqual(fit);
        else expect(judged.length).toBe(steps);
      }),
      { numRuns: 2000 },
    );
  });
});
