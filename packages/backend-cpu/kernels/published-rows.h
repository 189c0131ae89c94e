// Rows of weights in blocks as published, times rows of integer activations: for formats that are not repacked. A run is
// unpacked in registers and used for every row of activations.
#pragma once
#include "byte-dot.h"
#include "decode.h"
#include "quantise.h"

namespace steelyard::SY_LEVEL {

typedef float vf8 __attribute__((vector_size(32)));
typedef int32_t vi8 __attribute__((vector_size(32)));

// Products of a run: four lanes of its first half, four of its second.
inline vi8 byte_products(vb32 u, const int8_t* q) {
#if defined(__AVX512VNNI__)
  return (vi8)_mm256_dpbusd_epi32(_mm256_setzero_si256(), (__m256i)u, (__m256i)load32((const uint8_t*)q));
#elif defined(__AVX2__)
  return (vi8)dot_wide(vi{}, (vb)u, (vi)load32((const uint8_t*)q));
#else
  vi half[2];
  for (int h = 0; h < 2; h++) {
    vb bytes;
    std::memcpy(&bytes, (const uint8_t*)&u + 16 * h, 16);
    half[h] = dot_unsigned(vi{}, bytes, (vi)load_bytes(q + 16 * h));
  }
  return __builtin_shufflevector(half[0], half[1], 0, 1, 2, 3, 4, 5, 6, 7);
#endif
}

template <Form kForm>
inline vi8 run_products(vb32 u, const int8_t* q) {
  if constexpr (kForm == Form::bytes) {
    return byte_products(u, q);
  } else if constexpr (kForm == Form::planes) {
    return (byte_products(u, q) << 8) + byte_products(u, q + 32);
  } else {
#if SY_LANES == 4
    vi half[2];
    for (int h = 0; h < 2; h++) {
      vb bytes;
      std::memcpy(&bytes, (const uint8_t*)&u + 16 * h, 16);
      half[h] = dot_words(vi{}, even_bytes(bytes), (vs)load_bytes(q + 32 * h));
      half[h] = dot_words(half[h], odd_bytes(bytes), (vs)load_bytes(q + 32 * h + 16));
    }
    return __builtin_shufflevector(half[0], half[1], 0, 1, 2, 3, 4, 5, 6, 7);
#elif SY_LANES == 8
    // The even columns of both half runs, then the odd ones.
    const vs even = (vs)join(load16((const uint8_t*)q), load16((const uint8_t*)q + 32)), odd = (vs)join(load16((const uint8_t*)q + 16), load16((const uint8_t*)q + 48));
    return (vi8)dot_words(dot_words(vi{}, even_bytes((vb)u), even), odd_bytes((vb)u), odd);
#endif
  }
}

inline vf8 fma8(vf8 a, vf8 b, vf8 c) {
#if defined(__AVX2__)
  return (vf8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(SY_NEON)
  vf part[2];
  for (int h = 0; h < 2; h++) {
    vf s[3];
    __builtin_memcpy(&s[0], (const char*)&a + 16 * h, 16);
    __builtin_memcpy(&s[1], (const char*)&b + 16 * h, 16);
    __builtin_memcpy(&s[2], (const char*)&c + 16 * h, 16);
    part[h] = fma(s[0], s[1], s[2]);
  }
  return __builtin_shufflevector(part[0], part[1], 0, 1, 2, 3, 4, 5, 6, 7);
#else
  return a * b + c;
#endif
}

// out[m] = one published row times x[m].
template <class Format, int kM, Form kForm>
inline void multiply_published(const uint8_t* row, int64_t runs, const IntegerRow<kForm>* x, float* out) {
  vf8 acc[kM] = {};
  float offsets[kM] = {};
  Unpacked r;
  for (int64_t run = 0; run < runs; run++) {
    Format::unpack(row, run, r);
    const float a = r.scale[0], b = r.scale[1];
    vf8 scale = {a, a, a, a, b, b, b, b};
    for (int m = 0; m < kM; m++) {
      vi8 products = run_products<kForm>(r.u, x[m][run].q);
      float x_scale = x[m][run].scale;
      acc[m] = fma8(__builtin_convertvector(products, vf8), scale * x_scale, acc[m]);
      float offset = fma(r.offset[0], (float)x[m][run].halves[0], r.offset[1] * (float)x[m][run].halves[1]);
      offsets[m] = fma(-x_scale, offset, offsets[m]);
    }
  }
  for (int m = 0; m < kM; m++) {
    float s[8];
    std::memcpy(s, &acc[m], sizeof s);
    out[m] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])) + offsets[m];
  }
}

}  // namespace steelyard::SY_LEVEL
