import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from './stop-strings.ts';

function run(stops: readonly string[], pieces: readonly string[]) {
  const watcher = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const result = watcher.push(piece);
    text += result.text;
    if (result.stop !== undefined) return { text, stop: result.stop };
  }
  return { text: text + watcher.flush() };
}

describe('stop strings', () => {
  it('are found across pieces, and what precedes them is shown', () => {
    expect(run(['</s>'], ['ab<', '/', 's', '>cd'])).toEqual({ text: 'ab', stop: '</s>' });
    expect(run(['\n\n'], ['one\n', '\ntwo'])).toEqual({ text: 'one', stop: '\n\n' });
    expect(run(['never'], ['nev', 'e'])).toEqual({ text: 'neve' });
  });

  it('hold back no more than may become one', () => {
    const watcher = new StopStrings(['abc']);
    expect(watcher.push('xxab')).toEqual({ text: 'xx' });
    expect(watcher.push('ab')).toEqual({ text: 'ab' });
    expect(watcher.push('x')).toEqual({ text: 'abx' });
    expect(watcher.push('c')).toEqual({ text: 'c' });
    expect(new StopStrings([]).push('anything')).toEqual({ text: 'anything' });
  });

  it('that end first win, the longest of those', () => {
    expect(run(['wxyz', 'y'], ['vwxyz'])).toEqual({ text: 'vwx', stop: 'y' });
    expect(run(['y', 'xy', 'wxyz'], ['vwxyz'])).toEqual({ text: 'vw', stop: 'xy' });
  });

  it('give the same result however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 }), {
      maxLength: 4,
    });
    const cuts = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 10 });
    fc.assert(
      fc.property(letters, stops, cuts, (text, strings, at) => {
        const borders = [0, ...at.filter((n) => n < text.length).sort((a, b) => a - b), text.length];
        const pieces = borders.slice(1).map((end, i) => text.slice(borders[i], end));
        const expected = run(strings, [...text]);
        expect(run(strings, pieces)).toEqual(expected);
        // The definition: no stop string is in the text before the one that ended it.
        const whole = expected.text + (expected.stop ?? '');
        expect(text.startsWith(whole)).toBe(true);
        for (const stop of strings) {
          if (expected.stop === undefined) expect(text.includes(stop)).toBe(false);
          else expect(whole.slice(0, -1).includes(stop)).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });
});
