// Row normalisations and rope. One row (or head) is one thread's, summed in a fixed order.
#include <algorithm>
#include <cmath>

#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {
namespace {

// y = x / sqrt(mean(x^2) + eps) * (w + offset)
void rmsnorm_row(const float* x, const float* w, float* y, int64_t n, float eps, float offset) {
  float scale = 1.0f / std::sqrt(dot(x, x, n) / (float)n + eps);
  if (w)
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * (w[i] + offset);
  else
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale;
}

// Runs of the last dim: x may be [T, n] or [T, H, n] with strided rows.
template <class F>
void for_each_run(const Call& call, const Tensor& x, F f) {
  int64_t n = x.last(), per_row = x.inner() / n;
  Range mine = share(call, x.rows() * per_row);
  for (int64_t i = mine.begin; i < mine.end; i++) f(i / per_row, i % per_row * n, n);
}

}  // namespace

void op_rmsnorm(const Call& call) {
  const Tensor &x = *call.in[Rmsnorm::x], &y = *call.out[0];
  const float* w = call.in[Rmsnorm::w] ? call.in[Rmsnorm::w]->f32() : nullptr;
  auto attrs = Rmsnorm::read(call.attrs);
  for_each_run(call, x, [&](int64_t row, int64_t at, int64_t n) {
    rmsnorm_row(x.f32(row) + at, w, y.f32(row) + at, n, attrs.eps, attrs.offset);
  });
}

void op_addrmsnorm(const Call& call) {
  const Tensor &a = *call.in[Addrmsnorm::a], &b = *call.in[Addrmsnorm::b], &sum = *call.out[0], &y = *call.out[1];
  const float* w = call.in[Addrmsnorm::w] ? call.in[Addrmsnorm::w]->f32() : nullptr;
  auto attrs = Addrmsnorm::read(call.attrs);
  for_each_run(call, a, [&](int64_t row, int64_t at, int64_t n) {
    const float *pa = a.f32(row) + at, *pb = b.f32(row) + at;
    float* ps = sum.f32(row) + at;
    for (int64_t i = 0; i < n; i++) ps[i] = pa[i] + pb[i];
    rmsnorm_row(ps, w, y.f32(row) + at, n, attrs.eps, attrs.offset);
  });
}

void op_layernorm(const Call& call) {
  const Tensor &x = *call.in[Layernorm::x], &y = *call.out[0];
  const float* w = call.in[Layernorm::w] ? call.in[Layernorm::w]->f32() : nullptr;
  const float* bias = call.in[Layernorm::bias] ? call.in[Layernorm::bias]->f32() : nullptr;
  float eps = Layernorm::read(call.attrs).eps;
  for_each_run(call, x, [&](int64_t row, int64_t at, int64_t n) {
    const float* from = x.f32(row) + at;
    float* to = y.f32(row) + at;
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += from[i];
    float mean = (float)(total / n);
    // The difference is taken first: the mean may be far larger than the spread.
    for (int64_t i = 0; i < n; i++) to[i] = from[i] - mean;
    float scale = 1.0f / std::sqrt(dot(to, to, n) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) to[i] = to[i] * scale * (w ? w[i] : 1.0f) + (bias ? bias[i] : 0.0f);
  });
}

namespace {

// cosine[i], sine[i] of position * frequencies[i], times scale. Angles reach thousands of radians: float32 would lose
// three digits.
void turns_of(double position, const float* frequencies, int64_t count, float scale, float* cosine, float* sine) {
  constexpr int64_t kWide = kLanes / 2;
  for (int64_t i = 0; i < count; i += kWide) {
    const int64_t n = std::min(kWide, count - i);
    vd angle = {}, s, c;
    for (int64_t j = 0; j < n; j++) angle[j] = position * (double)frequencies[i + j];
    sine_cosine(angle, s, c);
    for (int64_t j = 0; j < n; j++) {
      cosine[i + j] = (float)c[j] * scale;
      sine[i + j] = (float)s[j] * scale;
    }
  }
}

// Turns pairs of elements: the first of each kStep after the one before, the second `apart` from it.
template <int kStep>
void turn(const float* from, float* to, int64_t pairs, int64_t apart, const float* cosine, const float* sine) {
  for (int64_t i = 0; i < pairs; i++) {
    const float a = from[kStep * i], b = from[kStep * i + apart];
    to[kStep * i] = a * cosine[i] - b * sine[i];
    to[kStep * i + apart] = a * sine[i] + b * cosine[i];
  }
}

}  // namespace

void op_rope(const Call& call) {
  const Tensor &x = *call.in[Rope::x], &positions = *call.in[Rope::positions], &table = *call.in[Rope::frequencies];
  const Tensor& y = *call.out[0];
  auto attrs = Rope::read(call.attrs);
  const int64_t heads = x.dims[1], dim = x.dims[2], half = table.count();
  float* cosine = (float*)call.own;
  float* sine = cosine + half;
  Range mine = share(call, x.rows());
  for (int64_t t = mine.begin; t < mine.end; t++) {
    turns_of(positions.i32()[t], table.f32(), half, attrs.scale, cosine, sine);
    for (int64_t h = 0; h < heads; h++) {
      const float* from = x.f32(t) + h * dim;
      float* to = y.f32(t) + h * dim;
      if (attrs.interleaved) turn<2>(from, to, half, 1, cosine, sine);
      else turn<1>(from, to, half, half, cosine, sine);
      for (int64_t i = 2 * half; i < dim; i++) to[i] = from[i];
    }
  }
}

void op_temper(const Call& call) {
  const Tensor &x = *call.in[Temper::x], &positions = *call.in[Temper::positions], &y = *call.out[0];
  auto attrs = Temper::read(call.attrs);
  Range mine = share(call, x.rows());
  for (int64_t t = mine.begin; t < mine.end; t++) {
    int64_t steps = ((int64_t)positions.i32()[t] + attrs.offset) / attrs.every;
    float factor = 1.0f + attrs.by * (float)std::log1p((double)steps);
    for (int64_t i = 0, n = x.inner(); i < n; i++) y.f32(t)[i] = x.f32(t)[i] * factor;
  }
}

size_t scratch_rope_own(int64_t half) { return align_up(2 * half * 4); }

}  // namespace steelyard::SY_LEVEL
