// A few rows of float weights times a few rows of activations, in float32.
//
// Floor: for each product of two vectors one multiply-add; a tile of kN by kM loads kN + kM vectors for kN * kM of them.
// A result is one chain over its row, then a sum across lanes: the same whatever the tile.
#pragma once
#include "simd.h"

namespace steelyard::SY_LEVEL {

// Sixteen bits of a bfloat16, apart from those of a half.
struct Bf16 {
  uint16_t bits;
};

inline vf load_value(const float* p) { return load(p); }
inline vf load_value(const uint16_t* p) { return load_halves(p); }
inline vf load_value(const Bf16* p) {
  const vi bits = load_widened<uint16_t>(p) << 16;
  vf v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

// The last elements of a row, the other lanes zero.
template <class T>
inline vf load_rest(const T* p, int64_t n) {
  T s[kLanes] = {};
  std::memcpy(s, p, n * sizeof(T));
  return load_value(s);
}

// out[i][j] = w[i] . x[j] over k elements.
template <int kN, int kM, class T>
inline void float_tile(const T* const* w, const float* const* x, int64_t k, float (*out)[kM]) {
  vf acc[kN][kM] = {};
  auto step = [&](auto load_w, auto load_x) {
    vf b[kM];
    for (int j = 0; j < kM; j++) b[j] = load_x(x[j]);
    for (int i = 0; i < kN; i++) {
      vf a = load_w(w[i]);
      for (int j = 0; j < kM; j++) acc[i][j] = fma(a, b[j], acc[i][j]);
    }
  };
  int64_t at = 0;
  for (; at + kLanes <= k; at += kLanes) {
    // One row of activations waits for memory: what is asked for in time is the next tile's, which lies a tile further.
    if constexpr (kM == 1)
      for (int i = 0; i < kN; i++) __builtin_prefetch(w[i] + at + kN * k);
    step([at](const T* p) { return load_value(p + at); }, [at](const float* p) { return load(p + at); });
  }
  if (at < k) step([&](const T* p) { return load_rest(p + at, k - at); }, [&](const float* p) { return load_rest(p + at, k - at); });
  for (int i = 0; i < kN; i++)
    for (int j = 0; j < kM; j++) out[i][j] = sum(acc[i][j]);
}

}  // namespace steelyard::SY_LEVEL
