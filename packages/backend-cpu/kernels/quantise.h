// Rows of activations as integers for weights in blocks: runs of 32 with a scale each, of 8 bits or of 16.
//
// 16 bits are two planes of bytes, n = 256 * high + low, so that the byte-product instructions apply to both; they cost
// a model nothing measurable. 8 bits are one plane, half the work: matmuls that the graph marks `narrow` take it.
#pragma once
#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {

// One row; arrays by run.
struct IntegerRow {
  const int8_t* q;       // [runs, planes, 32]: a run's high bytes, then its low
  const float* scale;    // [runs]
  const float* scaled;   // [runs]: scale times the integers' sum
  const int32_t* minus;  // [runs]: minus the integers' sum
  const int32_t* halves; // [runs, 2]: the same of each half run
};

struct IntegerRows {
  char* memory;
  int64_t runs;
  int planes;

  static constexpr size_t kSums = 5 * 4;  // bytes to a run, besides the integers
  size_t row_bytes() const { return align_up(runs * (32 * planes + kSums)); }
  size_t bytes(int64_t rows) const { return rows * row_bytes(); }

  IntegerRow row(int64_t i) const {
    char* at = memory + i * row_bytes();
    IntegerRow r;
    r.q = (const int8_t*)at;
    r.scale = (const float*)(at + runs * 32 * planes);
    r.scaled = r.scale + runs;
    r.minus = (const int32_t*)(r.scaled + runs);
    r.halves = r.minus + runs;
    return r;
  }
};

// The largest magnitude becomes this. Of 16 bits: its high byte is then at most 127.
constexpr float top_of(int planes) { return planes == 2 ? 32512.0f : 127.0f; }

// Round to nearest even, so that scalar and vector levels agree. A run with a value that is not finite gets a scale of
// NaN: what went wrong upstream must show in the result.
inline void quantise_row(const float* x, const IntegerRows& rows, int64_t row) {
  const IntegerRow to = rows.row(row);
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23 rounds to integer
  const float most = top_of(rows.planes);
  for (int64_t run = 0; run < rows.runs; run++) {
    const float* from = x + run * 32;
    vf peak = {}, bad = {};
    for (int i = 0; i < 32; i += kLanes) {
      vf v = load(from + i);
      peak = max((vf)((vi)v & 0x7fffffff), peak);
      bad = fma(v, vf{}, bad);
    }
    float top = max_of(peak), trouble = sum(bad);
    bool finite = trouble == 0;
    // What is next to nothing becomes zero: its inverse would be infinite.
    vf inverse = splat(finite && top > 1e-30f ? most / top : 0);
    int8_t* q = (int8_t*)to.q + run * 32 * rows.planes;
    int32_t half[2] = {0, 0};
    for (int i = 0; i < 32; i += kLanes) {
      vf v = finite ? load(from + i) : vf{};
      vi n = __builtin_convertvector((v * inverse + magic) - magic, vi);
      half[i / 16] += sum_of(n);
      if (rows.planes == 2) {
        vi high = (n + 128) >> 8;
        store_bytes(q + i, high);
        store_bytes(q + 32 + i, n - (high << 8));
      } else {
        store_bytes(q + i, n);
      }
    }
    float d = top / most + trouble;
    ((float*)to.scale)[run] = d;
    ((float*)to.scaled)[run] = d * (float)(half[0] + half[1]);
    ((int32_t*)to.minus)[run] = -(half[0] + half[1]);
    ((int32_t*)to.halves)[2 * run] = -half[0];
    ((int32_t*)to.halves)[2 * run + 1] = -half[1];
  }
}

}  // namespace steelyard::SY_LEVEL
