// Products of 32 unsigned bytes and 32 activations of 16 bits with 128-bit WebAssembly vectors, summed in eight lanes:
// four of the first 16, four of the rest. Bytes are widened to 16 bits; all sums are exact.
#pragma once
#include "decode.h"

namespace steelyard::SY_LEVEL {

typedef vb32 Bytes32;
struct Acc {
  vf half[2];
};

typedef Acc Scales;
inline Bytes32 load_bytes(const void* p) { return load32((const uint8_t*)p); }
inline Acc zero_acc() { return {{splat(0), splat(0)}}; }

inline v128_t half_of(Bytes32 b, int h) {
  vb16 v = h == 0 ? __builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
                  : __builtin_shufflevector(b, b, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  return (v128_t)v;
}

// 16 bytes by 16 numbers of 16 bits.
inline v128_t half_dot(v128_t u, const int8_t* numbers) {
  return wasm_i32x4_add(wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(u), wasm_v128_load(numbers)),
                        wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(u), wasm_v128_load(numbers + 16)));
}

// Adds the products of a run; `numbers` are 32 of 16 bits. The sums stay below 2^28.
inline Acc accumulate(Acc acc, Bytes32 u, const int8_t* numbers, Acc weight_scale, float x_scale) {
  for (int h = 0; h < 2; h++) {
    vf dot = (vf)wasm_f32x4_convert_i32x4(half_dot(half_of(u, h), numbers + 32 * h));
    acc.half[h] = fma(dot, weight_scale.half[h] * splat(x_scale), acc.half[h]);
  }
  return acc;
}
inline Acc two_scales(const float* s) { return {{splat(s[0]), splat(s[1])}}; }
inline float total(Acc acc) { return sum(acc.half[0] + acc.half[1]); }

}  // namespace steelyard::SY_LEVEL
