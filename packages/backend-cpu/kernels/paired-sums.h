// Integer sums of a tile by products of matrices (Arm i8mm): two rows of weights by two of activations, eight columns at
// once, twice the products of a byte product in an instruction. The sums are those of TileSums, so that results are too.
#pragma once
#include "packed.h"
#include "quantise.h"

namespace steelyard::SY_LEVEL {

// kM rows of activations, in pairs.
template <class Format, int kN, int kM, Form kForm>
struct PairedSums {
  using Codes = typename Format::Codes;
  static constexpr int kPlanes = kForm == Form::planes ? 2 : 1, kHalves = Format::Scales::kHalves ? 2 : 1, kGroups = 8 / kHalves;
  static constexpr int kZero = Format::Scales::kZero - Codes::kBias;
  // Of rows of weights 0 and 1, and 2 and 3, of a part: weights by activations, the latter the inner ones.
  int32x4_t plane[kPlanes][kN][kM / 2][2];

  void start(const IntegerRow<kForm>* x, int64_t run, int half) {
    for (int m = 0; m < kM; m += 2) {
      int32x4_t zero = {};
      if constexpr (kZero != 0) {
        const int32_t a = minus(x[m][run], half) * kZero, b = minus(x[m + 1][run], half) * kZero;
        zero = int32x4_t{a, b, a, b};
      }
      for (int n = 0; n < kN; n++)
        for (int pair = 0; pair < 2; pair++) {
          if constexpr (kPlanes == 2) plane[0][n][m / 2][pair] = int32x4_t{};
          plane[kPlanes - 1][n][m / 2][pair] = zero;
        }
    }
  }
  static int32_t minus(const IntegerRun<kForm>& x, int half) { return kHalves == 2 ? x.halves[half] : x.minus; }

  // Groups kG - 1 and kG, when kG is odd.
  template <int kG>
  void add(const uint8_t* codes, const IntegerRow<kForm>* x, int64_t run) {
    if constexpr (kG % 2 == 1) {
      int8x16_t w[kN][2];
      for (int n = 0; n < kN; n++) {
        const vb groups[2] = {Codes::template group<kG - 1>(codes + 4 * kLanes * n), Codes::template group<kG>(codes + 4 * kLanes * n)};
        pair_rows(groups, w[n]);
      }
      for (int m = 0; m < kM; m += 2)
        for (int p = 0; p < kPlanes; p++) add_products(plane[p], m, w, x[m][run].q + 32 * p + 4 * (kG - 1), x[m + 1][run].q + 32 * p + 4 * (kG - 1));
    }
  }
  // Four columns of four rows, and the next four columns, become eight columns of two rows each.
  static void pair_rows(const vb* groups, int8x16_t* pairs) {
    pairs[0] = (int8x16_t)vzip1q_s32((int32x4_t)groups[0], (int32x4_t)groups[1]);
    pairs[1] = (int8x16_t)vzip2q_s32((int32x4_t)groups[0], (int32x4_t)groups[1]);
  }
  static void add_products(int32x4_t (&sums)[kN][kM / 2][2], int m, const int8x16_t (*w)[2], const int8_t* even, const int8_t* odd) {
    const int8x16_t rows = vcombine_s8(vld1_s8(even), vld1_s8(odd));
    for (int n = 0; n < kN; n++)
      for (int pair = 0; pair < 2; pair++) sums[n][m / 2][pair] = vmmlaq_s32(sums[n][m / 2][pair], w[n][pair], rows);
  }
  vi lanes(int p, int n, int m) const {
    const int32x4_t* pairs = plane[p][n][m / 2];
    return m % 2 ? (vi)vuzp2q_s32(pairs[0], pairs[1]) : (vi)vuzp1q_s32(pairs[0], pairs[1]);
  }
  vf total(int n, int m) const {
    if constexpr (kPlanes == 2) return __builtin_convertvector((lanes(0, n, m) << 8) + lanes(1, n, m), vf);
    else return __builtin_convertvector(lanes(0, n, m), vf);
  }
};

}  // namespace steelyard::SY_LEVEL
