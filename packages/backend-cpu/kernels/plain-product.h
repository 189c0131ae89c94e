// y = x w for w [K, N] in any format: what carries a gradient back through a linear layer (dx = dy w), and linear layers
// that are published so. And y = a^T b, a weight's gradient (dw = dy^T x), which is the same with x read down its columns.
//
// Floor: for each vector of w that meets a row of x one multiply-add; rows of w are decoded once for 128 rows of x. A tile
// of 4 rows by kWide vectors loads 4 + kWide values for 4 * kWide multiply-adds. An element of y is one chain over K in
// order, whatever the tile.
#pragma once
#include <algorithm>

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

// The left side: element k of a row is at k times `step`.
struct LeftRows {
  const float* first;
  int64_t row, step;
  const float* at(int64_t m, int64_t k) const { return first + m * row + k * step; }
};

// Rows of y from column c on, to be begun or gone on with, over `depth` rows of a strip.
template <int kM, int kW>
inline void plain_tile(const LeftRows& x, const float* strip, int64_t depth, bool begin, float* const* y, int64_t c) {
  vf acc[kM][kW];
  for (int i = 0; i < kM; i++)
    for (int j = 0; j < kW; j++) acc[i][j] = begin ? vf{} : load(y[i] + c + j * kLanes);
  for (int64_t k = 0; k < depth; k++) {
    vf w[kW];
    for (int j = 0; j < kW; j++) w[j] = load(strip + k * kStrip + c + j * kLanes);
    for (int i = 0; i < kM; i++) {
      const vf factor = splat(*x.at(i, k));
      for (int j = 0; j < kW; j++) acc[i][j] = fma(factor, w[j], acc[i][j]);
    }
  }
  for (int i = 0; i < kM; i++)
    for (int j = 0; j < kW; j++) store(y[i] + c + j * kLanes, acc[i][j]);
}

template <int kM>
inline void plain_rows(const LeftRows& x, const float* strip, int64_t depth, bool begin, float* const* y, int64_t width) {
  int64_t c = 0;
  for (; c + kWide * kLanes <= width; c += kWide * kLanes) plain_tile<kM, kWide>(x, strip, depth, begin, y, c);
  for (; c + kLanes <= width; c += kLanes) plain_tile<kM, 1>(x, strip, depth, begin, y, c);
  for (; c < width; c++)
    for (int i = 0; i < kM; i++) {
      float acc = begin ? 0 : y[i][c];
      for (int64_t k = 0; k < depth; k++) acc = fma(*x.at(i, k), strip[k * kStrip + c], acc);
      y[i][c] = acc;
    }
}

// Rows [first, end) of x times columns of a matrix of `depth` rows, at most kStrip, into columns from `column` of y.
// read(k, to): the columns of row k.
template <class Read>
void multiply_strip(const LeftRows& x, Read read, const Tensor& y, Range rows, int64_t width, int64_t depth, int64_t column, float* strip) {
  for (int64_t k = 0; k < depth; k += kStripDepth) {
    const int64_t count = depth - k < kStripDepth ? depth - k : kStripDepth;
    for (int64_t j = 0; j < count; j++) read(k + j, strip + j * kStrip);
    float* to[4];
    for (int64_t m = rows.begin; m < rows.end;) {
      const int64_t tile = rows.end - m >= 4 ? 4 : 1;
      const LeftRows from = {x.at(m, k), x.row, x.step};
      for (int64_t i = 0; i < tile; i++) to[i] = y.f32(m + i) + column;
      if (tile == 4) plain_rows<4>(from, strip, count, k == 0, to, width);
      else plain_rows<1>(from, strip, count, k == 0, to, width);
      m += tile;
    }
  }
}

inline int64_t plain_units(int64_t rows, int64_t columns) { return (columns + kStrip - 1) / kStrip * ((rows + kPlainRows - 1) / kPlainRows); }

// fn(rows of the result, columns) for this chunk's pieces of [rows, columns].
template <class Fn>
void by_strips(const Call& call, int64_t rows, int64_t columns, Fn fn) {
  const int64_t strips = (columns + kStrip - 1) / kStrip;
  const Range units = share(call, plain_units(rows, columns));
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const int64_t first = unit / strips * kPlainRows, c = unit % strips * kStrip;
    fn(Range{first, std::min(first + kPlainRows, rows)}, Range{c, std::min(c + kStrip, columns)});
  }
}

// Rows of x times `columns` of w, at most kStrip, into columns from `to` on of y.
inline void multiply_columns(const Tensor& x, const Tensor& w, const Tensor& y, Range rows, Range columns, int64_t to, float* strip) {
  const DTypeInfo& info = dtype_info(w.dtype);
  const int64_t width = columns.end - columns.begin;
  const auto read = [&](int64_t k, float* row) { decode_row(w.dtype, w.block_row(k) + columns.begin / info.block_size * info.block_bytes, row, width); };
  multiply_strip({x.f32(), x.row_stride, 1}, read, y, rows, width, x.last(), to, strip);
}

// This chunk's strips and rows; `strip`: kStripBytes of memory.
inline void multiply_plain(const Call& call, const Tensor& x, const Tensor& w, const Tensor& y, const float* bias, int64_t column, float* strip) {
  by_strips(call, x.rows(), w.last(), [&](Range rows, Range columns) {
    multiply_columns(x, w, y, rows, columns, column + columns.begin, strip);
    if (!bias) return;
    for (int64_t m = rows.begin; m < rows.end; m++)
      for (int64_t i = column + columns.begin; i < column + columns.end; i++) y.f32(m)[i] += bias[i];
  });
}

// This chunk's part of y = a^T b.
inline void sum_outer(const Call& call, const Tensor& a, const Tensor& b, const Tensor& y, float* strip) {
  by_strips(call, a.last(), b.last(), [&](Range rows, Range columns) {
    const int64_t width = columns.end - columns.begin;
    const auto read = [&](int64_t k, float* to) { std::memcpy(to, b.f32(k) + columns.begin, width * 4); };
    multiply_strip({a.f32(), 1, a.row_stride}, read, y, rows, width, a.rows(), columns.begin, strip);
  });
}

}  // namespace steelyard::SY_LEVEL
