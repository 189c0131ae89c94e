/**
 * Encoders of the simple storage formats, for scripts and tests that make model files. Bit-exact with the `gguf`
 * Python package on finite values, but for the sign of a q4_1 offset of zero, which numpy leaves open where a block
 * has zeros of both signs. Choosing scales that minimise error, as llama.cpp's quantiser does for the
 * K-quants, is not done here.
 */

import { ShapeError } from '@steelyard/core';
import { q4_0, q4_1, q8_0 } from './block-quants.ts';
import type { DTypeInfo } from './dtype.ts';
import { f32ToBf16, f32ToF16 } from './float-conversion.ts';
import { bf16, f16, f32 } from './plain.ts';

/** Formats that `encode` writes. */
export type EncodableDType = keyof typeof encoders;

type EncodeBlock = (values: Float32Array, from: number, out: DataView, to: number) => void;

const SIZE = 32;
const { fround, trunc } = Math;

interface Encoder {
  readonly info: DTypeInfo;
  readonly block: EncodeBlock;
}

const encoders = {
  f32: {
    info: f32,
    block: (values, from, out, to) => out.setFloat32(to, values[from] as number, true),
  },
  f16: {
    info: f16,
    block: (values, from, out, to) => out.setUint16(to, f32ToF16(values[from] as number), true),
  },
  bf16: {
    info: bf16,
    block: (values, from, out, to) => out.setUint16(to, f32ToBf16(values[from] as number), true),
  },
  q8_0: { info: q8_0, block: encodeQ8_0 },
  q4_0: { info: q4_0, block: encodeQ4_0 },
  q4_1: { info: q4_1, block: encodeQ4_1 },
} as const satisfies Record<string, Encoder>;

/**
 * The bytes of `values`, which are finite, as `dtype` stores them.
 * @throws ShapeError when `values` are not a whole number of blocks
 */
export function encode(dtype: EncodableDType, values: Float32Array): Uint8Array {
  const { info, block }: Encoder = encoders[dtype];
  const { blockSize, blockBytes } = info;
  if (values.length % blockSize !== 0) {
    throw new ShapeError(
      `encode: got ${values.length} values, expected a multiple of ${blockSize}, the block size of ${dtype}; pad the rows`,
    );
  }
  const blocks = values.length / blockSize;
  const bytes = new Uint8Array(blocks * blockBytes);
  const view = new DataView(bytes.buffer);
  for (let b = 0; b < blocks; b++) block(values, b * blockSize, view, b * blockBytes);
  return bytes;
}

/** 1 / scale in float32; 0 for a block of zeros. */
function inverse(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale);
}

/** Halves go away from zero, as C's roundf has it. */
function encodeQ8_0(values: Float32Array, from: number, out: DataView, to: number): void {
  let largest = 0;
  for (let i = 0; i < SIZE; i++) largest = Math.max(largest, Math.abs(values[from + i] as number));
  const scale = fround(largest / 127);
  const factor = inverse(scale);
  out.setUint16(to, f32ToF16(scale), true);
  for (let i = 0; i < SIZE; i++) {
    const scaled = fround((values[from + i] as number) * factor);
    out.setInt8(to + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

/** The value farthest from zero, with its sign, becomes -8: the range is -8 to 7. */
function encodeQ4_0(values: Float32Array, from: number, out: DataView, to: number): void {
  let farthest = values[from] as number;
  for (let i = 1; i < SIZE; i++) {
    const value = values[from + i] as number;
    if (Math.abs(value) > Math.abs(farthest)) farthest = value;
  }
  const scale = fround(farthest / -8);
  const factor = inverse(scale);
  out.setUint16(to, f32ToF16(scale), true);
  writeNibbles(out, to + 2, (i) => fround(fround((values[from + i] as number) * factor) + 8.5));
}

function encodeQ4_1(values: Float32Array, from: number, out: DataView, to: number): void {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < SIZE; i++) {
    const value = values[from + i] as number;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const scale = fround(fround(high - low) / 15);
  const factor = inverse(scale);
  out.setUint16(to, f32ToF16(scale), true);
  out.setUint16(to + 2, f32ToF16(low), true);
  writeNibbles(out, to + 4, (i) => fround(fround(fround((values[from + i] as number) - low) * factor) + 0.5));
}

/** `value(i)` cut to 0 to 15: elements 0 to 15 in the low nibbles, 16 to 31 in the high ones. */
function writeNibbles(out: DataView, to: number, value: (i: number) => number): void {
  const nibble = (i: number): number => Math.min(15, trunc(value(i)));
  for (let i = 0; i < SIZE / 2; i++) out.setUint8(to + i, nibble(i) | (nibble(i + SIZE / 2) << 4));
}
