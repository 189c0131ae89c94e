// Sums of products of 32 unsigned bytes of a weight and 32 activations of 16 bits, on every level: integers add up exactly
// whatever their order; each run's sum then meets its scales in float. Levels differ in how many partial sums they keep.
#pragma once
#include "decode.h"
#if defined(__wasm_simd128__)
#include "byte-dot-wasm.h"
#endif

namespace steelyard::SY_LEVEL {

// Whether activations lie as planes of bytes (high, then low) or as whole numbers of 16 bits: as the products need them.
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
constexpr bool kBytePlanes = true;
#else
constexpr bool kBytePlanes = false;
#endif

#if defined(__AVX2__)
typedef vb32 Bytes32;
inline Bytes32 load_bytes(const void* p) { return load32((const uint8_t*)p); }
typedef __m256 Acc;
inline Acc zero_acc() { return _mm256_setzero_ps(); }

#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
typedef __m256 Scales;  // four lanes of the first half run, four of the second
inline Scales two_scales(const float* s) { return _mm256_set_m128(_mm_set1_ps(s[1]), _mm_set1_ps(s[0])); }

// Adds the products of a run; `planes` are its high and low bytes. The sums stay below 2^26.
inline Acc accumulate(Acc acc, Bytes32 u, const int8_t* planes, Scales weight_scale, float x_scale) {
  __m256i high = _mm256_dpbusd_epi32(_mm256_setzero_si256(), (__m256i)u, (__m256i)load_bytes(planes));
  __m256i both = _mm256_dpbusd_epi32(_mm256_slli_epi32(high, 8), (__m256i)u, (__m256i)load_bytes(planes + 32));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(both), _mm256_mul_ps(weight_scale, _mm256_set1_ps(x_scale)), acc);
}
#else
struct Scales {
  __m256 half[2];
};
inline Scales two_scales(const float* s) { return {{_mm256_set1_ps(s[0]), _mm256_set1_ps(s[1])}}; }

// Adds the products of a run; `numbers` are 32 of 16 bits. The sums stay below 2^25.
inline Acc accumulate(Acc acc, Bytes32 u, const int8_t* numbers, Scales weight_scale, float x_scale) {
  for (int h = 0; h < 2; h++) {
    __m256i wide = _mm256_cvtepu8_epi16(h == 0 ? _mm256_castsi256_si128((__m256i)u) : _mm256_extracti128_si256((__m256i)u, 1));
    __m256i products = _mm256_madd_epi16(wide, (__m256i)load_bytes(numbers + 32 * h));
    acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), _mm256_mul_ps(weight_scale.half[h], _mm256_set1_ps(x_scale)), acc);
  }
  return acc;
}
#endif

// The sum of all lanes of both.
inline float total(Acc acc, vf more) {
#if SY_LANES == 16
  acc = _mm256_add_ps(acc, (Acc)(__builtin_shufflevector(more, more, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(more, more, 8, 9, 10, 11, 12, 13, 14, 15)));
#else
  acc = _mm256_add_ps(acc, (__m256)more);
#endif
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(acc), _mm256_extractf128_ps(acc, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
#elif !defined(__wasm_simd128__)
typedef vb32 Bytes32;
struct Acc {
  float half[2];
};
typedef Acc Scales;
inline Bytes32 load_bytes(const void* p) { return load32((const uint8_t*)p); }
inline Acc zero_acc() { return {{0, 0}}; }
inline Acc accumulate(Acc acc, Bytes32 u, const int8_t* numbers, Scales weight_scale, float x_scale) {
  uint8_t bytes[32];
  int16_t x[32];
  std::memcpy(bytes, &u, 32);
  std::memcpy(x, numbers, 64);
  for (int h = 0; h < 2; h++) {
    int dot = 0;
    for (int i = 16 * h; i < 16 * h + 16; i++) dot += bytes[i] * x[i];
    acc.half[h] += (float)dot * (weight_scale.half[h] * x_scale);
  }
  return acc;
}
inline Acc two_scales(const float* s) { return {{s[0], s[1]}}; }
inline float total(Acc acc) { return acc.half[0] + acc.half[1]; }
#endif
#if !defined(__AVX2__)
inline float total(Acc acc, vf more) { return total(acc) + sum(more); }
#endif

// The row's products, and the offsets of w times what they are offsets to.
inline float finish(Acc acc, const float* offsets, const float* sums, int64_t n) {
  vf more = {};
  for (int64_t i = 0; i < n; i += kLanes) more = fma(load(offsets + i), load(sums + i), more);
  return total(acc, more);
}

}  // namespace steelyard::SY_LEVEL
