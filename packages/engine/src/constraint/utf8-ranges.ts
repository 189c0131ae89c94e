/**
 * Ranges of code points as sequences of byte ranges in UTF-8, because xgrammar's character classes are classes of bytes:
 * beyond ASCII it takes what is written in one for bytes of its own.
 */

import type { CharRange } from './grammar.ts';

/** Last code point of each length in bytes. */
const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, 0x10ffff];

/** Each result is one way of spelling characters of the range: byte ranges that follow each other. */
export function utf8Ranges([from, to]: CharRange): readonly (readonly CharRange[])[] {
  const border = LENGTH_ENDS.find((end) => from <= end && to > end);
  if (border !== undefined) return [...utf8Ranges([from, border]), ...utf8Ranges([border + 1, to])];
  const length = LENGTH_ENDS.findIndex((end) => to <= end) + 1;
  // Where the last bytes do not take all their values, the ends are ranges of their own.
  for (let tail = 1; tail < length; tail++) {
    const mask = 2 ** (6 * tail) - 1;
    if (Math.floor(from / (mask + 1)) === Math.floor(to / (mask + 1))) continue;
    if ((from & mask) !== 0)
      return [...utf8Ranges([from, from | mask]), ...utf8Ranges([(from | mask) + 1, to])];
    if ((to & mask) !== mask) {
      const start = to - (to & mask);
      return [...utf8Ranges([from, start - 1]), ...utf8Ranges([start, to])];
    }
  }
  const [first, last] = [bytesOf(from), bytesOf(to)];
  return [first.map((byte, i): CharRange => [byte, last[i]!])];
}

function bytesOf(code: number): number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(code))];
}
