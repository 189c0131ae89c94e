// Products of bytes, and of words: lanes of four unsigned bytes (weights) by four signed (activations), added to 32-bit sums. Integers
// add up exactly whatever their order, so every level gets the same sums.
#pragma once
#include "simd.h"

namespace steelyard::SY_LEVEL {

// Whether the byte products of panels are of signed bytes on both sides: Arm has no others before i8mm.
#if defined(SY_NEON)
constexpr bool kSignedProducts = true;
#else
constexpr bool kSignedProducts = false;
#endif

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
#elif defined(SY_NEON)
  int16x8_t a = (int16x8_t)u, b = (int16x8_t)x;
  return acc + (vi)vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
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

// Unsigned bytes of any size, whatever the panels hold.
inline vi dot_unsigned(vi acc, vb u, vi x) {
#if defined(__ARM_FEATURE_MATMUL_INT8)
  return (vi)vusdotq_s32((int32x4_t)acc, (uint8x16_t)u, (int8x16_t)x);
#elif defined(SY_NEON) && defined(__ARM_FEATURE_DOTPROD)
  // Less 128 they are signed.
  int32x4_t sums = vdotq_s32(int32x4_t{}, vdupq_n_s8(1), (int8x16_t)x);
  return (vi)vdotq_s32(vaddq_s32((int32x4_t)acc, vshlq_n_s32(sums, 7)), (int8x16_t)(u ^ 0x80), (int8x16_t)x);
#else
  return dot_wide(acc, u, x);
#endif
}

// kBits: how many the unsigned bytes have. With kSignedProducts, those of 8 are signed ones.
template <int kBits>
inline vi dot_bytes(vi acc, vb u, vi x) {
#if defined(__AVX512VNNI__)
  return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)u, (__m512i)x);
#elif defined(SY_NEON) && defined(__ARM_FEATURE_DOTPROD)
  return (vi)vdotq_s32((int32x4_t)acc, (int8x16_t)u, (int8x16_t)x);
#elif defined(SY_NEON)
  const int8x16_t a = (int8x16_t)u, b = (int8x16_t)x;
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  // Pairs of products must not overflow 16 bits.
  if constexpr (kBits < 8) return (vi)vpadalq_s16((int32x4_t)acc, vpaddq_s16(low, high));
  else return acc + (vi)vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
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
