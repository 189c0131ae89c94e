/** The safetensors reader: valid headers, and every kind of damage refused by name. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { readSafetensors } from '@steelyard/formats';
import { describe, expect, it } from 'vitest';
import { SAFETENSORS, safetensorsBytes, source, withInteger } from './files.ts';

function read(data: Uint8Array) {
  return readSafetensors(source(data, 'model.safetensors'));
}

const valid = safetensorsBytes({ __metadata__: { format: 'pt' }, ...SAFETENSORS }, 32);

it('reads tensors and leaves __metadata__', () => {
  const tensors = read(valid);
  expect([...tensors.keys()]).toEqual(['model.norm.weight', 'lm_head.weight']);
  expect(tensors.get('lm_head.weight')).toMatchObject({ dtype: 'f32', shape: [2, 3], byteLength: 24 });
  expect(tensors.get('lm_head.weight')?.bytes()).toEqual(valid.slice(-24));
});

it('reads a scalar and a tensor without elements', () => {
  const header = {
    scalar: { dtype: 'F16', shape: [], data_offsets: [0, 2] },
    none: { dtype: 'I64', shape: [0], data_offsets: [2, 2] },
  };
  expect([...read(safetensorsBytes(header, 2)).values()].map(({ shape }) => shape)).toEqual([[], [0]]);
});

describe('refusals', () => {
  const change = (entry: object) =>
    safetensorsBytes({ t: { dtype: 'F32', shape: [4], data_offsets: [0, 16], ...entry } }, 16);
  const deep = `{"t":${'['.repeat(100)}${']'.repeat(100)}}`;
  it.each([
    ['too short', valid.slice(0, 9), /9 bytes are too few/],
    [
      'a header longer than the file',
      withInteger(valid, 0, 10_000, 8),
      /header length is 10000, expected 2 to/,
    ],
    ['a header of 2^60 bytes', withInteger(valid, 0, 2n ** 60n, 8), /header length is 1152921504606846976/],
    ['broken JSON', safetensorsBytes('{"t": ', 0), /is not valid JSON/],
    ['JSON that is a list', safetensorsBytes('[1, 2]', 0), /holds JSON that is \[1, 2\], expected an object/],
    ['deep JSON', safetensorsBytes(deep, 0), /JSON nests deeper than 64/],
    ['an unknown dtype', change({ dtype: 'F7' }), /tensor t has dtype F7, expected one of F32, F16/],
    ['a negative dim', change({ shape: [-4] }), /tensor t has shape \[-4\], expected up to 8 whole numbers/],
    ['a fractional dim', change({ shape: [1.5] }), /tensor t has shape \[1\.5\], expected up to 8 whole/],
    [
      'too many dims',
      change({ shape: [1, 1, 1, 1, 1, 1, 1, 1, 4] }),
      /tensor t has shape \[1, 1, 1, 1, 1, 1, 1, 1, 4\], expected up to 8/,
    ],
    ['a product past 2^53', change({ shape: [2 ** 40, 2 ** 40] }), /expected at most 2\^53 elements/],
    [
      'one offset',
      change({ data_offsets: [0] }),
      /tensor t has data_offsets \[0\], expected two whole numbers/,
    ],
    [
      'another size',
      change({ shape: [5] }),
      /tensor t has data_offsets \[0, 16\], expected 20 bytes for \[5\] f32/,
    ],
    [
      'offsets past the end',
      change({ data_offsets: [16, 32] }),
      /ends at byte \d+, the file has \d+; it is truncated/,
    ],
    ['no entry', safetensorsBytes({ t: null }, 0), /tensor t is null, expected an object with dtype/],
    ['a list of shapes', change({ shape: [[4]] }), /tensor t has shape \[object\], expected/],
    [
      'offsets that go backwards',
      change({ data_offsets: [16, 0] }),
      /data_offsets \[16, 0\], expected 16 bytes/,
    ],
    [
      'a tensor that appears twice',
      safetensorsBytes('{"t": 1, "u": [{}, {}], "\\u0074" : 2}', 0),
      /t appears twice/,
    ],
    [
      'a field that appears twice',
      safetensorsBytes('{"t": {"dtype": "F32", "dtype": "F16"}}', 0),
      /dtype appears twice/,
    ],
    [
      'a name for a terminal',
      safetensorsBytes({ '\u001b[2J': 0 }, 0),
      /tensor \\u\{1b\}\[2J is 0, expected an object/,
    ],
    ['a name of a megabyte', safetensorsBytes({ ['n'.repeat(1 << 20)]: 0 }, 0), /tensor n{100}\.\.\. is 0/],
    [
      'overlapping tensors',
      safetensorsBytes(
        {
          a: { dtype: 'U8', shape: [8], data_offsets: [0, 8] },
          b: { dtype: 'U8', shape: [8], data_offsets: [4, 12] },
        },
        12,
      ),
      /tensors a \(bytes \d+ to \d+\) and b .* overlap/,
    ],
  ])('%s', (_, data, message) => {
    expect(() => read(data)).toThrow(message);
    try {
      read(data);
    } catch (error) {
      expect(error instanceof FormatError || error instanceof UnsupportedError).toBe(true);
      expect((error as Error).message.startsWith('model.safetensors: ')).toBe(true);
    }
  });

  it('a file cut short at any byte, as one to pull again', () => {
    for (let length = 0; length < valid.length; length++)
      expect(() => read(valid.subarray(0, length)), `${length} bytes`).toThrow(/pull it again/);
  });

  it('invalid UTF-8', () => {
    const data = safetensorsBytes('{"aa": 1}', 0);
    data[10] = 0xff;
    expect(() => read(data)).toThrow(/JSON is not valid UTF-8, expected text/);
  });

  it('a header with more values than any tokenizer has', () => {
    const data = safetensorsBytes(`{"t":[${'[],'.repeat(1 << 21)}[]]}`, 0);
    expect(() => read(data)).toThrow(/JSON has value 4194305 at byte \d+, expected at most 4194304/);
  });

  it('a header of more tensors than any model has', () => {
    const entries = Array.from({ length: 2 ** 18 + 1 }, (_, i) => `"t${i}":0`);
    const data = safetensorsBytes(`{${entries.join(',')}}`, 0);
    expect(() => read(data)).toThrow(/JSON has 262145 keys at t262144, expected at most 262144/);
  });

  it('a header past the limit is not read', () => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, 100_000_001n, true);
    const huge = {
      ...source(bytes, 'model.safetensors'),
      size: 2 ** 40,
      read: (offset: number, length: number) => {
        expect(length).toBeLessThanOrEqual(8);
        return bytes.subarray(offset, offset + length);
      },
    };
    expect(() => readSafetensors(huge)).toThrow(/header length is 100000001, expected 2 to 100000000/);
  });

  it('a prototype in the header does no harm', () => {
    for (const key of ['__proto__', '__pr\\u006fto__']) {
      expect(read(safetensorsBytes(`{"${key}": {"polluted": true}}`, 0)).size).toBe(0);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
