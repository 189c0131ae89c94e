/** Every float format decodes and encodes bit for bit as the gguf package and torch do. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  byteLength,
  dtypeInfo,
  dtypes,
  encode,
  f16ToF32,
  f32ToBf16,
  f32ToF16,
  type DType,
  type DTypeInfo,
} from './index.ts';

const folder = new URL('../../../../tests/golden/dtypes/', import.meta.url);

function readGolden(name: string): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Record<string, string>;
}

function fromHex(hex: string | undefined): Uint8Array {
  return Uint8Array.from(Buffer.from(hex ?? '', 'hex'));
}

const goldens = readdirSync(folder)
  .map((file) => file.replace('.json', ''))
  .filter((name) => name !== 'rounding' && name !== 'encoding');

/** Formats that models store floats in; float32 is its own golden, and float64 is only converted. */
const floats = Object.values(dtypes).filter(({ name }) => !/^(i\d+|u8|bool|f32|f64)$/.test(name));

describe('decoding', () => {
  it('has a golden for every float format and a format for every golden', () => {
    expect(floats.map(({ name }) => name).sort()).toEqual([...goldens].sort());
  });

  it.each(goldens)('%s', (name) => {
    const golden = readGolden(name);
    const encoded = fromHex(golden['encoded']);
    const expected = new Uint32Array(fromHex(golden['float32']).buffer);
    const info = dtypeInfo(name as DType);
    const blocks = encoded.length / info.blockBytes;
    expect(blocks * info.blockSize).toBe(expected.length);
    const decoded = new Float32Array(expected.length + 2).fill(NaN);
    info.decode(encoded, 0, decoded, 1, blocks);
    expect([...new Uint32Array(decoded.slice(1, -1).buffer)]).toEqual([...expected]);
    expect([decoded[0], decoded.at(-1)]).toEqual([NaN, NaN]);
    expect(byteLength(name as DType, expected.length)).toBe(encoded.length);
  });

  it('starts at the given block', () => {
    const golden = readGolden('q4_k');
    const encoded = fromHex(golden['encoded']);
    const expected = new Float32Array(fromHex(golden['float32']).buffer);
    const one = new Float32Array(256);
    dtypeInfo('q4_k').decode(encoded, 3 * 144, one, 0, 1);
    expect([...one]).toEqual([...expected.slice(3 * 256, 4 * 256)]);
  });
});

describe('numbers', () => {
  it('no two formats share a code, a ggml type or a safetensors name', () => {
    for (const key of ['code', 'ggml', 'safetensors'] as const) {
      const used = Object.values(dtypes).flatMap((info: DTypeInfo) => info[key] ?? []);
      expect(new Set(used).size).toBe(used.length);
    }
  });
});

describe.each([
  ['f16', f32ToF16],
  ['bf16', f32ToBf16],
] as const)('rounding to %s', (name, convert) => {
  it('agrees with torch on ties, subnormals and overflow', () => {
    const golden = readGolden('rounding');
    const values = new Float32Array(fromHex(golden['float32']).buffer);
    const expected = new Uint16Array(fromHex(golden[name]).buffer);
    expect([...values].map((v) => convert(v))).toEqual([...expected]);
  });
});

it('every half comes back from float32', () => {
  const isNaNCode = (half: number): boolean => (half & 0x7fff) > 0x7c00;
  const halves = Array.from({ length: 65536 }, (_, half) => half).filter((half) => !isNaNCode(half));
  expect(halves.filter((half) => f32ToF16(f16ToF32(half)) !== half)).toEqual([]);
  expect([f16ToF32(0x7c00), f16ToF32(0xfc00), f16ToF32(0x7e00)]).toEqual([Infinity, -Infinity, NaN]);
});

describe('encoding', () => {
  const golden = readGolden('encoding');
  const values = new Float32Array(fromHex(golden['float32']).buffer);

  it.each(['f16', 'bf16', 'q4_0', 'q4_1', 'q8_0'] as const)('%s', (name) => {
    expect(Buffer.from(encode(name, values)).toString('hex')).toBe(golden[name]);
  });

  it('f32 keeps every bit', () => {
    expect(Buffer.from(encode('f32', values)).toString('hex')).toBe(golden['float32']);
  });

  it('refuses a part of a block', () => {
    expect(() => encode('q8_0', new Float32Array(33))).toThrow(/got 33 values, expected a multiple of 32/);
  });
});
