// Weights of floats: as published, and in the panels that those of 16 bits are copied to at load. Four rows lie side by
// side, a line of each in turn, so that the rows of a tile are one stream from memory, in large pages, which a mapped file
// seldom has: up to twice as fast as four rows apart (Zen 4, two cores, rows of 576).
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

// What repacks a panel of 16 rows of 16 bits, or as many as there are, and reads one back.
template <class T>
struct HalfPanels {
  static constexpr int64_t kRows = 16, kBytes = 2;
  static int64_t panel_bytes(int64_t k) { return kRows * kBytes * whole_runs(k); }
  static void pack(const uint8_t* from, int64_t rows, int64_t k, uint8_t* to) {
    if (rows < kRows || k % kFloatRun != 0) std::memset(to, 0, panel_bytes(k));
    for (int64_t row = 0; row < rows; row++)
      by_runs(k, row, [&](int64_t at, int64_t count, int64_t place) { std::memcpy(to + kBytes * place, from + kBytes * (row * k + at), kBytes * count); });
  }
  static void decode_row(const uint8_t* panel, int64_t k, int row, float* to) {
    by_runs(k, row, [&](int64_t at, int64_t count, int64_t place) {
      float run[kFloatRun];
      for (int i = 0; i < kFloatRun; i += kLanes) store(run + i, load_value((const T*)(panel + kBytes * place) + i));
      std::memcpy(to + at, run, count * sizeof(float));
    });
  }

 private:
  // fn(column, columns, place in the panel) of each run of a row; a whole one has a length that compilers see.
  template <class Fn>
  static void by_runs(int64_t k, int64_t row, Fn fn) {
    const int64_t first = row / kFloatRows * kFloatRows * whole_runs(k);
    int64_t at = 0;
    for (; at + kFloatRun <= k; at += kFloatRun) fn(at, kFloatRun, first + panel_place(row % kFloatRows, at));
    if (at < k) fn(at, k - at, first + panel_place(row % kFloatRows, at));
  }
};

}  // namespace steelyard::SY_LEVEL
