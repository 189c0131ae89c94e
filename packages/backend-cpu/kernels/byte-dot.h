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

// Bits of every byte moved up by kBy (down below zero), of which those of `mask` are kept. No vector shifts bytes: what a
// shift of words carries across them must lie outside the mask.
template <int kBy>
inline vb moved(vb u, uint8_t mask) {
  if constexpr (kBy > 0) u = (vb)((vus)u << kBy);
  if constexpr (kBy < 0) u = (vb)((vus)u >> -kBy);
  return u & mask;
}

// Entries of a table of 16 bytes, by indices below 16.
inline vb looked_up(const uint8_t* table, vb index) {
#if defined(__AVX512F__)
  return (vb)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), (__m512i)index);
#elif defined(__AVX2__)
  return (vb)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table)), (__m256i)index);
#elif defined(__wasm_simd128__)
  return (vb)wasm_i8x16_swizzle(wasm_v128_load(table), (v128_t)index);
#elif defined(SY_NEON)
  return (vb)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)index);
#else
  vb entries;
  for (int i = 0; i < 4 * kLanes; i++) entries[i] = table[index[i]];
  return entries;
#endif
}

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

// Here a sum is what it is: the compiler must not regroup what adds up to it, which takes more registers than there are.
inline vi settled(vi sum) {
#if defined(__AVX2__)
  __asm__("" : "+v"(sum));
#endif
  return sum;
}

// How many products of bytes wait in pairs of 16 bits before they become 32; none where the level adds to 32 bits at once.
// As many as fit of codes of kBits times at most 128.
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
template <int kBits>
constexpr int kHeldProducts = kBits == 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1;
#else
template <int kBits>
constexpr int kHeldProducts = 0;
#endif

// Product kNumber of those that `sum` takes. `held` is what waits. Codes of 8 bits are taken around their zero point, 128,
// where one product waits: as magnitudes, whose signs go to the other factor, within 127.
template <int kBits, int kNumber>
inline void add_product(vi& sum, [[maybe_unused]] vi& held, vb u, vi x) {
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
  constexpr int kHeld = kHeldProducts<kBits>;
  __m256i product;
  if constexpr (kHeld == 1) {
    const __m256i w = (__m256i)(u ^ 0x80);
    product = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8((__m256i)x, w));
  } else {
    product = _mm256_maddubs_epi16((__m256i)u, (__m256i)x);
  }
  held = settled(kNumber % kHeld == 0 ? (vi)product : (vi)_mm256_add_epi16((__m256i)held, product));
  if constexpr (kNumber % kHeld == kHeld - 1) sum = settled(sum + (vi)_mm256_madd_epi16((__m256i)held, _mm256_set1_epi16(1)));
#else
  sum = dot_bytes<kBits>(sum, u, x);
#endif
}

}  // namespace steelyard::SY_LEVEL
