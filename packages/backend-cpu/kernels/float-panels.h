// Weights of floats: as published, and in the panels that those of 16 bits are copied to at load. Four rows lie side by
// side, a line of each in turn, so that the rows of a tile are one stream from memory, in large pages that no mapped file
// has; on two cores of a Zen 4 that is a tenth to a half faster than four rows apart.
#pragma once
#include "decode.h"

namespace steelyard::SY_LEVEL {

// Sixteen bits of a bfloat16, apart from those of a half.
struct Bf16 {
  uint16_t bits;
};

// Rows that lie side by side, and columns of each before the next row's.
constexpr int kFloatRows = 4, kFloatRun = 32;

inline int64_t whole_runs(int64_t columns) { return (columns + kFloatRun - 1) / kFloatRun * kFloatRun; }

// Rows as published, each behind the one before it.
template <class T>
struct PublishedFloats {
  using Element = T;
  static constexpr bool kPanels = false;
  const T* first;
  int64_t columns;

  PublishedFloats from(int64_t row) const { return {first + row * columns, columns}; }
  const T* at(int row, int64_t column) const { return first + row * columns + column; }
};

// Of an element of kFloatRows rows.
inline int64_t panel_place(int row, int64_t column) { return (column / kFloatRun * kFloatRows + row) * kFloatRun + column % kFloatRun; }

// Rows and columns beyond the last are zeros.
template <class T>
struct PanelFloats {
  using Element = T;
  static constexpr bool kPanels = true;
  const T* first;
  int64_t columns;  // whole runs

  // `row`: the first of kFloatRows.
  PanelFloats from(int64_t row) const { return {first + row * columns, columns}; }
  const T* at(int row, int64_t column) const { return first + panel_place(row, column); }
};

// What repacks 16 rows of 16 bits each and reads one back.
template <DType kDType>
struct HalfPanels {
  static int64_t panel_bytes(int64_t k) { return 16 * 2 * whole_runs(k); }
  static void pack(const uint8_t* from, int64_t rows, int64_t k, uint8_t* panel) {
    if (rows < 16 || k % kFloatRun != 0) std::memset(panel, 0, panel_bytes(k));
    for (int row = 0; row < rows; row++, from += 2 * k)
      by_runs(k, row, [&](int64_t at, int64_t count, int64_t place) { std::memcpy(panel + 2 * place, from + 2 * at, 2 * count); });
  }
  static void decode_row(const uint8_t* panel, int64_t k, int row, float* to) {
    by_runs(k, row, [&](int64_t at, int64_t count, int64_t place) { SY_LEVEL::decode_row(kDType, panel + 2 * place, to + at, count); });
  }

 private:
  template <class Fn>
  static void by_runs(int64_t k, int row, Fn fn) {
    const int64_t first = row / kFloatRows * kFloatRows * whole_runs(k);
    for (int64_t at = 0; at < k; at += kFloatRun) fn(at, k - at < kFloatRun ? k - at : kFloatRun, first + panel_place(row % kFloatRows, at));
  }
};

}  // namespace steelyard::SY_LEVEL
