/** Conversions between float32 and the 16-bit floats, round to nearest even. */

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** float32 value of a half-precision bit pattern. */
export function f16ToF32(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
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
    const scaled = Math.abs(scratch[0]) * 2 ** 24;
    const low = Math.floor(scaled);
    const rest = scaled - low;
    return sign | (rest > 0.5 || (rest === 0.5 && low & 1) ? low + 1 : low);
  }
  const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
  return sign | (rounded >>> 13);
}

/** The float as half precision would keep it. */
export function f16Round(value: number): number {
  return f16ToF32(f32ToF16(value));
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

export function bf16Round(value: number): number {
  return bf16ToF32(f32ToBf16(value));
}

/** 8-bit float of 4 exponent and 3 fraction bits without infinities (Micikevicius et al. 2022, arXiv:2209.05433). */
export function f8E4m3ToF32(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  if (exponent === 15 && fraction === 7) return NaN;
  return exponent === 0 ? sign * fraction * 2 ** -9 : sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

/** 8-bit float of 5 exponent and 2 fraction bits: the upper byte of a half. */
export function f8E5m2ToF32(byte: number): number {
  return f16ToF32(byte << 8);
}
