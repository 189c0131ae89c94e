// Dot products of one vector with as many rows as a SIMD vector has lanes: one reduction for all of them.
#pragma once
#include "simd.h"

namespace steelyard::SY_LEVEL {

// Lane of (a, b), a's lanes first, that goes to lane `i` when groups of 2 * half lanes are folded to half.
constexpr int fold_source(int i, int half) {
  int within_operand = i % (kLanes / 2), operand = i / (kLanes / 2);
  return operand * kLanes + within_operand / half * 2 * half + within_operand % half;
}

// Adds the halves of each group of lanes, of a first and then of b: the same tree of additions as `sum`.
template <int kHalf, int... I>
inline vf fold(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, fold_source(I, kHalf)...) + __builtin_shufflevector(a, b, (fold_source(I, kHalf) + kHalf)...);
}

// Lane i is the sum of rows[i]; overwrites rows.
template <int kHalf = kLanes / 2>
inline vf sums(vf* rows) {
  constexpr int kLeft = kHalf;  // vectors after this step
  for (int i = 0; i < kLeft; i++) rows[i] = fold<kHalf>(rows[2 * i], rows[2 * i + 1], std::make_integer_sequence<int, kLanes>{});
  if constexpr (kHalf == 1) return rows[0];
  else return sums<kHalf / 2>(rows);
}

// q . k for `count` rows, up to kLanes, of `n` elements (a multiple of kLanes) that lie `stride` apart; the lanes of
// rows that are not there are zero. A row's result does not depend on the other rows.
inline vf dots(const float* q, const float* k, int64_t stride, int64_t n, int64_t count) {
  vf rows[kLanes] = {};
  if (count >= kLanes) {
    for (int64_t i = 0; i < n; i += kLanes) {
      vf x = load(q + i);
      for (int r = 0; r < kLanes; r++) rows[r] = fma(x, load(k + r * stride + i), rows[r]);
    }
  } else {
    for (int64_t r = 0; r < count; r++)
      for (int64_t i = 0; i < n; i += kLanes) rows[r] = fma(load(q + i), load(k + r * stride + i), rows[r]);
  }
  return sums(rows);
}

}  // namespace steelyard::SY_LEVEL
