// The SIMD layer: vectors of the level that this translation unit is compiled for. Everything above it is plain
// C++ over these. Multiply-adds are explicit (the build sets -ffp-contract=off), so that a row's result does not
// depend on how the compiler unrolled.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(SY_SCALAR)
#include <arm_neon.h>
#define SY_NEON 1
#endif

#if defined(__AVX512F__)
#define SY_LANES 16
#define SY_VECTORS avx512
#elif defined(__AVX2__)
#define SY_LANES 8
#define SY_VECTORS avx2
#elif defined(__wasm__)
#define SY_LANES 4
#define SY_VECTORS wasm
#elif defined(SY_NEON)
#define SY_LANES 4
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define SY_VECTORS i8mm
#elif defined(__ARM_FEATURE_DOTPROD)
#define SY_VECTORS dotprod
#else
#define SY_VECTORS neon
#endif
#else
#define SY_LANES 4
#define SY_VECTORS scalar
#endif
// The build names levels that have more than their vectors.
#if !defined(SY_LEVEL)
#define SY_LEVEL SY_VECTORS
#endif

namespace steelyard::SY_LEVEL {

constexpr int kLanes = SY_LANES;
typedef float vf __attribute__((vector_size(SY_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(SY_LANES * 4)));

inline vf load(const float* p) {
  vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vf v) { __builtin_memcpy(p, &v, sizeof v); }
inline vf splat(float x) { return x - vf{}; }

inline vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__wasm_relaxed_simd__)
  // Fused or not as the processor has it: the same on every call of a machine, which is all that rows need.
  return (vf)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#elif defined(SY_NEON)
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

inline float fma(float a, float b, float c) {
#if defined(__wasm__)
  // WebAssembly has no fused scalar, and its C library's is a hundred times slower than this: the product is exact.
  return (float)((double)a * b + c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

// kLanes small integers, each a lane. g++ converts vectors of bytes lane by lane, hence the instructions by name.
template <class Small>
inline vi load_widened(const void* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(Small) == 2) return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  else if constexpr ((Small)-1 < 0) return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p));
  else return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
#elif defined(__AVX2__)
  if constexpr (sizeof(Small) == 2) return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
  else if constexpr ((Small)-1 < 0) return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p));
  else return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#else
  typedef Small Narrow __attribute__((vector_size(kLanes * sizeof(Small))));
  Narrow v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, vi);
#endif
}

inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }

template <int kBy, int... I>
inline vf rotate(vf v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I + kBy) % kLanes...);
}

// Adds halves until one lane is left.
template <int kHalf = kLanes / 2>
inline float sum(vf v) {
  v = v + rotate<kHalf>(v, std::make_integer_sequence<int, kLanes>{});
  if constexpr (kHalf == 1) return v[0];
  else return sum<kHalf / 2>(v);
}

inline int32_t sum_of(vi v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_epi32((__m512i)v);
#elif defined(__AVX2__)
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
#elif defined(SY_NEON)
  return vaddvq_s32((int32x4_t)v);
#else
  int32_t total = 0;
  for (int i = 0; i < kLanes; i++) total += v[i];
  return total;
#endif
}

// The low byte of each lane.
inline void store_bytes(int8_t* to, vi v) {
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)to, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined(__AVX2__)
  // The low bytes of a half's lanes side by side, then those of both halves.
  const __m256i low = _mm256_shuffle_epi8((__m256i)v, _mm256_set1_epi32(0x0c080400));
  _mm_storel_epi64((__m128i*)to, _mm_unpacklo_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
#elif defined(SY_NEON)
  int16x4_t words = vmovn_s32((int32x4_t)v);
  int32x2_t bytes = vreinterpret_s32_s8(vmovn_s16(vcombine_s16(words, words)));
  __builtin_memcpy(to, &bytes, kLanes);
#else
  for (int i = 0; i < kLanes; i++) to[i] = (int8_t)v[i];
#endif
}

inline float max_of(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)v);
#elif defined(__AVX2__)
  __m128 half = _mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
#elif defined(SY_NEON)
  return vmaxvq_f32((float32x4_t)v);
#else
  float s[SY_LANES];
  store(s, v);
  float top = s[0];
  for (int i = 1; i < SY_LANES; i++) top = s[i] > top ? s[i] : top;
  return top;
#endif
}

inline int32_t max_of(vi v) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_epi32((__m512i)v);
#elif defined(__AVX2__)
  __m128i half = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  half = _mm_max_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
#elif defined(SY_NEON)
  return vmaxvq_s32((int32x4_t)v);
#else
  int32_t top = v[0];
  for (int i = 1; i < kLanes; i++) top = v[i] > top ? v[i] : top;
  return top;
#endif
}

// e^x for x in [-87, 88], relative error under 2e-7: range reduction by ln 2 in two parts, then a polynomial.
inline vf exp(vf x) {
  x = min(splat(88.0f), max(splat(-87.0f), x));  // in this order NaN stays NaN
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23 rounds to integer
  vf n = fma(x, splat(1.44269504f), magic) - magic;
  vf r = fma(n, splat(-0.693145752f), x);
  r = fma(n, splat(-1.42860677e-6f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r + splat(1.0f));
  vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
  vf scale;
  __builtin_memcpy(&scale, &exponent, sizeof scale);
  return p * scale;
}

// Sines and cosines, absolute error under 1e-9, of angles of up to 2^31: the nearest multiple of pi/2 is taken off in
// three parts, whose products with its number are exact, and Taylor's series does the rest.
typedef double vd __attribute__((vector_size(SY_LANES * 4)));
typedef int64_t vl __attribute__((vector_size(SY_LANES * 4)));
inline void sine_cosine(vd angle, vd& sine, vd& cosine) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52 rounds to integer
  const vd shifted = angle * 0.63661977236758134 + magic, n = shifted - magic;
  const vd r = ((angle - n * 1.570796012878418) - n * 3.139164164167596e-07) - n * 6.223372171896613e-14, z = r * r;
  const vd s = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880))));
  const vd c = 1.0 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 - z * (1.0 / 3628800)))));
  vl quadrant;
  __builtin_memcpy(&quadrant, &shifted, sizeof quadrant);
  const vl odd = (quadrant & 1) != 0;
  sine = odd ? c : s;
  cosine = odd ? s : c;
  sine = (quadrant & 2) != 0 ? -sine : sine;
  cosine = ((quadrant + 1) & 2) != 0 ? -cosine : cosine;
}

