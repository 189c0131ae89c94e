// A few parts of a panel of packed weights times a few rows of activations.
//
// Floor: a run of 32 columns by 16 rows takes 8 byte products a plane, or 16 products of words, a conversion and two float
// operations, for each row of activations. A row's result is a chain over its runs, the same however many rows are taken
// together.
#pragma once
#include "packed.h"
#include "quantise.h"
#if defined(__ARM_FEATURE_MATMUL_INT8)
#include "paired-sums.h"
#endif

namespace steelyard::SY_LEVEL {

// Integer sums of kN parts by kM rows over the two halves of a run, or over both together when they share a scale.
template <class Format, int kN, int kM, Form kForm>
struct TileSums {
  using Codes = typename Format::Codes;
  static constexpr int kPlanes = kForm == Form::planes ? 2 : 1, kHalves = Format::Scales::kHalves ? 2 : 1, kZero = Format::Scales::kZero - Codes::kBias;
  vi plane[kPlanes][kHalves][kN][kM];

  void start(const IntegerRow* x, int64_t run) {
    for (int m = 0; m < kM; m++)
      for (int h = 0; h < kHalves; h++) {
        // The zero point times minus the sum: a power of two.
        vi zero = {};
        if constexpr (kZero != 0) zero = splat_int(kHalves == 2 ? x[m].halves + 2 * run + h : x[m].minus + run) * kZero;
        for (int n = 0; n < kN; n++) {
          if constexpr (kPlanes == 2) plane[0][h][n][m] = vi{};
          plane[kPlanes - 1][h][n][m] = zero;
        }
      }
  }
  // Groups i and i + 4 of the parts from `codes` on.
  void add(const uint8_t* codes, const IntegerRow* x, int64_t run, int i) {
    if constexpr (kForm == Form::words) add_words(codes, x, run, i);
    else add_bytes(codes, x, run, i);
  }
  void add_bytes(const uint8_t* codes, const IntegerRow* x, int64_t run, int i) {
    vb low[kN], high[kN];
    for (int n = 0; n < kN; n++) Codes::load(codes + 4 * kLanes * n, i, low[n], high[n]);
    for (int m = 0; m < kM; m++)
      for (int p = 0; p < kPlanes; p++) {
        const int8_t* q = x[m].q + (run * kPlanes + p) * 32 + 4 * i;
        add_products(plane[p][0], m, low, q);
        add_products(plane[p][kHalves - 1], m, high, q + 16);
      }
  }
  static void add_products(vi (&sums)[kN][kM], int m, const vb* u, const int8_t* q) {
    vi x = splat_int(q);
    for (int n = 0; n < kN; n++) sums[n][m] = dot_bytes<Codes::kBits>(sums[n][m], u[n], x);
  }
  void add_words(const uint8_t* codes, const IntegerRow* x, int64_t run, int i) {
    vs u[4][kN];
    for (int n = 0; n < kN; n++) {
      vb low, high;
      Codes::load(codes + 4 * kLanes * n, i, low, high);
      u[0][n] = even_bytes(low);
      u[1][n] = odd_bytes(low);
      u[2][n] = even_bytes(high);
      u[3][n] = odd_bytes(high);
    }
    for (int part = 0; part < 4; part++)
      for (int m = 0; m < kM; m++) {
        vs q = (vs)splat_int(x[m].q + run * 64 + 16 * part + 4 * i);
        vi (&sums)[kN][kM] = plane[0][part / 2 * (kHalves - 1)];
        for (int n = 0; n < kN; n++) sums[n][m] = dot_words(sums[n][m], u[part][n], q);
      }
  }
  vf total(int half, int n, int m) const {
    if constexpr (kPlanes == 2) return __builtin_convertvector((plane[0][half][n][m] << 8) + plane[1][half][n][m], vf);
    else return __builtin_convertvector(plane[0][half][n][m], vf);
  }
};

#if defined(__ARM_FEATURE_MATMUL_INT8)
template <class Format, int kN, int kM, Form kForm>
using SumsOf = std::conditional_t<kM % 2 == 0, PairedSums<Format, kN, kM, kForm>, TileSums<Format, kN, kM, kForm>>;
#else
template <class Format, int kN, int kM, Form kForm>
using SumsOf = TileSums<Format, kN, kM, kForm>;
#endif

// out[n][m] = lanes of x[m] times rows [kLanes * (part + n), + kLanes) of the panel.
template <class Format, int kN, int kM, Form kForm>
inline void multiply_tile(const uint8_t* panel, int64_t runs, int part, const IntegerRow* x, vf (&out)[kN][kM]) {
  using Scales = typename Format::Scales;
  vf acc[kN][kM] = {};
  SumsOf<Format, kN, kM, kForm> sums;
  for (int64_t run = 0; run < runs;) {
    const uint8_t* block = panel;
    panel += Scales::kBlockBytes;
    for (int r = 0; r < Scales::kRuns; r++, run++, panel += Format::kRunBytes) {
      const uint8_t* codes = panel + Scales::kBytes + 4 * kLanes * part;
      sums.start(x, run);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) sums.add(codes, x, run, i);
      for (int n = 0; n < kN; n++) {
        for (int h = 0; h < (Scales::kHalves ? 2 : 1); h++) {
          vf scale = Scales::scale(block, panel, part + n, h);
          for (int m = 0; m < kM; m++) acc[n][m] = fma(sums.total(h, n, m), scale * splat(x[m].scale[run]), acc[n][m]);
        }
        if constexpr (Scales::kOffset) {
          vf offset = Scales::offset(block, panel, part + n);
          for (int m = 0; m < kM; m++) acc[n][m] = fma(offset, splat(x[m].scaled[run]), acc[n][m]);
        }
      }
    }
  }
  for (int n = 0; n < kN; n++)
    for (int m = 0; m < kM; m++) out[n][m] = acc[n][m];
}

}  // namespace steelyard::SY_LEVEL
