import { describe, expect, it } from 'vitest';
import { strftime, templateGlobals } from './template-functions.ts';

describe('strftime', () => {
  const date = new Date(2024, 1, 5, 15, 4, 9);

  it.each([
    ['%d %b %Y', '05 Feb 2024'],
    ['%A, %B %d, %Y', 'Monday, February 05, 2024'],
    ['%Y-%m-%d %H:%M:%S', '2024-02-05 15:04:09'],
    ['%a %y %j %I %p %-d/%-m', 'Mon 24 036 03 PM 5/2'],
    ['100%% %Q', '100% %Q'],
  ])('%s', (format, expected) => {
    expect(strftime(date, format)).toBe(expected);
  });

  it('says midnight and noon as twelve', () => {
    expect(strftime(new Date(2024, 0, 1, 0), '%I %p')).toBe('12 AM');
    expect(strftime(new Date(2024, 0, 1, 12), '%I %p')).toBe('12 PM');
  });
});

describe('range', () => {
  const range = templateGlobals(() => new Date(0)).range as (...numbers: number[]) => number[];

  it('counts as Python does', () => {
    expect(range(3)).toEqual([0, 1, 2]);
    expect(range(2, 7, 2)).toEqual([2, 4, 6]);
    expect(range(3, 0, -1)).toEqual([3, 2, 1]);
    expect(range(3, 1)).toEqual([]);
  });

  it('refuses what a template could fill the memory with', () => {
    expect(() => range(1e9)).toThrow(/at most/);
    expect(() => range(0, 5, 0)).toThrow(/at most/);
  });
});
