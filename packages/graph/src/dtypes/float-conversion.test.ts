/** The small floats, code by code: NaN is NaN both ways, and what is decoded encodes to itself. */

import { expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16, f8E4m3ToF32, f8E5m2ToF32 } from './float-conversion.ts';

const codes = (count: number): number[] => Array.from({ length: count }, (_, code) => code);

it.each([
  ['f16', f16ToF32, f32ToF16, 0x7c00],
  ['bf16', bf16ToF32, f32ToBf16, 0x7f80],
] as const)('every code of %s that is not NaN encodes to itself', (_, decode, encode, infinity) => {
  const changed = codes(65536).filter((code) => {
    const value = decode(code);
    return (code & 0x7fff) > infinity ? !Number.isNaN(value) : encode(value) !== code;
  });
  expect(changed).toEqual([]);
});

it.each([
  ['f16', f16ToF32, f32ToF16],
  ['bf16', bf16ToF32, f32ToBf16],
] as const)('%s: NaN, the infinities and what lies past the largest value', (_, decode, encode) => {
  expect(decode(encode(NaN))).toBeNaN();
  expect([Infinity, -Infinity, 3.4028234e38, -1e39].map((value) => decode(encode(value)))).toEqual([
    Infinity,
    -Infinity,
    Infinity,
    -Infinity,
  ]);
});

it('f8_e4m3 has one NaN of each sign and no infinities', () => {
  expect(codes(256).filter((code) => !Number.isFinite(f8E4m3ToF32(code)))).toEqual([0x7f, 0xff]);
  expect([f8E4m3ToF32(0x7f), f8E4m3ToF32(0xff)]).toEqual([NaN, NaN]);
});

it('f8_e5m2 has infinities and three NaNs of each sign', () => {
  expect(codes(256).filter((code) => Number.isNaN(f8E5m2ToF32(code)))).toEqual([
    0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff,
  ]);
  expect([f8E5m2ToF32(0x7c), f8E5m2ToF32(0xfc)]).toEqual([Infinity, -Infinity]);
});
