/** A limit of tokens never changes a text that keeps to it, and tells each that does not. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerFromJson } from '../src/index.ts';
import { golden, goldenNames, samples, type TokenizerGolden } from './goldens.ts';

const others = ['samples', 'pre-tokenizers', 'chat-templates', 'smollm2'];
const names = goldenNames().filter((name) => !others.includes(name));

/** Of many tokens per character and of few, words without end among them. */
const text = fc
  .array(fc.oneof(fc.constantFrom(...samples), fc.constantFrom('a', ' ', '\n', 'the ', '中')), {
    minLength: 1,
    maxLength: 6,
  })
  .chain((pieces) => fc.integer({ min: 1, max: 40 }).map((times) => pieces.join('').repeat(times)))
  .map((whole) => whole.slice(0, 20_000));

describe.each(names)('a limit for %s', (name) => {
  const tokenizer = tokenizerFromJson(golden<TokenizerGolden>(name).tokenizer);

  it('leaves what keeps to it', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 200 }), (whole, limit) => {
        const all = tokenizer.encode(whole);
        const ids = tokenizer.encode(whole, { limit });
        if (all.length <= limit || ids.length <= limit) expect(ids).toEqual(all);
        else expect(ids.length).toBeGreaterThan(limit);
      }),
      { numRuns: 60 },
    );
  });

  it('reads no more of a long text than shows that it is too long', () => {
    const words = 'river stone light paper garden '.repeat(40_000);
    expect(tokenizer.encode(words, { limit: 100 }).length).toBeLessThan(20_000);
  });
});
