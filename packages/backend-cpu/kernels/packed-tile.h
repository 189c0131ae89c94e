// One part of a panel of packed weights times a few rows of activations.
//
// Floor: a run of 32 columns by 16 rows takes 8 byte products a plane, a conversion and two float operations, for each
// row of activations. A row's result is a chain over its runs, the same however many rows are taken together.
#pragma once
#include "packed.h"
#include "quantise.h"

namespace steelyard::SY_LEVEL {

// Integer sums of kM rows over the two halves of a run, or over both together when they share a scale.
template <class Format, int kM, int kPlanes>
struct TileSums {
  static constexpr int kParts = Format::Scales::kHalves ? 2 : 1;
  vi plane[kPlanes][kParts][kM];

  void start(const IntegerRow* x, int64_t run) {
    for (int m = 0; m < kM; m++)
      for (int h = 0; h < kParts; h++) {
        if constexpr (kPlanes == 2) plane[0][h][m] = vi{};
        // The zero point times minus the sum: a power of two.
        if constexpr (Format::Scales::kZero == 0) plane[kPlanes - 1][h][m] = vi{};
        else plane[kPlanes - 1][h][m] = splat_int(kParts == 2 ? x[m].halves + 2 * run + h : x[m].minus + run) * Format::Scales::kZero;
      }
  }
  void add(const vb& low, const vb& high, const IntegerRow* x, int64_t run, int i) {
    constexpr int kBits = Format::Codes::kBits;
    for (int m = 0; m < kM; m++)
      for (int p = 0; p < kPlanes; p++) {
        const int8_t* q = x[m].q + (run * kPlanes + p) * 32 + 4 * i;
        plane[p][0][m] = dot_bytes<kBits>(plane[p][0][m], low, splat_int(q));
        plane[p][kParts - 1][m] = dot_bytes<kBits>(plane[p][kParts - 1][m], high, splat_int(q + 16));
      }
  }
  vf total(int half, int m) const {
    if constexpr (kPlanes == 2) return __builtin_convertvector((plane[0][half][m] << 8) + plane[1][half][m], vf);
    else return __builtin_convertvector(plane[0][half][m], vf);
  }
};

// out[m] = lanes of x[m] times rows [kLanes * part, + kLanes) of the panel.
template <class Format, int kM, int kPlanes>
inline void multiply_tile(const uint8_t* panel, int64_t runs, int part, const IntegerRow* x, vf* out) {
  using Scales = typename Format::Scales;
  vf acc[kM] = {};
  TileSums<Format, kM, kPlanes> sums;
  for (int64_t run = 0; run < runs;) {
    const uint8_t* block = panel;
    panel += Scales::kBlockBytes;
    for (int r = 0; r < Scales::kRuns; r++, run++, panel += Format::kRunBytes) {
      const uint8_t* codes = panel + Scales::kBytes + 4 * kLanes * part;
      sums.start(x, run);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        vb low, high;
        Format::Codes::load(codes, i, low, high);
        sums.add(low, high, x, run, i);
      }
      for (int h = 0; h < (Scales::kHalves ? 2 : 1); h++) {
        vf scale = Scales::scale(block, panel, part, h);
        for (int m = 0; m < kM; m++) acc[m] = fma(sums.total(h, m), scale * splat(x[m].scale[run]), acc[m]);
      }
      if constexpr (Scales::kOffset) {
        vf offset = Scales::offset(block, panel, part);
        for (int m = 0; m < kM; m++) acc[m] = fma(offset, splat(x[m].scaled[run]), acc[m]);
      }
    }
  }
  for (int m = 0; m < kM; m++) out[m] = acc[m];
}

}  // namespace steelyard::SY_LEVEL
