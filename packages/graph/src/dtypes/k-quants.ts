/** ggml's K-quants: super-blocks of 256 with small integer scales of their own. */

import { readF16 } from './block-quants.ts';
import type { DTypeInfo } from './dtype.ts';

const SIZE = 256;
const { fround } = Math;

type DecodeBlock = (src: Uint8Array, at: number, out: Float32Array, to: number) => void;

function kQuant(
  name: string,
  code: number,
  ggml: number,
  blockBytes: number,
  decodeBlock: DecodeBlock,
): DTypeInfo {
  return {
    name,
    code,
    ggml,
    blockSize: SIZE,
    blockBytes,
    decode(src, srcOffset, out, outOffset, blocks) {
      for (let b = 0; b < blocks; b++)
        decodeBlock(src, srcOffset + b * blockBytes, out, outOffset + b * SIZE);
    },
  };
}

/** Bytes: 16 scales (low nibble) and mins (high), 64 of 2-bit values, d, dmin. */
export const q2_k = kQuant('q2_k', 21, 10, 84, (src, at, out, to) => {
  const d = readF16(src, at + 80);
  const dmin = readF16(src, at + 82);
  for (let i = 0; i < SIZE; i++) {
    const scales = src[at + (i >> 4)] as number;
    const q = ((src[at + 16 + (i >> 7) * 32 + (i & 31)] as number) >> (2 * ((i >> 5) & 3))) & 3;
    out[to + i] = fround(fround(d * (scales & 15)) * q) - fround(dmin * (scales >> 4));
  }
});

/** Bytes: 32 of high bits, 64 of 2-bit values, 12 of 6-bit scales, d. The high bit set means no -4. */
export const q3_k = kQuant('q3_k', 22, 11, 110, (src, at, out, to) => {
  const d = readF16(src, at + 108);
  const scales = at + 96;
  for (let i = 0; i < SIZE; i++) {
    const s = i >> 4;
    const low = ((src[scales + (s & 7)] as number) >> (s < 8 ? 0 : 4)) & 15;
    const high = ((src[scales + 8 + (s & 3)] as number) >> (2 * (s >> 2))) & 3;
    const q = ((src[at + 32 + (i >> 7) * 32 + (i & 31)] as number) >> (2 * ((i >> 5) & 3))) & 3;
    const bit = ((src[at + (i & 31)] as number) >> (i >> 5)) & 1;
    out[to + i] = fround(d * ((low | (high << 4)) - 32)) * (q - (bit ? 0 : 4));
  }
});

/** The 6-bit scale (or, from byte 4 on, min) of 32-element group `g`, packed in 12 bytes. */
function packed6(src: Uint8Array, scales: number, g: number, isMin: boolean): number {
  const half = isMin ? 4 : 0;
  if (g < 4) return (src[scales + half + g] as number) & 63;
  const low = src[scales + 4 + g] as number;
  const top = (src[scales + half + g - 4] as number) >> 6;
  return (isMin ? low >> 4 : low & 15) | (top << 4);
}

/** Shared by Q4_K and Q5_K: d, dmin, 12 bytes of scales, then (5-bit only) high bits, then nibbles. */
function decode45(five: boolean): DecodeBlock {
  return (src, at, out, to) => {
    const d = readF16(src, at);
    const dmin = readF16(src, at + 2);
    const highs = at + 16;
    const nibbles = five ? at + 48 : at + 16;
    for (let g = 0; g < 8; g++) {
      const scale = fround(d * packed6(src, at + 4, g, false));
      const min = fround(dmin * packed6(src, at + 4, g, true));
      for (let i = 0; i < 32; i++) {
        const byte = src[nibbles + (g >> 1) * 32 + i] as number;
        const high = five ? (((src[highs + i] as number) >> g) & 1) << 4 : 0;
        out[to + g * 32 + i] = fround(scale * ((g & 1 ? byte >> 4 : byte & 15) | high)) - min;
      }
    }
  };
}

export const q4_k = kQuant('q4_k', 23, 12, 144, decode45(false));
export const q5_k = kQuant('q5_k', 24, 13, 176, decode45(true));

/** Bytes: 128 of low nibbles, 64 of 2 high bits, 16 int8 scales, d. */
export const q6_k = kQuant('q6_k', 25, 14, 210, (src, at, out, to) => {
  const d = readF16(src, at + 208);
  for (let i = 0; i < SIZE; i++) {
    const half = i >> 7;
    const within = i & 127;
    const low = (src[at + half * 64 + (within & 63)] as number) >> (within < 64 ? 0 : 4);
    const high = (src[at + 128 + half * 32 + (within & 31)] as number) >> (2 * (within >> 5));
    const scale = ((src[at + 192 + (i >> 4)] as number) << 24) >> 24;
    out[to + i] = fround(d * scale) * (((low & 15) | ((high & 3) << 4)) - 32);
  }
});
