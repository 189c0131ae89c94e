// y = x w for w [K, N] in any format: what carries a gradient back through a linear layer (dx = dy w), and linear layers
// that are published so.
//
// Floor: for each vector of w that meets a row of x one multiply-add; rows of w are decoded once for 128 rows of x. A tile
// of 4 rows by kWide vectors loads 4 + kWide values for 4 * kWide multiply-adds. An element of y is one chain over K in
// order, whatever the tile.
#pragma once
#include "decode.h"

namespace steelyard::SY_LEVEL {

// Columns of w that are decoded together, rows of them, and rows of x that they then meet.
constexpr int64_t kStrip = 256, kStripDepth = 16, kPlainRows = 128;
constexpr size_t kStripBytes = kStrip * kStripDepth * 4;
#if SY_LANES == 16 || defined(SY_NEON)
constexpr int kWide = 4;
#else
constexpr int kWide = 2;
#endif

// Rows of y from column c on, to be begun or gone on with, over `depth` rows of a strip.
template <int kM, int kW>
inline void plain_tile(const float* const* x, const float* strip, int64_t depth, bool begin, float* const* y, int64_t c) {
  vf acc[kM][kW];
  for (int i = 0; i < kM; i++)
    for (int j = 0; j < kW; j++) acc[i][j] = begin ? vf{} : load(y[i] + c + j * kLanes);
  for (int64_t k = 0; k < depth; k++) {
    vf w[kW];
    for (int j = 0; j < kW; j++) w[j] = load(strip + k * kStrip + c + j * kLanes);
    for (int i = 0; i < kM; i++) {
      const vf factor = splat(x[i][k]);
      for (int j = 0; j < kW; j++) acc[i][j] = fma(factor, w[j], acc[i][j]);
    }
  }
  for (int i = 0; i < kM; i++)
    for (int j = 0; j < kW; j++) store(y[i] + c + j * kLanes, acc[i][j]);
}

template <int kM>
inline void plain_rows(const float* const* x, const float* strip, int64_t depth, bool begin, float* const* y, int64_t width) {
  int64_t c = 0;
  for (; c + kWide * kLanes <= width; c += kWide * kLanes) plain_tile<kM, kWide>(x, strip, depth, begin, y, c);
  for (; c + kLanes <= width; c += kLanes) plain_tile<kM, 1>(x, strip, depth, begin, y, c);
  for (; c < width; c++)
    for (int i = 0; i < kM; i++) {
      float acc = begin ? 0 : y[i][c];
      for (int64_t k = 0; k < depth; k++) acc = fma(x[i][k], strip[k * kStrip + c], acc);
      y[i][c] = acc;
    }
}

// Rows [first, end) of x times columns [c, c + width) of w, at most kStrip, into columns from `column` of y.
inline void multiply_strip(const Tensor& x, const Tensor& w, const Tensor& y, Range rows, int64_t c, int64_t width, int64_t column, float* strip) {
  const DTypeInfo& info = dtype_info(w.dtype);
  const int64_t depth = x.last();
  for (int64_t k = 0; k < depth; k += kStripDepth) {
    const int64_t count = depth - k < kStripDepth ? depth - k : kStripDepth;
    for (int64_t j = 0; j < count; j++) decode_row(w.dtype, w.block_row(k + j) + c / info.block_size * info.block_bytes, strip + j * kStrip, width);
    const float* from[4];
    float* to[4];
    for (int64_t m = rows.begin; m < rows.end;) {
      const int64_t tile = rows.end - m >= 4 ? 4 : 1;
      for (int64_t i = 0; i < tile; i++) {
        from[i] = x.f32(m + i) + k;
        to[i] = y.f32(m + i) + column + c;
      }
      if (tile == 4) plain_rows<4>(from, strip, count, k == 0, to, width);
      else plain_rows<1>(from, strip, count, k == 0, to, width);
      m += tile;
    }
  }
}

inline int64_t plain_strips(const Tensor& w) { return (w.last() + kStrip - 1) / kStrip; }
inline int64_t plain_units(const Tensor& x, const Tensor& w) { return plain_strips(w) * ((x.rows() + kPlainRows - 1) / kPlainRows); }

// This chunk's strips and rows; `strip`: kStripBytes of memory.
inline void multiply_plain(const Call& call, const Tensor& x, const Tensor& w, const Tensor& y, const float* bias, int64_t column, float* strip) {
  const Range units = share(call, plain_units(x, w));
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const int64_t first = unit / plain_strips(w) * kPlainRows, c = unit % plain_strips(w) * kStrip;
    const Range rows = {first, first + kPlainRows < x.rows() ? first + kPlainRows : x.rows()};
    const int64_t width = w.last() - c < kStrip ? w.last() - c : kStrip;
    multiply_strip(x, w, y, rows, c, width, column, strip);
    if (!bias) continue;
    for (int64_t m = rows.begin; m < rows.end; m++)
      for (int64_t i = 0; i < width; i++) y.f32(m)[column + c + i] += bias[column + c + i];
  }
}

}  // namespace steelyard::SY_LEVEL
