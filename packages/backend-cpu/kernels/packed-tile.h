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

// Integer sums of kN parts by kM rows over a run, or over one half of it where the halves have scales of their own.
template <class Format, int kN, int kM, Form kForm>
struct TileSums {
  using Codes = typename Format::Codes;
  static constexpr int kPlanes = kForm == Form::planes ? 2 : 1, kHalves = Format::Scales::kHalves ? 2 : 1, kGroups = 8 / kHalves;
  // Products that wait in 16 bits; none where the level adds to 32 at once.
  static constexpr int kHeld = kForm == Form::bytes ? kHeldProducts<Codes::kBits> : 0;
  // Where no two products fit, codes are taken around their zero point, and nothing is left to subtract.
  static constexpr int kZero = kHeld == 1 ? 0 : Format::Scales::kZero - Codes::kBias;
  vi sums[kPlanes][kN][kM], held[kN][kM];

  void start(const IntegerRow<kForm>* x, int64_t run, int half) {
    for (int m = 0; m < kM; m++) {
      vi zero = {};
      if constexpr (kZero != 0) {
        // The zero point times minus the sum: a shift, of the vector, which is loaded as one.
        zero = settled(splat_int(kHalves == 2 ? x[m][run].halves + half : &x[m][run].minus)) * kZero;
      }
      for (int n = 0; n < kN; n++) {
        if constexpr (kPlanes == 2) sums[0][n][m] = vi{};
        sums[kPlanes - 1][n][m] = zero;
      }
    }
  }
  // Group kG of the parts from `codes` on.
  template <int kG>
  void add(const uint8_t* codes, const IntegerRow<kForm>* x, int64_t run) {
    vb u[kN];
    for (int n = 0; n < kN; n++) u[n] = Codes::template group<kG>(codes + 4 * kLanes * n);
    if constexpr (kForm == Form::words) {
      add_words(u, x, run, kG / 4 * 32 + kG % 4 * 4);
    } else {
      for (int m = 0; m < kM; m++)
        for (int p = 0; p < kPlanes; p++) {
          const vi q = splat_int(x[m][run].q + 32 * p + 4 * kG);
          for (int n = 0; n < kN; n++) add_product<Codes::kBits, kG % kGroups>(sums[p][n][m], held[n][m], u[n], q);
        }
    }
  }
  void add_words(const vb* u, const IntegerRow<kForm>* x, int64_t run, int at) {
    for (int odd = 0; odd < 2; odd++) {
      vs words[kN];
      for (int n = 0; n < kN; n++) words[n] = odd ? odd_bytes(u[n]) : even_bytes(u[n]);
      for (int m = 0; m < kM; m++) {
        const vs q = (vs)splat_int(x[m][run].q + at + 16 * odd);
        for (int n = 0; n < kN; n++) sums[0][n][m] = settled(dot_words(sums[0][n][m], words[n], q));
      }
    }
  }
  vf total(int n, int m) const {
    if constexpr (kPlanes == 2) return __builtin_convertvector((sums[0][n][m] << 8) + sums[1][n][m], vf);
    else return __builtin_convertvector(sums[0][n][m], vf);
  }
};

#if defined(__ARM_FEATURE_MATMUL_INT8)
template <class Format, int kN, int kM, Form kForm>
using SumsOf = std::conditional_t<kM % 2 == 0, PairedSums<Format, kN, kM, kForm>, TileSums<Format, kN, kM, kForm>>;
#else
template <class Format, int kN, int kM, Form kForm>
using SumsOf = TileSums<Format, kN, kM, kForm>;
#endif

// Bytes of weights that are asked for ahead of their turn.
constexpr int64_t kAhead = 4096;

// Panels that are spread out next, asked for a few lines to a run while products of others are computed: asking for all at once
// gained little.
struct NextPanels {
  const char *at = nullptr, *end = nullptr;
  void ask() {
    if (at >= end) return;
    for (int line = 0; line < 4; line++) __builtin_prefetch(at + 64 * line, 0, 2);
    at += 4 * 64;
  }
};

// acc += a half run, or a whole one.
template <class Format, int kHalf, int kN, int kM, Form kForm>
inline void add_half(const uint8_t* block, const uint8_t* run, int part, const IntegerRow<kForm>* x, int64_t number, vf (&acc)[kN][kM]) {
  using Scales = typename Format::Scales;
  using Sums = SumsOf<Format, kN, kM, kForm>;
  Sums sums;
  sums.start(x, number, kHalf);
  const uint8_t* codes = run + Scales::kBytes + 4 * kLanes * part;
  [&]<int... G>(std::integer_sequence<int, G...>) {
    (sums.template add<kHalf * Sums::kGroups + G>(codes, x, number), ...);
  }(std::make_integer_sequence<int, Sums::kGroups>{});
  for (int n = 0; n < kN; n++) {
    const vf scale = Scales::scale(block, run, part + n, kHalf);
    for (int m = 0; m < kM; m++) acc[n][m] = fma(sums.total(n, m), scale * splat(x[m][number].scale), acc[n][m]);
  }
}

// out[n][m] = lanes of x[m] times rows [kLanes * (part + n), + kLanes) of the panel.
template <class Format, int kN, int kM, Form kForm>
inline void multiply_tile(const uint8_t* panel, int64_t runs, int part, const IntegerRow<kForm>* x, NextPanels& next, vf (&out)[kN][kM]) {
  using Scales = typename Format::Scales;
  vf acc[kN][kM] = {};
  for (int64_t run = 0; run < runs;) {
    const uint8_t* block = panel;
    panel += Scales::kBlockBytes;
    for (int r = 0; r < Scales::kRuns; r++, run++, panel += Format::kRunBytes) {
      // A core that is left to itself asks for weights too late.
      if constexpr (Format::kSpread) next.ask();
      else
        for (int64_t line = 0; line < Format::kRunBytes; line += 64) __builtin_prefetch(panel + kAhead + line);
      add_half<Format, 0, kN, kM, kForm>(block, panel, part, x, run, acc);
      if constexpr (Scales::kHalves) add_half<Format, 1, kN, kM, kForm>(block, panel, part, x, run, acc);
      if constexpr (Scales::kOffset)
        for (int n = 0; n < kN; n++) {
          const vf offset = Scales::offset(block, panel, part + n);
          for (int m = 0; m < kM; m++) acc[n][m] = fma(offset, splat(x[m][run].scaled), acc[n][m]);
        }
    }
  }
  for (int n = 0; n < kN; n++)
    for (int m = 0; m < kM; m++) out[n][m] = acc[n][m];
}

}  // namespace steelyard::SY_LEVEL
