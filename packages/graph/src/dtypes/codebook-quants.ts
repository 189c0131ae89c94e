/** Four-bit indices into a fixed table of values: ggml's IQ4 formats and the OCP microscaling MXFP4. */

import { readF16 } from './block-quants.ts';
import type { DTypeInfo } from './dtype.ts';

const { fround } = Math;

/** ggml's non-linear table of IQ4_NL and IQ4_XS. */
const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/** Twice the values of e2m1 (OCP Microscaling Formats v1.0, section 5.3.3). */
const E2M1_DOUBLED = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** 32 elements: low nibbles first, then high. */
function decode32(
  table: readonly number[],
  scale: number,
  src: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < 16; i++) {
    const byte = src[at + i] as number;
    out[to + i] = fround(scale * (table[byte & 15] as number));
    out[to + i + 16] = fround(scale * (table[byte >> 4] as number));
  }
}

export const iq4_nl: DTypeInfo = {
  name: 'iq4_nl',
  code: 26,
  ggml: 20,
  blockSize: 32,
  blockBytes: 18,
  decode(src, srcOffset, out, outOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const at = srcOffset + b * 18;
      decode32(IQ4, readF16(src, at), src, at + 2, out, outOffset + b * 32);
    }
  },
};

/** Bytes: d, 2 of high scale bits, 4 of low scale nibbles, 128 of indices. */
export const iq4_xs: DTypeInfo = {
  name: 'iq4_xs',
  code: 27,
  ggml: 23,
  blockSize: 256,
  blockBytes: 136,
  decode(src, srcOffset, out, outOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const at = srcOffset + b * 136;
      const d = readF16(src, at);
      const highs = (src[at + 2] as number) | ((src[at + 3] as number) << 8);
      for (let g = 0; g < 8; g++) {
        const low = ((src[at + 4 + (g >> 1)] as number) >> (g & 1 ? 4 : 0)) & 15;
        const scale = fround(d * ((low | (((highs >> (2 * g)) & 3) << 4)) - 32));
        decode32(IQ4, scale, src, at + 8 + g * 16, out, outOffset + b * 256 + g * 32);
      }
    }
  },
};

/** Bytes: an e8m0 exponent, 16 of e2m1 values. */
export const mxfp4: DTypeInfo = {
  name: 'mxfp4',
  code: 28,
  ggml: 39,
  blockSize: 32,
  blockBytes: 17,
  decode(src, srcOffset, out, outOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const at = srcOffset + b * 17;
      decode32(E2M1_DOUBLED, 2 ** ((src[at] as number) - 128), src, at + 1, out, outOffset + b * 32);
    }
  },
};
