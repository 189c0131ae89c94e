import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chunkText } from './chunk-text.ts';

/** One token per four characters or part of them. */
const tokensOf = (word: string) => Math.ceil(word.length / 4);

it('ends at a paragraph, else at a sentence, else at a word', () => {
  const cut = (text: string) => chunkText(text, { maxTokens: 8, overlapTokens: 0 }, tokensOf);
  expect(cut('a b c d e f g\n\nh i j')).toEqual(['a b c d e f g', 'h i j']);
  expect(cut('a b c d e f g. h i j')).toEqual(['a b c d e f g.', 'h i j']);
  expect(cut('a b c d e f g h i j')).toEqual(['a b c d e f g h', 'i j']);
  expect(cut('a\n\nb c d e f g h i')).toEqual(['a\n\nb c d e f g h', 'i']);
});

it('repeats as many tokens as asked', () => {
  const chunks = chunkText('a b c d e f g h i', { maxTokens: 4, overlapTokens: 2 }, tokensOf);
  expect(chunks).toEqual(['a b c d', 'c d e f', 'e f g h', 'g h i']);
});

it('cuts what has no spaces, never within a character', () => {
  const chunks = chunkText('😀'.repeat(50), { maxTokens: 3, overlapTokens: 0 }, tokensOf);
  expect(chunks.join('')).toBe('😀'.repeat(50));
  for (const chunk of chunks) expect(Buffer.from(chunk).toString()).toBe(chunk);
});

it('loses no word, keeps to the limit and ends, for any text', () => {
  const text = fc.array(fc.constantFrom('word', 'a', 'sentence.', '\n\n', ' ', 'x'.repeat(60)), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(
      text,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 10 }),
      (parts, most, overlap) => {
        const whole = parts.join(' ');
        const chunks = chunkText(
          whole,
          { maxTokens: most, overlapTokens: Math.min(overlap, most / 2) },
          tokensOf,
        );
        for (const chunk of chunks) {
          const sum = chunk.split(/\s+/).reduce((all, word) => all + tokensOf(word), 0);
          // A word that is cut counts its parts, which may be more than it has itself.
          expect(sum).toBeLessThanOrEqual(most);
          expect(whole).toContain(chunk);
        }
        if (overlap === 0) expect(chunks.join('').replace(/\s/g, '')).toBe(whole.replace(/\s/g, ''));
      },
    ),
    { numRuns: 200, seed: 7 },
  );
});
