/** The GGUF reader: what the writer wrote comes back, and every kind of damage is refused by name. */

import { FormatError, UnsupportedError } from '@steelyard/core';
import { readGguf, type TextList } from '@steelyard/formats';
import { describe, expect, it } from 'vitest';
import { concat, find, ggufBytes, METADATA, source, TENSORS, withInteger } from './files.ts';

const valid = ggufBytes();

/** Byte of the value of a metadata key: after the key's text and its type. */
function valueOf(key: string): number {
  return find(valid, key) + key.length + 4;
}

/** Byte of the rank of a tensor: after its name. */
function rankOf(name: string): number {
  return find(valid, name) + name.length;
}

function read(data: Uint8Array) {
  return readGguf([source(data)]);
}

describe('a valid file', () => {
  it('gives back all metadata', () => {
    const { metadata } = read(valid);
    expect(metadata.size).toBe(Object.keys(METADATA).length);
    for (const [key, { type, value }] of Object.entries(METADATA)) {
      const got = metadata.get(key);
      if (type === 'array')
        expect([...(got as Iterable<unknown>)], key).toEqual([...(value as Iterable<unknown>)]);
      else expect(got, key).toBe(value);
    }
  });

  it('gives back tensors by name, outermost dim first, with their bytes', () => {
    const { tensors } = read(valid);
    expect([...tensors.keys()]).toEqual(TENSORS.map(({ name }) => name));
    for (const { name, dtype, shape, bytes } of TENSORS) {
      const tensor = tensors.get(name);
      expect(tensor).toMatchObject({ dtype, shape });
      expect(tensor?.bytes()).toEqual(concat(bytes()));
    }
  });

  it('gives inner arrays and lists of bools and 64-bit integers', () => {
    const bytes = ggufBytes({ k: { type: 'array', of: 'i32', value: new Array<number>(18).fill(0) } }, []);
    const view = new DataView(bytes.buffer, find(bytes, 'k') + 1);
    // [[7, 8], [-(2n ** 63n)], [5]], four bytes a word, where the integers were.
    const words = [9, 9, 3, 0, 5, 2, 0, 7, 8, 11, 1, 0, 0, 0x80000000, 10, 1, 0, 5, 0];
    words.forEach((word, i) => view.setUint32(i * 4, word, true));
    const cut = concat([bytes.subarray(0, find(bytes, 'k') + 1 + words.length * 4)]);
    expect(read(cut).metadata.get('k')).toEqual([[7, 8], [-(2n ** 63n)], [5]]);
  });

  it('gives numbers of each width, whole or fractional, as typed arrays', () => {
    const arrays = {
      u8: new Uint8Array([1, 255]),
      i8: new Int8Array([-128, 127]),
      u16: new Uint16Array([1, 65535]),
      i16: new Int16Array([-32768, 7]),
      u32: new Uint32Array([1, 4294967295]),
      i32: new Int32Array([-2147483648, 7]),
      f32: new Float32Array([0.25, -1]),
      f64: new Float64Array([0.1, -1e300]),
    };
    const entries = Object.entries(arrays).map(
      ([of, value]) => [of, { type: 'array', of: of as keyof typeof arrays, value }] as const,
    );
    expect(Object.fromEntries(read(ggufBytes(Object.fromEntries(entries), [])).metadata)).toEqual(arrays);
  });

  it('gives lists of bools and of 64-bit integers, those that are not exact as bigint', () => {
    const lists = {
      bools: { type: 'array', of: 'bool', value: [true, false] },
      u64: { type: 'array', of: 'u64', value: [5, 2n ** 63n] },
      i64: { type: 'array', of: 'i64', value: [-5, -(2n ** 63n)] },
    } as const;
    expect(Object.fromEntries(read(ggufBytes(lists, [])).metadata)).toEqual({
      bools: lists.bools.value,
      u64: lists.u64.value,
      i64: lists.i64.value,
    });
  });

  it('may come as a Buffer and in windows smaller than its values', () => {
    const long = 'x'.repeat(3 << 20);
    const bytes = ggufBytes({ long: { type: 'string', value: long }, ...METADATA });
    const { metadata } = read(Buffer.from(bytes));
    expect(metadata.get('long') === long).toBe(true);
    expect(metadata.get('test.ints')).toEqual(new Int32Array([1, -2, 3]));
    expect(metadata.get('test.i64')).toBe(-5);
  });

  it('gives lists of strings over the ends of windows, by place and one after another', () => {
    const value = Array.from({ length: 300 }, (_, i) => 'ä𝄞'.repeat((i * 37) % 2000));
    const texts = read(ggufBytes({ texts: { type: 'array', of: 'string', value } }, [])).metadata.get(
      'texts',
    );
    const list = texts as TextList;
    expect(list.length).toBe(value.length);
    expect([...list]).toEqual(value);
    expect(list.at(299)).toBe(value[299]);
    expect([list.at(300), list.at(-1)]).toEqual([undefined, undefined]);
    expect(JSON.stringify(list)).toBe(JSON.stringify(value));
  });

  it('is read in version 2 too', () => {
    expect(read(withInteger(valid, 4, 2, 4)).tensors.size).toBe(3);
  });

  it('may have no tensors and no metadata', () => {
    expect(read(ggufBytes({}, [])).metadata.size).toBe(0);
  });

  it('keeps a byte order mark in a string', () => {
    const bytes = ggufBytes({ key: { type: 'string', value: '\ufeffx' } }, []);
    expect(read(bytes).metadata.get('key')).toBe('\ufeffx');
  });
});

