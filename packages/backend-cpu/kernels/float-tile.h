// A few rows of float weights times a few rows of activations, in float32 or by products of bfloat16.
//
// Floor: for each product of two vectors one multiply-add; a tile of kN by kM loads kN + kM vectors for kN * kM of them.
// A result is one chain over its row, then a sum across lanes: the same whatever the tile, and wherever the chain is put
// down and taken up again.
#pragma once
#include "float-panels.h"
#include "simd.h"

namespace steelyard::SY_LEVEL {

// Products of float32: of a vector of columns each.
struct FloatProducts {
  using Activation = float;
  static constexpr int kColumns = kLanes;
  template <class T>
  static vf load(const T* p) {
    return load_value(p);
  }
  static vf add(vf acc, vf w, vf x) { return fma(w, x, acc); }
};

#if defined(__AVX512BF16__)
// Products of bfloat16, two columns to a lane: twice the columns of a multiply-add, and nothing to widen.
struct Bf16Products {
  using Activation = Bf16;
  static constexpr int kColumns = 2 * kLanes;
  static __m512bh load(const Bf16* p) { return (__m512bh)_mm512_loadu_si512(p); }
  static vf add(vf acc, __m512bh w, __m512bh x) { return (vf)_mm512_dpbf16_ps((__m512)acc, w, x); }
};
constexpr bool kBf16Products = true;
#else
constexpr bool kBf16Products = false;
#endif

// The last columns of a row, the others zero.
template <class Products, class T>
inline auto load_rest(const T* p, int64_t n) {
  T s[Products::kColumns] = {};
  std::memcpy(s, p, n * sizeof(T));
  return Products::load(s);
}

// Bytes of weights that are asked for ahead of their turn.
constexpr int64_t kFloatAhead = 4096;

// acc[i][j] += w[i] . x[j] over `columns`, which end between two vectors only where the row does. `kAsk`: w comes from memory.
template <class Products, bool kAsk, int kN, int kM, class W>
inline void add_columns(const W& w, const typename Products::Activation* const* x, Range columns, vf (&acc)[kN][kM]) {
  using T = typename W::Element;
  using X = typename Products::Activation;
  const auto step = [&](auto load_w, auto load_x, int64_t at) {
    decltype(load_x(x[0])) b[kM];
    for (int j = 0; j < kM; j++) b[j] = load_x(x[j] + at);
    for (int i = 0; i < kN; i++) {
      const auto a = load_w(w.at(i, at));
      for (int j = 0; j < kM; j++) acc[i][j] = Products::add(acc[i][j], a, b[j]);
    }
  };
  constexpr auto whole = [](auto* p) { return Products::load(p); };
  int64_t at = columns.begin;
  for (; at + Products::kColumns <= columns.end; at += Products::kColumns) {
    if constexpr (kAsk) {
      // In the order of the memory, whatever that of the tile: what follows a tile of published rows is the next one.
      for (int i = 0; i < kN; i++) {
        if constexpr (W::kPanels) __builtin_prefetch((const char*)w.at(i, at) + kFloatAhead);
        else __builtin_prefetch(w.first + kN * w.columns + at * kN + i * Products::kColumns, 0, 2);
      }
    }
    step(whole, whole, at);
  }
  const int64_t rest = columns.end - at;
  if (rest > 0) step([=](const T* p) { return load_rest<Products>(p, rest); }, [=](const X* p) { return load_rest<Products>(p, rest); }, at);
}

}  // namespace steelyard::SY_LEVEL
