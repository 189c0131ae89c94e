import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { encodeTexts, hashOf, textAt, TextIndex } from './text-index.ts';

const texts = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 200 });
const utf8 = new TextEncoder();

describe('TextIndex', () => {
  it('finds each text where it is and no other', () => {
    fc.assert(
      fc.property(texts, fc.string({ unit: 'grapheme' }), (list, other) => {
        const index = new TextIndex(encodeTexts(list));
        list.forEach((text, i) => {
          expect(index.find(text)).toBe(i);
          expect(textAt(index.texts, i)).toBe(text);
        });
        expect(index.find(other)).toBe(list.includes(other) ? list.indexOf(other) : undefined);
        expect(textAt(index.texts, list.length)).toBeUndefined();
        expect(textAt(index.texts, -1)).toBeUndefined();
      }),
    );
  });

  it('finds a text in two pieces', () => {
    const list = ['Ġthe', 'Ġ', 'the', 't', 'he', 'thé'];
    const index = new TextIndex(encodeTexts(list));
    const bytes = utf8.encode('t|he|thx');
    const joined = (end: number) => hashOf(bytes, 2, end, hashOf(bytes, 0, 1));
    expect(index.findBytes(joined(4), bytes, 0, 1, 2, 4)).toBe(2);
    expect(index.findBytes(joined(3), bytes, 0, 1, 2, 3)).toBeUndefined();
    // Not even with another's hash.
    expect(index.findBytes(joined(4), bytes, 0, 1, 6, 8)).toBeUndefined();
  });

  it('gives the last of equal texts and tells of it', () => {
    const repeats: number[] = [];
    const index = new TextIndex(encodeTexts(['a', 'b', 'a']), (i) => repeats.push(i));
    expect(index.find('a')).toBe(2);
    expect(repeats).toEqual([2]);
  });

  it('does not take a lone surrogate for the character that stands in for it', () => {
    const index = new TextIndex(encodeTexts(['\ufffd']));
    expect(index.find('\ufffd')).toBe(0);
    expect(index.find('\ud800')).toBeUndefined();
  });
});