describe('refusals', () => {
  const withAlignment = (value: number) => ggufBytes({ 'general.alignment': { type: 'u32', value } }, []);
  /** So large that counts are not bounded by the file's size. */
  const padded = concat([valid, new Uint8Array(8 << 20)]);
  const nested = (() => {
    // An array of arrays of arrays ..., each of length 1.
    const bytes = ggufBytes({ k: { type: 'array', of: 'i32', value: new Array<number>(40).fill(0) } }, []);
    const at = find(bytes, 'k') + 1;
    let copy = withInteger(bytes, at, 9, 4);
    for (let i = 0, p = at + 4; i < 5; i++, p += 12)
      copy = withInteger(withInteger(copy, p, 9, 4), p + 4, 1, 8);
    return copy;
  })();
  const cases: [string, Uint8Array, RegExp][] = [
    ['too short', valid.slice(0, 20), /model\.gguf: 20 bytes are too few/],
    [
      'another magic',
      withInteger(valid, 0, 0x46554746, 4),
      /starts with 0x46554746, expected GGUF's magic 0x46554747/,
    ],
    ['a future version', withInteger(valid, 4, 9, 4), /version 9, expected 2 or 3/],
    ['big endian', withInteger(valid, 4, 0x03000000, 4), /big-endian GGUF, expected little-endian/],
    [
      'too many tensors',
      withInteger(valid, 8, 2n ** 40n, 8),
      /tensor count is 1099511627776, expected at most/,
    ],
    ['too many pairs', withInteger(valid, 16, 2n ** 63n, 8), /metadata count is 9223372036854775808/],
    [
      'a key too long',
      withInteger(valid, 24, 2n ** 33n, 8),
      /length of metadata key 0 is 8589934592, expected at most/,
    ],
    [
      'a string too long',
      withInteger(valid, valueOf('test.text'), 2n ** 50n, 8),
      /length of metadata test\.text/,
    ],
    [
      'an unknown value type',
      withInteger(valid, valueOf('test.u8') - 4, 77, 4),
      /test\.u8 has value type 77, expected 0 to 12/,
    ],
    ['a bool of 2', withInteger(valid, valueOf('test.bool'), 2, 4), /test\.bool is bool 2, expected 0 or 1/],
    [
      'an array too long',
      withInteger(valid, valueOf('test.strings') + 4, 2n ** 30n, 8),
      /array length of metadata test\.strings/,
    ],
    [
      'an array of unknown type',
      withInteger(valid, valueOf('test.ints'), 50, 4),
      /test\.ints is an array of type 50/,
    ],
    ['nested arrays', nested, /metadata k nests arrays deeper than the 3 expected/],
    ['an alignment of 48', withAlignment(48), /general\.alignment is 48, expected a power of two/],
    [
      'metadata that ends early',
      valid.slice(0, valueOf('test.f64') + 2),
      /ends at byte \d+, expected 8 bytes of metadata test\.f64 from byte \d+; the file is truncated/,
    ],
    [
      'tensor infos that end early',
      valid.slice(0, rankOf('norm.weight') + 2),
      /ends at byte \d+, expected 4 bytes of rank of tensor norm\.weight/,
    ],
    [
      'too many pairs for a file of any size',
      withInteger(padded, 16, 2n ** 16n + 1n, 8),
      /metadata count is 65537, expected at most 65536/,
    ],
    [
      'too many tensors for a file of any size',
      withInteger(padded, 8, 2n ** 18n + 1n, 8),
      /tensor count is 262145, expected at most 262144/,
    ],
    [
      'too many values in lists',
      withInteger(withInteger(padded, valueOf('test.ints'), 7, 4), valueOf('test.ints') + 4, 2n ** 22n, 8),
      /metadata test\.ints brings the values in lists to 4194307, expected at most 4194304/,
    ],
    ['an alignment of 0', withAlignment(0), /general\.alignment is 0, expected a power of two/],
    ['an alignment of 2^31', withAlignment(2 ** 31), /general\.alignment is 2147483648, expected a power/],
    [
      'too many dims',
      withInteger(valid, rankOf('norm.weight'), 100, 4),
      /norm\.weight has 100 dims, expected at most 8/,
    ],
    [
      'a dim of 2^60',
      withInteger(valid, rankOf('norm.weight') + 4, 2n ** 60n, 8),
      /dim 0 of tensor norm\.weight is 1152921504606846976/,
    ],
    [
      'a product past 2^53',
      withInteger(valid, rankOf('token_embd.weight') + 12, 2n ** 50n, 8),
      /token_embd\.weight has shape \[1125899906842624, 64\], expected at most 2\^53 elements/,
    ],
    [
      'a row within a block',
      withInteger(valid, rankOf('token_embd.weight') + 4, 33, 8),
      /rows of 33 elements, expected a multiple of 32/,
    ],
    [
      'an unknown tensor type',
      withInteger(valid, rankOf('norm.weight') + 12, 999, 4),
      /norm\.weight has ggml type 999, expected one of 0 \(f32\), 1 \(f16\)/,
    ],
    [
      'an unaligned offset',
      withInteger(valid, rankOf('norm.weight') + 16, 7, 8),
      /norm\.weight lies at offset 7, expected a multiple of 32/,
    ],
    [
      'an offset past the end',
      withInteger(valid, rankOf('norm.weight') + 16, 2n ** 40n, 8),
      /tensor norm\.weight needs bytes \d+ to \d+, the file has \d+; it is truncated, pull it again/,
    ],
    [
      'overlapping tensors',
      withInteger(valid, rankOf('norm.weight') + 16, 0, 8),
      /tensors norm\.weight .* and token_embd\.weight .* overlap|token_embd\.weight .* and norm\.weight .* overlap/,
    ],
    [
      'truncated data',
      valid.slice(0, -40),
      /needs bytes \d+ to \d+, the file has \d+; it is truncated, pull it again/,
    ],
  ];

  it.each(cases)('%s', (_, data, message) => {
    expect(() => read(data)).toThrow(message);
    try {
      read(data);
    } catch (error) {
      expect(error instanceof FormatError || error instanceof UnsupportedError).toBe(true);
      expect((error as Error).message.startsWith('model.gguf: ')).toBe(true);
    }
  });

  it.each(['test.ints', 'test.text'])('a header of gigabytes in a sparse file: %s', (key) => {
    // All zeros past its beginning, as a sparse file is; it must be refused without being read.
    const lengthAt = valueOf(key) + (key === 'test.ints' ? 4 : 0);
    const head = withInteger(valid, lengthAt, 2n ** 33n, 8);
    const sparse = {
      ...source(head),
      size: 2 ** 40,
      read: (offset: number, length: number) => {
        expect(length).toBeLessThanOrEqual(1 << 20);
        return concat([head.subarray(offset, offset + length), new Uint8Array(length)]).subarray(0, length);
      },
    };
    expect(() => readGguf([sparse])).toThrow(/length of metadata test\.\w+ is 8589934592, expected at most/);
  });

  it('invalid UTF-8 in a list', () => {
    const bytes = ggufBytes({ list: { type: 'array', of: 'string', value: ['fine', 'x'] } }, []);
    bytes[find(bytes, 'fine') + 12] = 0xff;
    expect(() => read(bytes)).toThrow(/metadata list at byte \d+ is not UTF-8/);
  });

  it('invalid UTF-8', () => {
    const data = valid.slice();
    data[valueOf('test.text') + 8] = 0xff;
    expect(() => read(data)).toThrow(/metadata test\.text at byte \d+ is not UTF-8, expected text/);
  });

  it('a file cut short at any byte, as one to pull again', () => {
    for (let length = 0; length < valid.length; length++)
      expect(() => read(valid.subarray(0, length)), `${length} bytes`).toThrow(/pull it again/);
  });

  it('a key that appears twice', () => {
    const data = valid.slice();
    data.set(Buffer.from('test.i8'), find(valid, 'test.u8'));
    expect(() => read(data)).toThrow(/metadata test\.i8 appears twice/);
  });

  it('a tensor that appears twice', () => {
    const tensors = TENSORS.map((tensor, i) => (i === 2 ? { ...tensor, name: 'norm.weight' } : tensor));
    expect(() => read(ggufBytes(METADATA, tensors))).toThrow(/tensor norm\.weight appears twice/);
  });

  it('the writer refuses tensors of another length', () => {
    const tensors = [{ name: 't', dtype: 'f32' as const, shape: [4], bytes: () => [new Uint8Array(15)] }];
    expect(() => ggufBytes({}, tensors)).toThrow(/tensor t: gave 15 bytes, expected 16/);
  });
});

