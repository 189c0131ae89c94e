// Rows of float weights times rows of activations: float32, or rounded to bfloat16 where the level multiplies that.
//
// A pass of a few activations over the weights is one stream from memory, row behind row. Where there are more, weights
// come from the second cache and activations from the first, a block of columns at a time: whole rows of both would not
// fit it. Sums wait in memory between two blocks.
#pragma once
#include "float-tile.h"

namespace steelyard::SY_LEVEL {

// Vectors of activations: rows, or kPlanes to a row whose products are added up.
template <class Products>
struct ActivationRows {
  using Element = typename Products::Activation;
  const char* memory;
  int64_t stride;  // bytes
  int64_t rows;
  int64_t columns;
  const Element* vector(int64_t i) const { return (const Element*)(memory + i * stride); }
};

inline ActivationRows<FloatProducts> float_rows(const Tensor& x) { return {x.data, x.row_stride * 4, x.rows(), x.last()}; }

// Vectors of activations that make a tile with kFloatRows rows of weights.
#if defined(SY_NEON)
constexpr int kFloatTile = 4;
#else
constexpr int kFloatTile = kLanes == 16 ? 4 : 2;
#endif

// Rows of weights that are taken together, and bytes of an activation that are a block.
constexpr int64_t kMostRows = 64, kBlockBytes = 2048;
constexpr size_t kSumBytes = kMostRows * kFloatTile * sizeof(vf);

// As many as fit half a megabyte.
inline int64_t rows_together(int64_t row_bytes) {
  const int64_t fit = (512 << 10) / row_bytes / kFloatRows * kFloatRows;
  return fit < kFloatRows ? kFloatRows : fit < kMostRows ? fit : kMostRows;
}

// `count` rows of w, at most kMostRows, times all of x: put(row of x, row of w, value). `sums`: kSumBytes. `from_memory`:
// whether w is not in a cache yet.
template <class Products, int kPlanes, class W, class Put>
class FloatRows {
 public:
  FloatRows(const W& w, int64_t count, const ActivationRows<Products>& x, char* sums, Put put) : w_(w), count_(count), x_(x), sums_((float*)sums), put_(put) {}

  void multiply(bool from_memory) const {
    const int64_t vectors = x_.rows * kPlanes;
    int64_t i = 0;
    if (from_memory) {
      if (vectors < kFloatTile) i += pass<true, kPlanes>(i, x_.columns);
      else i += pass<true, kFloatTile>(i, x_.columns);
    }
    while (i + kFloatTile <= vectors) i += pass<false, kFloatTile>(i, kDepth);
    while (i < vectors) i += pass<false, kPlanes>(i, kDepth);
  }

 private:
  static constexpr int64_t kDepth = kBlockBytes / sizeof(typename Products::Activation);

  // Vectors [first, first + kM) of x and all of w, `depth` columns at a time.
  template <bool kAsk, int kM>
  int pass(int64_t first, int64_t depth) const {
    for (int64_t at = 0; at < x_.columns; at += depth) {
      const Range columns = {at, at + depth < x_.columns ? at + depth : x_.columns};
      int64_t n = 0;
      for (; n + kFloatRows <= count_; n += kFloatRows) tile<kAsk, kFloatRows, kM>(first, n, columns);
      if constexpr (W::kPanels) {
        if (n < count_) tile<kAsk, kFloatRows, kM>(first, n, columns);
      } else {
        for (; n < count_; n++) tile<kAsk, 1, kM>(first, n, columns);
      }
    }
    return kM;
  }
  template <bool kAsk, int kN, int kM>
  void tile(int64_t first, int64_t n, Range columns) const {
    const typename Products::Activation* x[kM];
    for (int j = 0; j < kM; j++) x[j] = x_.vector(first + j);
    float* sums = sums_ + n * kFloatTile * kLanes;
    vf acc[kN][kM] = {};
    if (columns.begin > 0)
      for (int i = 0; i < kN; i++)
        for (int j = 0; j < kM; j++) acc[i][j] = load(sums + (i * kFloatTile + j) * kLanes);
    add_columns<Products, kAsk>(w_.from(n), x, columns, acc);
    if (columns.end < x_.columns) {
      for (int i = 0; i < kN; i++)
        for (int j = 0; j < kM; j++) store(sums + (i * kFloatTile + j) * kLanes, acc[i][j]);
      return;
    }
    for (int i = 0; i < kN && n + i < count_; i++)
      for (int j = 0; j < kM; j += kPlanes) {
        vf total = acc[i][j];
        if constexpr (kPlanes == 2) total += acc[i][j + 1];
        put_((first + j) / kPlanes, n + i, sum(total));
      }
  }

  const W& w_;
  int64_t count_;
  const ActivationRows<Products>& x_;
  float* sums_;
  Put put_;
};

}  // namespace steelyard::SY_LEVEL
