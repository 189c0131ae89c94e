import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScoreRanks } from './score-ranks.ts';

/** All merges written out: by score, then by the place of the token made, then by the ids of the halves. */
function merges(tokens: readonly string[], scores: readonly number[]): string[] {
  const id = (token: string) => tokens.indexOf(token);
  return tokens
    .flatMap((token, made) =>
      Array.from({ length: token.length - 1 }, (_, i) => [token.slice(0, i + 1), token.slice(i + 1)] as const)
        .filter(([left, right]) => id(left) >= 0 && id(right) >= 0)
        .sort((a, b) => id(a[0]) - id(b[0]) || id(a[1]) - id(b[1]))
        .map((pair) => ({ pair, made })),
    )
    .sort((a, b) => scores[b.made]! - scores[a.made]! || a.made - b.made)
    .map(({ pair }) => JSON.stringify(pair));
}

const word = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });

describe('ScoreRanks', () => {
  it('orders pairs as the list of merges would', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 1, maxLength: 20 }),
        fc.func(fc.integer({ min: -3, max: 0 })),
        (tokens, score) => {
          const scores = tokens.map((token) => score(token));
          const ranks = new ScoreRanks(new Map(tokens.map((token, id) => [token, id])), (id) => scores[id]!);
          const listed = merges(tokens, scores).map((key) => ranks.get(key)!);
          expect(listed.every(Number.isInteger)).toBe(true);
          listed.forEach((rank, i) => expect(rank).toBeGreaterThan(i > 0 ? listed[i - 1]! : -1));
        },
      ),
    );
  });

  it('knows no pair whose parts or whole are not tokens', () => {
    const ranks = new ScoreRanks(
      new Map([
        ['a', 0],
        ['ab', 1],
        ['b', 2],
      ]),
      () => 0,
    );
    expect(ranks.get('["a","b"]')).toBeDefined();
    expect(ranks.get('["b","a"]')).toBeUndefined();
    expect(ranks.get('["","ab"]')).toBeUndefined();
  });
});
