// Products of bytes, and of words: lanes of four unsigned bytes (weights) by four signed (activations), added to 32-bit sums. Integers
// add up exactly whatever their order, so every level gets the same sums.
#pragma once
#include "simd.h"

namespace steelyard::SY_LEVEL {

typedef uint8_t vb __attribute__((vector_size(SY_LANES * 4)));

inline vb load_bytes(const void* p) {
  vb v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// The same 32 bits, or four bytes, in every lane.
inline vi splat_int(const void* p) {
  int32_t x;
  std::memcpy(&x, p, 4);
  return x - vi{};
}

typedef int16_t vs __attribute__((vector_size(SY_LANES * 4)));
typedef uint16_t vus __attribute__((vector_size(SY_LANES * 4)));

inline vi dot_words(vi acc, vs u, vs x) {
#if defined(__AVX512VNNI__)
  return (vi)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)u, (__m512i)x);
#elif defined(__AVX2__)
  return acc + (vi)_mm256_madd_epi16((__m256i)u, (__m256i)x);
#elif defined(__wasm_simd128__)
  return acc + (vi)wasm_i32x4_dot_i16x8((v128_t)u, (v128_t)x);
#else
  for (int i = 0; i < kLanes; i++) acc[i] += u[2 * i] * x[2 * i] + u[2 * i + 1] * x[2 * i + 1];
  return acc;
#endif
}

inline vs even_bytes(vb u) { return (vs)((vus)u & 0xff); }
inline vs odd_bytes(vb u) { return (vs)((vus)u >> 8); }

// Even and odd bytes apart as 16 bits: right for bytes of any size.
inline vi dot_wide(vi acc, vb u, vi x) {
  acc = dot_words(acc, even_bytes(u), (vs)((vus)x << 8) >> 8);
  return dot_words(acc, odd_bytes(u), (vs)x >> 8);
}

// kBits: how many the unsigned bytes have.
template <int kBits>
inline vi dot_bytes(vi acc, vb u, vi x) {
#if defined(__AVX512VNNI__)
  return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)u, (__m512i)x);
#else
#if defined(__AVX2__)
  // Pairs of products must not saturate 16 bits.
  if constexpr (kBits < 8) return acc + (vi)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)u, (__m256i)x), _mm256_set1_epi16(1));
#elif defined(__wasm_relaxed_simd__)
  if constexpr (kBits < 8) return (vi)wasm_i32x4_relaxed_dot_i8x16_i7x16_add((v128_t)x, (v128_t)u, (v128_t)acc);
#endif
  return dot_wide(acc, u, x);
#endif
}

}  // namespace steelyard::SY_LEVEL
