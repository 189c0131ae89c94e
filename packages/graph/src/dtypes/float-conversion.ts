/** Conversions between float32 and the 16-bit floats, round to nearest even. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** The smallest half above zero. */
const HALF_STEP = 2 ** -24;

/** Exponent biases of float32 and half differ by 112; infinity and NaN need twice that. */
const REBIAS = 112 << 23;

/** float32 value of a half-precision bit pattern. */
export function f16ToF32(half: number): number {
  const magnitude = half & 0x7fff;
  if (magnitude < 0x400) return (half & 0x8000 ? -magnitude : magnitude) * HALF_STEP;
  bits[0] = ((half & 0x8000) << 16) | ((magnitude << 13) + (magnitude < 0x7c00 ? REBIAS : 2 * REBIAS));
  return scratch[0] as number;
}

/** Half-precision bit pattern nearest to a float. */
export function f32ToF16(value: number): number {
  scratch[0] = value;
  const x = bits[0] as number;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: the quotient is exact in float64, so Math.round's tie is ours to settle.
    const scaled = Math.abs(scratch[0]) / HALF_STEP;
    const low = Math.floor(scaled);
    const rest = scaled - low;
    return sign | (rest > 0.5 || (rest === 0.5 && low & 1) ? low + 1 : low);
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

export function bf16ToF32(half: number): number {
  bits[0] = half << 16;
  return scratch[0] as number;
}

export function f32ToBf16(value: number): number {
  scratch[0] = value;
  const x = bits[0] as number;
  if ((x & 0x7fffffff) > 0x7f800000) return (x >>> 16) | 0x40;
  return ((x + 0x7fff + ((x >>> 16) & 1)) >>> 16) & 0xffff;
}

/** 8-bit float of 4 exponent and 3 fraction bits without infinities (Micikevicius et al. 2022, arXiv:2209.05433). */
export function f8E4m3ToF32(byte: number): number {
  const magnitude = byte & 0x7f;
  if (magnitude === 0x7f) return NaN;
  // Moved into a half's exponent and fraction, the value is 2^8 too small: the biases are 7 and 15.
  return f16ToF32(((byte & 0x80) << 8) | (magnitude << 7)) * 256;
}

/** 8-bit float of 5 exponent and 2 fraction bits: the upper byte of a half. */
export function f8E5m2ToF32(byte: number): number {
  return f16ToF32(byte << 8);
}

/** 2^(byte - 127), an exponent without sign or fraction (OCP Microscaling Formats v1.0, section 5.4.1). */
export function e8m0ToF32(byte: number): number {
  return byte === 255 ? NaN : 2 ** (byte - 127);
}
