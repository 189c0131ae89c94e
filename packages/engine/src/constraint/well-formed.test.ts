/** What passes is what a strict decoder takes. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WordTokenizer } from '../word-tokenizer.ts';
import { GuideMaker } from './guide-maker.ts';
import { BETWEEN, stateAfter } from './well-formed.ts';

/** Most bytes of any kind, many of those at the borders of what is well-formed. */
const bytes = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed),
    fc.constantFrom(0x80, 0xbf, 0xe1, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff),
  ),
  { maxLength: 8 },
);

function decodes(text: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(text);
    return true;
  } catch {
    return false;
  }
}

describe('well-formed UTF-8', () => {
  it('ends between characters where a strict decoder takes the text', () => {
    let taken = 0;
    fc.assert(
      fc.property(bytes, (values) => {
        const text = Uint8Array.from(values);
        const whole = stateAfter(BETWEEN, text) === BETWEEN;
        if (whole) taken++;
        expect(whole).toBe(decodes(text));
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1000);
  });

  it('has every whole character', () => {
    const encoder = new TextEncoder();
    let missing = 0;
    for (let code = 0; code <= 0x10ffff; code++) {
      if (code === 0xd800) code = 0xe000;
      if (stateAfter(BETWEEN, encoder.encode(String.fromCodePoint(code))) !== BETWEEN) missing++;
    }
    expect(missing).toBe(0);
  });

  it('is what a string of JSON is made of, byte by byte', async () => {
    const tokenizer = new WordTokenizer();
    const byte = (value: number): number =>
      Array.from({ length: 300 }, (_, id) => id).find((id) => {
        const own = tokenizer.isSpecial(id) ? [] : tokenizer.bytes(id);
        return own.length === 1 && own[0] === value;
      }) as number;
    const guide = await new GuideMaker(tokenizer, 300).make({
      constraint: { type: 'json_schema', schema: { type: 'string' } },
    });
    const allowed = async (): Promise<number[]> => {
      const mask = await guide.mask();
      return Array.from({ length: 256 }, (_, value) => value).filter(
        (value) => ((mask[byte(value) >>> 5] as number) >>> (byte(value) & 31)) % 2 !== 0,
      );
    };
    const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    guide.accept(byte(0x22));
    const beyond = (await allowed()).filter((value) => value > 0x7f);
    expect(beyond).toEqual(range(0xc2, 0xf4));
    for (const [first, from, to, ...rest] of [
      [0xe0, 0xa0, 0xbf, 0x80],
      [0xed, 0x80, 0x9f, 0xbf],
      [0xf0, 0x90, 0xbf, 0x80, 0xbf],
      [0xf4, 0x80, 0x8f, 0xbf, 0x80],
    ] as const) {
      guide.accept(byte(first));
      expect(await allowed()).toEqual(range(from, to));
      for (const value of [from, ...rest]) guide.accept(byte(value));
    }
    guide.dispose();
  });
});
