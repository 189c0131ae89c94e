// Elementwise ops and what goes with them: binary ops with broadcasting, activations, sums over broadcast dims.
#include <cmath>

#include "decode.h"

namespace steelyard::SY_LEVEL {
namespace {

template <class F>
void unary(const Call& call, F f) {
  const Tensor &x = *call.in[0], &y = *call.out[0];
  int64_t n = x.inner();
  // Long single rows are shared too.
  Range cells = split(x.rows() * n, call.thread, call.threads, 64);
  for (int64_t at = cells.begin; at < cells.end;) {
    int64_t row = at / n, column = at % n, end = cells.end - at < n - column ? cells.end - at : n - column;
    const float* from = x.f32(row) + column;
    float* to = y.f32(row) + column;
    for (int64_t i = 0; i < end; i++) to[i] = f(from[i]);
    at += end;
  }
}

inline float silu(float x) { return x / (1.0f + std::exp(-x)); }
inline float gelu_erf(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); }
inline float gelu_tanh(float x) { return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); }

inline vf silu(vf x) { return x / (splat(1.0f) + exp(-x)); }
// tanh by exp: exact enough, since 1 - 2 / (e^2u + 1) loses nothing for large u and gelu scales by x for small.
inline vf gelu_tanh(vf x) {
  vf u = splat(0.79788456f) * (x + splat(0.044715f) * x * x * x);
  return x - x / (exp(u + u) + splat(1.0f));
}

// Steps of an operand along each of four dims of the output, 0 where it repeats.
struct Walk {
  int64_t step[kMaxRank];
};
Walk walk(const Tensor& t, int rank) {
  Walk w = {};
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; i--) {
    int64_t s = i == 0 ? t.row_stride : stride;
    if (t.dims[i] != 1) w.step[kMaxRank - t.rank + i] = s;
    stride *= t.dims[i];
  }
  (void)rank;
  return w;
}

template <class F>
void binary(const Call& call, F f) {
  const Tensor &a = *call.in[0], &b = *call.in[1], &y = *call.out[0];
  int64_t dims[kMaxRank] = {1, 1, 1, 1};
  for (int i = 0; i < y.rank; i++) dims[kMaxRank - y.rank + i] = y.dims[i];
  Walk wa = walk(a, y.rank), wb = walk(b, y.rank), wy = walk(y, y.rank);
  int64_t outer = dims[0] * dims[1] * dims[2], n = dims[3];
  Range mine = split(outer, call.thread, call.threads);
  for (int64_t o = mine.begin; o < mine.end; o++) {
    int64_t i2 = o % dims[2], i1 = o / dims[2] % dims[1], i0 = o / (dims[2] * dims[1]);
    auto at = [&](const Tensor& t, const Walk& w) { return (float*)t.data + i0 * w.step[0] + i1 * w.step[1] + i2 * w.step[2]; };
    const float *pa = at(a, wa), *pb = at(b, wb);
    float* py = at(y, wy);
    int64_t sa = wa.step[3], sb = wb.step[3];
    if (sa == 1 && sb == 1)
      for (int64_t i = 0; i < n; i++) py[i] = f(pa[i], pb[i]);
    else
      for (int64_t i = 0; i < n; i++) py[i] = f(pa[i * sa], pb[i * sb]);
  }
}

}  // namespace

void op_add(const Call& call) {
  binary(call, [](float a, float b) { return a + b; });
}
void op_sub(const Call& call) {
  binary(call, [](float a, float b) { return a - b; });
}
void op_mul(const Call& call) {
  binary(call, [](float a, float b) { return a * b; });
}
void op_scale(const Call& call) {
  float by = Scale::read(call.attrs).by;
  unary(call, [by](float x) { return x * by; });
}
void op_tanh(const Call& call) {
  unary(call, [](float x) { return std::tanh(x); });
}
void op_sigmoid(const Call& call) {
  unary(call, [](float x) { return 1.0f / (1.0f + std::exp(-x)); });
}
void op_silu(const Call& call) {
  unary(call, [](float x) { return silu(x); });
}
void op_gelu(const Call& call) {
  if (Gelu::read(call.attrs).approximate == Gelu::Approximate::tanh) unary(call, [](float x) { return gelu_tanh(x); });
  else unary(call, [](float x) { return gelu_erf(x); });
}

// The whole sum by one thread per output element, in order of x.
void op_sumto(const Call& call) {
  const Tensor &x = *call.in[0], &y = *call.out[0];
  if (call.thread != 0) return;
  for (int64_t i = 0; i < y.rows(); i++) std::memset(y.f32(i), 0, y.inner() * 4);
  int64_t dims[kMaxRank] = {1, 1, 1, 1};
  for (int i = 0; i < x.rank; i++) dims[kMaxRank - x.rank + i] = x.dims[i];
  Walk wx = walk(x, x.rank), wy = walk(y, x.rank);
  for (int64_t a = 0; a < dims[0]; a++)
    for (int64_t b = 0; b < dims[1]; b++)
      for (int64_t c = 0; c < dims[2]; c++)
        for (int64_t d = 0; d < dims[3]; d++) {
          auto at = [&](const Walk& w) { return a * w.step[0] + b * w.step[1] + c * w.step[2] + d * w.step[3]; };
          ((float*)y.data)[at(wy)] += ((const float*)x.data)[at(wx)];
        }
}

void op_glu(const Call& call) {
  const Tensor &gate = *call.in[Glu::gate], &up = *call.in[Glu::up], &y = *call.out[0];
  auto activation = Glu::read(call.attrs).activation;
  int64_t n = gate.inner();
  Range cells = split(gate.rows() * n, call.thread, call.threads, 64);
  for (int64_t at = cells.begin; at < cells.end;) {
    int64_t row = at / n, column = at % n, count = cells.end - at < n - column ? cells.end - at : n - column;
    const float *g = gate.f32(row) + column, *u = up.f32(row) + column;
    float* to = y.f32(row) + column;
    int64_t i = 0;
    // Whether an element falls in a vector or in the tail depends on its row alone: shares begin at multiples of 64.
    if (activation != Glu::Activation::gelu)
      for (; i + kLanes <= count; i += kLanes) {
        vf v = load(g + i);
        store(to + i, (activation == Glu::Activation::silu ? silu(v) : gelu_tanh(v)) * load(u + i));
      }
    for (; i < count; i++) {
      float v = g[i];
      to[i] = (activation == Glu::Activation::silu ? silu(v) : activation == Glu::Activation::gelu ? gelu_erf(v) : gelu_tanh(v)) * u[i];
    }
    at += count;
  }
}

void op_gather(const Call& call) {
  const Tensor &table = *call.in[Gather::table], &rows = *call.in[Gather::rows], &y = *call.out[0];
  Range mine = split(y.rows(), call.thread, call.threads);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    int32_t row = rows.i32()[i];
    // Temporaries may be strided; weights are rows of blocks.
    const uint8_t* from = table.dtype == DType::f32 ? (const uint8_t*)table.f32(row) : table.block_row(row);
    decode_row(table.dtype, from, y.f32(i), y.inner());
  }
}

}  // namespace steelyard::SY_LEVEL
