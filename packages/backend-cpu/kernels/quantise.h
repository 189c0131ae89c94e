// Rows of activations as integers for weights in blocks: runs of 32 with a scale each, of 8 bits or of 16.
//
// 16 bits cost a model nothing measurable; 8 bits are half the work where bytes are multiplied: matmuls that the graph
// marks `narrow` take them.
#pragma once
#include <cfloat>
#include <cmath>

#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {

// How a run is stored: bytes; two planes of them, n = 256 * high + low, the high ones first, so that byte products apply
// to both; or words, in each half run the even columns first, for levels whose product of words is as good.
enum class Form { bytes, planes, words };

constexpr Form form_of([[maybe_unused]] bool narrow) {
#if defined(__wasm_relaxed_simd__) || (defined(__AVX2__) && !defined(__AVX512VNNI__))
  return narrow ? Form::bytes : Form::words;
#elif defined(__wasm_simd128__)
  return Form::words;
#else
  return narrow ? Form::bytes : Form::planes;
#endif
}
constexpr int run_bytes(Form form) { return form == Form::bytes ? 32 : 64; }

// A run of a row, in one piece: products find all of it at fixed places from one address.
template <Form kForm>
struct IntegerRun {
  int8_t q[run_bytes(kForm)];
  float scale;
  float scaled;       // scale times the integers' sum
  int32_t minus;      // minus the integers' sum
  int32_t halves[2];  // the same of each half
};

template <Form kForm>
using IntegerRow = const IntegerRun<kForm>*;

struct IntegerRows {
  char* memory;
  int64_t runs;
  bool narrow;

  size_t row_bytes() const { return align_up(runs * (narrow ? sizeof(IntegerRun<form_of(true)>) : sizeof(IntegerRun<form_of(false)>))); }
  size_t bytes(int64_t rows) const { return rows * row_bytes(); }
  template <Form kForm>
  IntegerRun<kForm>* row(int64_t i) const { return (IntegerRun<kForm>*)(memory + i * row_bytes()); }
};

// The largest magnitude becomes this. Of 16 bits: its high byte is then at most 127.
constexpr float top_of(bool narrow) { return narrow ? 127.0f : 32512.0f; }

template <Form kForm>
inline void store_run(const int32_t* n, int8_t* to) {
  if constexpr (kForm == Form::words) {
    int16_t words[32];
    for (int h = 0; h < 32; h += 16)
      for (int i = 0; i < 8; i++) {
        words[h + i] = (int16_t)n[h + 2 * i];
        words[h + 8 + i] = (int16_t)n[h + 2 * i + 1];
      }
    std::memcpy(to, words, sizeof words);
    return;
  }
  for (int i = 0; i < 32; i += kLanes) {
    vi v;
    std::memcpy(&v, n + i, sizeof v);
    if constexpr (kForm == Form::planes) {
      vi high = (v + 128) >> 8;
      store_bytes(to + i, high);
      store_bytes(to + 32 + i, v - (high << 8));
    } else {
      store_bytes(to + i, v);
    }
  }
}

// The largest magnitude of 32 floats; infinite or NaN where one of them is.
inline float largest_of_run(const float* from) {
  // As integers magnitudes keep their order, with what is not finite above all that is.
  vi peak = {};
  for (int i = 0; i < 32; i += kLanes) {
    const vi v = (vi)load(from + i) & 0x7fffffff;
    peak = v > peak ? v : peak;
  }
  const int32_t bits = max_of(peak);
  float top;
  std::memcpy(&top, &bits, 4);
  return top;
}

// Round to nearest even, so that scalar and vector levels agree. A run with a value that is not finite gets a scale of
// NaN: what went wrong upstream must show in the result.
template <bool kNarrow>
inline void quantise_row(const float* x, const IntegerRows& rows, int64_t row) {
  constexpr Form kForm = form_of(kNarrow);
  IntegerRun<kForm>* to = rows.row<kForm>(row);
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23 rounds to integer
  const float most = top_of(kNarrow);
  for (int64_t run = 0; run < rows.runs; run++, to++) {
    const float* from = x + run * 32;
    const float top = largest_of_run(from);
    const bool finite = top <= FLT_MAX;
    // What is next to nothing becomes zero: its inverse would be infinite.
    vf inverse = splat(finite && top > 1e-30f ? most / top : 0);
    int32_t integers[32], half[2] = {0, 0};
    for (int i = 0; i < 32; i += kLanes) {
      vf v = finite ? load(from + i) : vf{};
      vi n = __builtin_convertvector((v * inverse + magic) - magic, vi);
      half[i / 16] += sum_of(n);
      std::memcpy(integers + i, &n, sizeof n);
    }
    store_run<kForm>(integers, to->q);
    const int32_t sum = half[0] + half[1];
    to->scale = finite ? top / most : NAN;
    to->scaled = to->scale * (float)sum;
    to->minus = -sum;
    to->halves[0] = -half[0];
    to->halves[1] = -half[1];
  }
}

}  // namespace steelyard::SY_LEVEL
