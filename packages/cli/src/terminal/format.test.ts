import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatTokenRate, parseBytes } from './format.ts';

describe('format', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [91_730_000, '91.7 MB'],
    [999_600, '1.00 MB'],
    [1_230_000_000, '1.23 GB'],
    [763_000_000_000, '763 GB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [12, '12'],
    [134_515_008, '135 M'],
    [7_240_000_000, '7.24 G'],
  ])('count %d', (count, text) => expect(formatCount(count)).toBe(text));

  it.each([
    [850, '850 ms'],
    [999.7, '1.0 s'],
    [59_990, '1 min 00 s'],
    [200_000, '3 min 20 s'],
    [7_500_000, '2 h 05 min'],
  ])('%d ms', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it.each([
    [3.456, '3.46'],
    [38.21, '38.2'],
    [412.7, '413'],
    [Infinity, '-'],
  ])('%d tokens/s', (rate, text) => expect(formatTokenRate(rate)).toBe(text));

  it.each([
    ['4GB', 4e9],
    ['512 MiB', 512 * 1024 * 1024],
    ['1.5k', 1500],
    ['12', 12],
    ['many', undefined],
    ['4 parsecs', undefined],
    ['-1', undefined],
  ])('parses %s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));
});
