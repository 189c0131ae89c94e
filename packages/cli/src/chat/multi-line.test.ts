import { describe, expect, it } from 'vitest';
import { MessageAssembler } from './multi-line.ts';

/** Feeds lines; null stands for "no message yet". */
function feed(...lines: string[]): (string | null)[] {
  const assembler = new MessageAssembler();
  return lines.map((line) => assembler.push(line) ?? null);
}

describe('MessageAssembler', () => {
  it('passes a plain line', () => expect(feed('hello')).toEqual(['hello']));

  it('continues after a backslash', () => {
    expect(feed('one \\', 'two\\', 'three')).toEqual([null, null, 'one \ntwo\nthree']);
  });

  it('takes two backslashes as one that does not continue', () => {
    expect(feed('C:\\\\')).toEqual(['C:\\']);
  });

  it.each([
    [['"""', 'a', '', 'b', '"""'], 'a\n\nb'],
    [['"""a', 'b"""'], 'a\nb'],
    [['"""', 'a \\', 'b', '"""'], 'a \\\nb'],
    [['"""one line"""'], 'one line'],
    [['"""', '/exit', '"""'], '/exit'],
  ])('joins %j', (lines, message) => {
    const fed = feed(...lines);
    expect(fed.at(-1)).toBe(message);
    expect(fed.slice(0, -1).every((part) => part === null)).toBe(true);
  });

  it('is pending only within a message, and forgets on reset', () => {
    const assembler = new MessageAssembler();
    expect(assembler.pending).toBe(false);
    assembler.push('"""');
    expect(assembler.pending).toBe(true);
    assembler.reset();
    expect(assembler.pending).toBe(false);
    expect(assembler.push('plain')).toBe('plain');
  });
});
