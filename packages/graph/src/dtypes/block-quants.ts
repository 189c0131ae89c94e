/** ggml's quantisations in blocks of 32: one scale (and offset) for 32 small integers. */

import type { DTypeInfo } from './dtype.ts';
import { f16ToF32 } from './float-conversion.ts';

const SIZE = 32;
const { fround } = Math;

/** Little-endian half at `at`, as float32. */
export function readF16(src: Uint8Array, at: number): number {
  return f16ToF32((src[at] as number) | ((src[at + 1] as number) << 8));
}

/** What differs: where the integers lie, and whether there is an offset. */
interface Layout {
  readonly name: string;
  readonly code: number;
  readonly ggml: number;
  readonly blockBytes: number;
  /** value = scale * integer + offset; the offset, a half at byte 2, is there when true. */
  readonly hasOffset: boolean;
  /** The i-th integer of the block at byte `at`. */
  readonly integer: (src: Uint8Array, at: number, i: number) => number;
}

function blockQuant({ integer, hasOffset, ...info }: Layout): DTypeInfo {
  return {
    ...info,
    blockSize: SIZE,
    decode(src, srcOffset, out, outOffset, blocks) {
      for (let b = 0; b < blocks; b++) {
        const at = srcOffset + b * info.blockBytes;
        const scale = readF16(src, at);
        const offset = hasOffset ? readF16(src, at + 2) : 0;
        const to = outOffset + b * SIZE;
        for (let i = 0; i < SIZE; i++) {
          const product = fround(scale * integer(src, at, i));
          out[to + i] = hasOffset ? product + offset : product;
        }
      }
    },
  };
}

/** Low nibbles are elements 0 to 15, high nibbles 16 to 31. */
function nibble(src: Uint8Array, from: number, i: number): number {
  return i < 16 ? (src[from + i] as number) & 15 : (src[from + i - 16] as number) >> 4;
}

/** Bit i of a 32-bit little-endian field. */
function highBit(src: Uint8Array, from: number, i: number): number {
  return ((src[from + (i >> 3)] as number) >> (i & 7)) & 1;
}

export const q4_0 = blockQuant({
  name: 'q4_0',
  code: 16,
  ggml: 2,
  blockBytes: 18,
  hasOffset: false,
  integer: (src, at, i) => nibble(src, at + 2, i) - 8,
});

export const q4_1 = blockQuant({
  name: 'q4_1',
  code: 17,
  ggml: 3,
  blockBytes: 20,
  hasOffset: true,
  integer: (src, at, i) => nibble(src, at + 4, i),
});

export const q5_0 = blockQuant({
  name: 'q5_0',
  code: 18,
  ggml: 6,
  blockBytes: 22,
  hasOffset: false,
  integer: (src, at, i) => (nibble(src, at + 6, i) | (highBit(src, at + 2, i) << 4)) - 16,
});

export const q5_1 = blockQuant({
  name: 'q5_1',
  code: 19,
  ggml: 7,
  blockBytes: 24,
  hasOffset: true,
  integer: (src, at, i) => nibble(src, at + 8, i) | (highBit(src, at + 4, i) << 4),
});

export const q8_0 = blockQuant({
  name: 'q8_0',
  code: 20,
  ggml: 8,
  blockBytes: 34,
  hasOffset: false,
  integer: (src, at, i) => ((src[at + 2 + i] as number) << 24) >> 24,
});