inline float half_to_float(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#elif defined(SY_NEON)
  __fp16 half;
  __builtin_memcpy(&half, &h, 2);
  return half;
#elif defined(__wasm__)
  // Times 2^112: moves the exponent's bias, and normalises what is subnormal. No branches: a block begins with two.
  int32_t magnitude = h & 0x7fff, special = magnitude > 0x7bff ? 0x7f800000 : 0;
  int32_t bits = magnitude << 13;
  float f;
  std::memcpy(&f, &bits, 4);
  f *= 5.192296858534828e33f;
  std::memcpy(&bits, &f, 4);
  bits |= special | (int32_t)(h & 0x8000) << 16;
  std::memcpy(&f, &bits, 4);
  return f;
#else
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff, bits;
  if (magnitude >= 0x7c00) bits = sign | 0x7f800000 | (magnitude & 0x3ff) << 13;
  else if (magnitude >= 0x400) bits = sign | ((magnitude << 13) + 0x38000000);
  else {
    float f = (float)magnitude * 5.9604644775390625e-8f;
    std::memcpy(&bits, &f, 4);
    bits |= sign;
  }
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
#endif
}

inline uint16_t float_to_half(float f) {
#if defined(__F16C__)
  return _cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT);
#elif defined(SY_NEON)
  __fp16 half = (__fp16)f;
  uint16_t h;
  __builtin_memcpy(&h, &half, 2);
  return h;
#else
  uint32_t x;
  std::memcpy(&x, &f, 4);
  uint32_t sign = x >> 16 & 0x8000, magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    float scaled;
    std::memcpy(&scaled, &magnitude, 4);
    scaled += 0.5f;  // aligns the subnormal half's last bit with the float's, rounding to even
    uint32_t bits;
    std::memcpy(&bits, &scaled, 4);
    return sign | (bits - 0x3f000000);
  }
  return sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
#endif
}

inline float load_half(const uint8_t* p) {
  uint16_t h;
  std::memcpy(&h, p, 2);
  return half_to_float(h);
}

inline void halves_to_floats(const uint16_t* from, float* to, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)(from + i))));
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(from + i))));
#elif defined(SY_NEON)
  for (; i + 4 <= n; i += 4) vst1q_f32(to + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from + i))));
#elif defined(__wasm_simd128__)
  for (; i + 4 <= n; i += 4) {
    v128_t half = wasm_u32x4_load16x4(from + i), magnitude = wasm_v128_and(half, wasm_i32x4_splat(0x7fff));
    // Times 2^112: moves the exponent's bias, and normalises what is subnormal.
    v128_t value = wasm_f32x4_mul(wasm_i32x4_shl(magnitude, 13), wasm_i32x4_splat(0x77800000));
    v128_t special = wasm_v128_and(wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x7bff)), wasm_i32x4_splat(0x7f800000));
    v128_t sign = wasm_i32x4_shl(wasm_v128_and(half, wasm_i32x4_splat(0x8000)), 16);
    wasm_v128_store(to + i, wasm_v128_or(wasm_v128_or(value, special), sign));
  }
#endif
  for (; i < n; i++) to[i] = half_to_float(from[i]);
}

// Rounds to nearest even.
inline void floats_to_halves(const float* from, uint16_t* to, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) _mm256_storeu_si256((__m256i*)(to + i), _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
  for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i*)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#elif defined(SY_NEON)
  for (; i + 4 <= n; i += 4) vst1_u16(to + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(from + i))));
#endif
  for (; i < n; i++) to[i] = float_to_half(from[i]);
}

// A vector of halves, which may lie anywhere.
inline vf load_halves(const void* p) {
#if defined(__AVX512F__)
  return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif defined(SY_NEON)
  uint16x4_t halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return (vf)vcvt_f32_f16(vreinterpret_f16_u16(halves));
#else
  float s[kLanes];
  halves_to_floats((const uint16_t*)p, s, kLanes);
  return load(s);
#endif
}

// Sum over k of a[k] * b[k], always in the same order for a given n.
inline float dot(const float* a, const float* b, int64_t n) {
  vf s0 = {}, s1 = {}, s2 = {}, s3 = {};
  int64_t k = 0;
  for (; k + 4 * kLanes <= n; k += 4 * kLanes) {
    s0 = fma(load(a + k), load(b + k), s0);
    s1 = fma(load(a + k + kLanes), load(b + k + kLanes), s1);
    s2 = fma(load(a + k + 2 * kLanes), load(b + k + 2 * kLanes), s2);
    s3 = fma(load(a + k + 3 * kLanes), load(b + k + 3 * kLanes), s3);
  }
  for (; k + kLanes <= n; k += kLanes) s0 = fma(load(a + k), load(b + k), s0);
  float total = sum((s0 + s1) + (s2 + s3));
  for (; k < n; k++) total = fma(a[k], b[k], total);
  return total;
}

}  // namespace steelyard::SY_LEVEL
