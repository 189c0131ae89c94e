// Elementwise ops and what goes with them: binary ops with broadcasting, activations, sums over broadcast dims.
#include <cmath>

#include "packed.h"

namespace steelyard::SY_LEVEL {
namespace {

// Calls visit(row, column, count) for this chunk's share of x's elements, in stretches within a row.
template <class Visit>
void for_each_stretch(const Call& call, const Tensor& x, Visit visit) {
  int64_t n = x.inner();
  Range cells = share(call, x.rows() * n, 64);
  for (int64_t at = cells.begin; at < cells.end;) {
    int64_t column = at % n, count = cells.end - at < n - column ? cells.end - at : n - column;
    visit(at / n, column, count);
    at += count;
  }
}

// to[i] = f(from[i]) by vectors throughout, the rest padded to one: an element's value does not depend on where a
// stretch begins or ends.
template <class F>
void map(const float* from, float* to, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, f(load(from + i)));
  if (i == n) return;
  float rest[kLanes] = {};
  std::memcpy(rest, from + i, (n - i) * 4);
  store(rest, f(load(rest)));
  std::memcpy(to + i, rest, (n - i) * 4);
}

template <class F>
void unary(const Call& call, F f) {
  const Tensor &x = *call.in[0], &y = *call.out[0];
  for_each_stretch(call, x, [&](int64_t row, int64_t column, int64_t n) { map(x.f32(row) + column, y.f32(row) + column, n, f); });
}

inline vf silu(vf x) { return x / (splat(1.0f) + exp(-x)); }
// tanh by exp: exact enough, since 1 - 2 / (e^2u + 1) loses nothing for large u and gelu scales by x for small.
inline vf gelu_tanh(vf x) {
  vf u = splat(0.79788456f) * (x + splat(0.044715f) * x * x * x);
  return x - x / (exp(u + u) + splat(1.0f));
}

// Element by element, for functions that the vector layer lacks.
template <float (*F)(float)>
inline vf each(vf x) {
  float s[kLanes];
  store(s, x);
  for (float& v : s) v = F(v);
  return load(s);
}
inline float tanh1(float x) { return std::tanh(x); }
// x times the normal distribution's integral, whose tail is a polynomial of 1 / (1 + p |x|) times e^(-x^2 / 2), to 1e-7
// (Abramowitz and Stegun 7.1.26).
inline vf gelu_erf(vf x) {
  const vf size = max(x, -x), t = splat(1.0f) / fma(size, splat(0.23164190f), splat(1.0f));
  vf p = splat(0.530702715f);
  p = fma(p, t, splat(-0.7265760135f));
  p = fma(p, t, splat(0.7107068705f));
  p = fma(p, t, splat(-0.142248368f));
  p = fma(p, t, splat(0.127414796f));
  return max(x, splat(0.0f)) - size * p * t * exp(splat(-0.5f) * x * x);
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
  Range mine = share(call, outer);
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
  vf by = splat(Scale::read(call.attrs).by);
  unary(call, [by](vf x) { return x * by; });
}
void op_tanh(const Call& call) {
  unary(call, [](vf x) { return each<tanh1>(x); });
}
void op_sigmoid(const Call& call) {
  unary(call, [](vf x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); });
}
void op_silu(const Call& call) {
  unary(call, [](vf x) { return silu(x); });
}
void op_gelu(const Call& call) {
  if (Gelu::read(call.attrs).approximate == Gelu::Approximate::tanh) unary(call, [](vf x) { return gelu_tanh(x); });
  else unary(call, [](vf x) { return gelu_erf(x); });
}

// The whole sum by one thread per output element, in order of x.
void op_sumto(const Call& call) {
  const Tensor &x = *call.in[0], &y = *call.out[0];
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
  const Glu attrs = Glu::read(call.attrs);
  const bool limited = attrs.limit > 0, plain = attrs.alpha == 1;
  const vf top = splat(attrs.limit), alpha = splat(attrs.alpha);
  for_each_stretch(call, gate, [&](int64_t row, int64_t column, int64_t n) {
    const float *g = gate.f32(row) + column, *u = up.f32(row) + column;
    float* to = y.f32(row) + column;
    if (limited) map(g, to, n, [&](vf x) { return min(top, x); });
    const float* from = limited ? to : g;
    if (attrs.activation == Glu::Activation::silu && plain) map(from, to, n, [](vf x) { return silu(x); });
    else if (attrs.activation == Glu::Activation::silu) map(from, to, n, [&](vf x) { return x / (splat(1.0f) + exp(-alpha * x)); });
    else if (attrs.activation == Glu::Activation::gelu) map(from, to, n, [](vf x) { return gelu_erf(x); });
    else map(from, to, n, [](vf x) { return gelu_tanh(x); });
    for (int64_t i = 0; i < n; i++) {
      float up = u[i];
      if (limited) up = up > attrs.limit ? attrs.limit : up < -attrs.limit ? -attrs.limit : up;
      to[i] *= up + attrs.offset;
    }
  });
}

// Heads [tokens, heads, a + b] as two parts, or made of them: whole heads by tokens of this chunk.
static void copy_heads(const Call& call, const Tensor& whole, const Tensor& first, const Tensor& rest, bool join) {
  const int64_t heads = whole.dims[1], a = first.dims[2], b = rest.dims[2];
  Range mine = share(call, whole.rows() * heads);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    int64_t t = i / heads, h = i % heads;
    float *both = whole.f32(t) + h * (a + b), *head = first.f32(t) + h * a, *tail = rest.f32(t) + h * b;
    std::memcpy(join ? both : head, join ? head : both, a * 4);
    std::memcpy(join ? both + a : tail, join ? tail : both + a, b * 4);
  }
}

void op_split(const Call& call) { copy_heads(call, *call.in[0], *call.out[0], *call.out[1], false); }

void op_concat(const Call& call) { copy_heads(call, *call.out[0], *call.in[0], *call.in[1], true); }

void op_gather(const Call& call) {
  const Tensor &table = *call.in[Gather::table], &rows = *call.in[Gather::rows], &y = *call.out[0];
  Range mine = share(call, y.rows());
  for (int64_t i = mine.begin; i < mine.end; i++) {
    int32_t row = rows.i32()[i];
    if (table.in_place()) {
      decode_packed_row(table, row, y.f32(i));
      continue;
    }
    // Temporaries may be strided; weights are rows of blocks.
    const uint8_t* from = table.dtype == DType::f32 ? (const uint8_t*)table.f32(row) : table.block_row(row);
    decode_row(table.dtype, from, y.f32(i), y.inner());
  }
}

}  // namespace steelyard::SY_LEVEL