describe('parts', () => {
  const part = (no: number, count: number, tensor: number, total = 2) =>
    source(
      ggufBytes(
        {
          'split.no': { type: 'u16', value: no },
          'split.count': { type: 'u16', value: count },
          'split.tensors.count': { type: 'i32', value: total },
        },
        TENSORS.slice(tensor, tensor + 1),
      ),
      `part${no}`,
    );

  it('are joined', () => {
    expect([...readGguf([part(0, 2, 0), part(1, 2, 1)]).tensors.keys()]).toEqual([
      'token_embd.weight',
      'norm.weight',
    ]);
  });

  it.each([
    ['a missing part', () => readGguf([part(0, 2, 0)]), /split\.count says 2 parts, got 1/],
    [
      'parts out of order',
      () => readGguf([part(1, 2, 0), part(0, 2, 1)]),
      /part1: split\.no is 1, expected 0/,
    ],
    [
      'a tensor in two parts',
      () => readGguf([part(0, 2, 0), part(1, 2, 0)]),
      /token_embd\.weight is in an earlier part/,
    ],
    [
      'missing tensors',
      () => readGguf([part(0, 2, 0, 9), part(1, 2, 1, 9)]),
      /split\.tensors\.count is 9, the parts hold 2/,
    ],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message);
  });
});
