import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyFilter } from './paste.ts';

function filter() {
  const seen: string[] = [];
  const keys = new KeyFilter((text) => seen.push(text));
  return { keys, text: () => seen.join('') };
}

const paste = (text: string): string => `\u001b[200~${text}\u001b[201~`;

describe('KeyFilter', () => {
  it('passes keys, escape sequences and a lone escape at once', () => {
    const { keys, text } = filter();
    for (const key of ['a', '\u001b[A', '\u001b', 'é']) keys.push(Buffer.from(key));
    expect(text()).toBe('a\u001b[A\u001bé');
  });

  it('inserts a paste of one line as typed, without its last line break', () => {
    const { keys, text } = filter();
    keys.push(paste('hello\r'));
    expect(text()).toBe('hello');
  });

  it('marks a paste of several lines and puts it back', () => {
    const { keys, text } = filter();
    keys.push(`see ${paste('one\r\ntwo\rthree\n')}!`);
    expect(text()).toBe('see [paste 1: 3 lines]!');
    expect(keys.expand(text())).toBe('see one\ntwo\nthree!');
  });

  it('gives every paste its own mark, and leaves dollar patterns alone', () => {
    const { keys, text } = filter();
    keys.push(paste('a\n$&') + ' ' + paste('c\n$1'));
    expect(keys.expand(text())).toBe('a\n$& c\n$1');
  });

  it('does not care where chunks are cut', () => {
    const bytes = Buffer.from(`x${paste('für\nzwei')}y\u001b[B${paste('one')}`);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), (cuts) => {
        const { keys, text } = filter();
        let start = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          // A chunk that ends in a lone escape is the Escape key, not a cut mark: see the first test.
          if (bytes[cut - 1] === 0x1b) continue;
          keys.push(bytes.subarray(start, cut));
          start = cut;
        }
        expect(keys.expand(text())).toBe('xfür\nzweiy\u001b[Bone');
      }),
    );
  });

  it('drops control characters from pastes', () => {
    const { keys, text } = filter();
    keys.push(paste('a\u0003b\u001b[2Jc'));
    expect(text()).toBe('ab[2Jc');
  });

  it('keeps keys while held, and Ctrl-C stops and empties them', () => {
    const { keys, text } = filter();
    let stops = 0;
    keys.hold(() => stops++);
    keys.push('typed ');
    keys.push('\u0003');
    keys.push('ahead');
    expect([text(), stops]).toEqual(['', 1]);
    keys.release();
    expect(text()).toBe('ahead');
    keys.push('\u0003');
    expect(text()).toBe('ahead\u0003');
  });
});
