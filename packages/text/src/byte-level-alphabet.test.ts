import { describe, expect, it } from 'vitest';
import { byteLevelBytes } from './byte-level-alphabet.ts';

const bytes = (token: string) => [...byteLevelBytes(token, new TextEncoder())];

describe('byteLevelBytes', () => {
  it('reads the alphabet of GPT-2', () => {
    expect(bytes('Ġa')).toEqual([0x20, 0x61]);
    expect(bytes('Ċĉ')).toEqual([0x0a, 0x09]);
    expect(bytes('ĀġĢłŃÿ')).toEqual([0x00, 0x7f, 0x80, 0xa0, 0xad, 0xff]);
  });

  it('takes a token with any other character as text', () => {
    expect(bytes('a b')).toEqual([0x61, 0x20, 0x62]);
    expect(bytes('é😀')).toEqual([...new TextEncoder().encode('é😀')]);
    expect(bytes('ń')).toEqual([0xc5, 0x84]);
  });
});
