// Rows of activations as bfloat16, for levels that multiply it: rounded where the graph lets them be (`narrow`), else in
// two planes, each value rounded and then what that left, which keeps 16 bits and more of it.
//
// Rounding moves a value by 1/512 of itself at most, next to nothing beside the 8 bits to a run of 32 that `narrow` allows.
#pragma once
#include "float-rows.h"

namespace steelyard::SY_LEVEL {

struct Bf16Rows {
  char* memory;
  int64_t columns;
  bool narrow;

  int planes() const { return narrow ? 1 : 2; }
  // Blocks of four vectors do not share the lines of a cache that a power of two of bytes apart would.
  int64_t vector_bytes() const { return (int64_t)align_up(columns * sizeof(Bf16), 2048) + 1024; }
  size_t bytes(int64_t rows) const { return rows * planes() * vector_bytes(); }
  Bf16* vector(int64_t i) const { return (Bf16*)(memory + i * vector_bytes()); }
};

#if defined(__AVX512BF16__)
// Vector 0 of a row: to nearest even; vector 1: the same of what is left. What is not finite leaves NaN.
inline void round_row(const float* x, const Bf16Rows& rows, int64_t row) {
  Bf16* to = rows.vector(row * rows.planes());
  const auto round = [](Bf16* at, vf v) { _mm256_storeu_si256((__m256i*)at, (__m256i)_mm512_cvtneps_pbh((__m512)v)); };
  for (int64_t i = 0; i < rows.columns; i += kLanes) {
    const int64_t rest = rows.columns - i;
    const vf v = rest < kLanes ? load_rest<FloatProducts>(x + i, rest) : load(x + i);
    round(to + i, v);
    if (!rows.narrow) round(rows.vector(row * 2 + 1) + i, v - load_value(to + i));
  }
}

inline ActivationRows<Bf16Products> float_rows(const Bf16Rows& x, int64_t rows) { return {x.memory, x.vector_bytes(), rows, x.columns}; }
#endif

}  // namespace steelyard::SY_LEVEL
