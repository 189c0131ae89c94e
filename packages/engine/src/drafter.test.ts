import { describe, expect, it } from 'vitest';
import { Drafter } from './drafter.ts';

describe('guesses from the text', () => {
  it('are what followed the place where the last three tokens stood last', () => {
    const tokens = [1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 9, 9, 1, 2, 3];
    expect(new Drafter(tokens, 10).guess(15)).toEqual([6, 7, 8, 9]);
    expect(new Drafter(tokens, 10).guess(2)).toEqual([6, 7]);
    expect(new Drafter(tokens, 10).guess(0)).toEqual([]);
  });

  it('are none where no more than two tokens agree', () => {
    expect(new Drafter([7, 2, 3, 4, 1, 2, 3], 7).guess(4)).toEqual([]);
    expect(new Drafter([1, 2], 2).guess(4)).toEqual([]);
  });

  it('go on with themselves where the text repeats itself', () => {
    expect(new Drafter([5, 1, 2, 1, 2, 1, 2], 7).guess(4)).toEqual([1, 2, 1, 2]);
  });

  it('know tokens that came since', () => {
    const tokens = [1, 2, 3];
    const drafter = new Drafter(tokens, 3);
    expect(drafter.guess(4)).toEqual([]);
    tokens.push(4, 1, 2, 3);
    expect(drafter.guess(1)).toEqual([4]);
  });

  it('become more while they are right, and fewer, after a rest, when they are not', () => {
    const tokens = Array.from({ length: 100 }, () => 1);
    const drafter = new Drafter(tokens, 100);
    const lengths = [4, 8, 15, 8, 9, 15].map((right) => {
      const { length } = drafter.guess(100);
      drafter.learn(length, right);
      return length;
    });
    expect(lengths).toEqual([4, 8, 15, 15, 9, 15]);
    drafter.learn(15, 1);
    expect([0, 1].map(() => drafter.guess(100).length)).toEqual([0, 2]);
    drafter.learn(2, 0);
    expect([0, 1, 2].map(() => drafter.guess(100).length)).toEqual([0, 0, 1]);
  });
});

describe('guesses from an expected answer', () => {
  const expected = [10, 11, 12, 13, 14, 15, 16, 17];

  it('begin with it, leave it and come back to it', () => {
    const tokens = [1];
    const drafter = new Drafter(tokens, 1, expected);
    expect(drafter.guess(3)).toEqual([10, 11, 12]);
    drafter.learn(3, 2);
    tokens.push(10, 11, 99);
    expect(drafter.guess(3)).toEqual([]);
    tokens.push(13, 14);
    expect(drafter.guess(2)).toEqual([15, 16]);
    drafter.learn(2, 2);
    expect(drafter.expectedTokens).toEqual({ accepted: 4, rejected: 1 });
  });

  it('end with it', () => {
    const tokens = [1, 10, 11, 12, 13, 14, 15, 16, 17];
    expect(new Drafter(tokens, 1, expected).guess(4)).toEqual([]);
  });

  it('do not count those from the text', () => {
    const drafter = new Drafter([1, 2, 3, 4, 1, 2, 3], 3, expected);
    expect(drafter.guess(1)).toEqual([4]);
    drafter.learn(1, 1);
    expect(drafter.expectedTokens).toEqual({ accepted: 0, rejected: 0 });
  });
});
