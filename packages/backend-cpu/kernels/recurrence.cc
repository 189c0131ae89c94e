// Recurrences over the tokens of a sequence, with a state in a slot that is read and written in place: Mamba's short
// convolution and its selective scan.
//
// The lanes of a vector are channels, which have nothing to do with one another; a chunk takes some channels of all
// tokens, in order. So a result depends neither on the batch, nor on the threads, nor on where a prompt was cut.
// Floor of decode: 8 (K - 1) D or 8 N D bytes of state per sequence, and w or a once, over memory bandwidth. Floor of
// prefill: of the convolution 8 T D bytes, or 2 K T D operations; of the scan T N D times an exponential and three
// multiply-adds, some 20 operations, over their rate.
#include <algorithm>

#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {
namespace {

// Neighbours of one sequence; a fresh run begins from zeros, whatever its slot holds.
struct Run {
  int64_t first, end, slot;
  bool fresh;
};

template <class F>
void for_each_run_of_tokens(const Tensor& positions, const Tensor& sequences, const Tensor& slots, F f) {
  const int32_t* rows = sequences.i32();
  for (int64_t first = 0, end, tokens = sequences.count(); first < tokens; first = end) {
    for (end = first + 1; end < tokens && rows[end] == rows[first];) end++;
    f(Run{first, end, slots.i32()[rows[first]], positions.i32()[first] == 0});
  }
}

// A vector of channels, of which the last has fewer than it has lanes.
struct Lanes {
  int64_t count;

  vf get(const float* p) const {
    if (count == kLanes) return load(p);
    float s[kLanes] = {};
    std::memcpy(s, p, count * 4);
    return load(s);
  }
  void put(float* p, vf v) const {
    if (count == kLanes) return store(p, v);
    float s[kLanes];
    store(s, v);
    std::memcpy(p, s, count * 4);
  }
};

// This chunk's channels, a vector at a time.
template <class F>
void for_each_vector(const Call& call, int64_t channels, F f) {
  Range mine = share(call, channels, kLanes);
  for (int64_t i = mine.begin; i < mine.end; i += kLanes) f(i, Lanes{std::min<int64_t>(kLanes, channels - i)});
}

int chunks_of_channels(const Tensor& x, int64_t rows, int threads) {
  const int64_t channels = x.dims[1], work = x.rows() * channels * rows;
  return work < kSerialElements ? 1 : chunks_of(work, kSerialElements / 4, (channels + kLanes - 1) / kLanes, threads);
}

// ln(1 + e^x) = max(x, 0) + ln(1 + u) with u = e^-|x|, and ln(1 + u) = 2 artanh(v), v = u / (2 + u) in [0, 1/3], by its
// series: relative error under 2e-7.
inline vf softplus(vf x) {
  const vf u = exp(-max(x, -x)), v = u / (splat(2.0f) + u), q = v * v;
  vf p = splat(1.0f / 15);
  p = fma(p, q, splat(1.0f / 13));
  p = fma(p, q, splat(1.0f / 11));
  p = fma(p, q, splat(1.0f / 9));
  p = fma(p, q, splat(1.0f / 7));
  p = fma(p, q, splat(1.0f / 5));
  p = fma(p, q, splat(1.0f / 3));
  const vf tail = v + v;
  return max(x, splat(0.0f)) + fma(p * q, tail, tail);
}

}  // namespace

int chunks_shortconv(const Operands& o, int threads) { return chunks_of_channels(*o.in[Shortconv::x], o.in[Shortconv::w]->rows(), threads); }
int chunks_selectivescan(const Operands& o, int threads) { return chunks_of_channels(*o.in[Selectivescan::x], o.in[Selectivescan::a]->rows(), threads); }
size_t scratch_shortconv_own(int64_t taps) { return align_up(taps * kLanes * 4); }
size_t scratch_selectivescan_own(int64_t numbers) { return align_up(2 * numbers * kLanes * 4); }

void op_shortconv(const Call& call) {
  const Tensor &history = *call.in[Shortconv::history], &x = *call.in[Shortconv::x], &w = *call.in[Shortconv::w], &y = *call.out[1];
  const float* bias = call.in[Shortconv::bias] ? call.in[Shortconv::bias]->f32() : nullptr;
  const int64_t channels = x.dims[1], taps = w.rows(), before = taps - 1;
  float* past = (float*)call.own;  // [before, kLanes]
  for_each_vector(call, channels, [&](int64_t i, Lanes lanes) {
    const vf start = bias ? lanes.get(bias + i) : vf{};
    for_each_run_of_tokens(*call.in[Shortconv::positions], *call.in[Shortconv::sequences], *call.in[Shortconv::slots], [&](const Run& run) {
      float* kept = history.f32(run.slot) + i;  // [before, channels]
      for (int64_t k = 0; k < before; k++) store(past + k * kLanes, run.fresh ? vf{} : lanes.get(kept + k * channels));
      // Input `t` of the run, from before it where t is negative.
      auto input = [&](int64_t t) { return t < 0 ? load(past + (before + t) * kLanes) : lanes.get(x.f32(run.first + t) + i); };
      for (int64_t t = 0; t < run.end - run.first; t++) {
        vf sum = start;
        for (int64_t k = 0; k < taps; k++) sum = fma(lanes.get(w.f32(k) + i), input(t - before + k), sum);
        lanes.put(y.f32(run.first + t) + i, sum);
      }
      for (int64_t k = 0; k < before; k++) lanes.put(kept + k * channels, input(run.end - run.first - before + k));
    });
  });
}

void op_selectivescan(const Call& call) {
  using S = Selectivescan;
  const Tensor &state = *call.in[S::state], &x = *call.in[S::x], &dt = *call.in[S::dt], &a = *call.in[S::a], &y = *call.out[1];
  const Tensor &b = *call.in[S::b], &c = *call.in[S::c];
  const int64_t channels = x.dims[1], numbers = a.rows();
  float *h = (float*)call.own, *decay = h + numbers * kLanes;  // [numbers, kLanes] each
  for_each_vector(call, channels, [&](int64_t i, Lanes lanes) {
    const vf share_of_x = lanes.get(call.in[S::d]->f32() + i);
    for (int64_t n = 0; n < numbers; n++) store(decay + n * kLanes, lanes.get(a.f32(n) + i));
    for_each_run_of_tokens(*call.in[S::positions], *call.in[S::sequences], *call.in[S::slots], [&](const Run& run) {
      float* kept = state.f32(run.slot) + i;  // [numbers, channels]
      for (int64_t n = 0; n < numbers; n++) store(h + n * kLanes, run.fresh ? vf{} : lanes.get(kept + n * channels));
      for (int64_t t = run.first; t < run.end; t++) {
        const vf step = softplus(lanes.get(dt.f32(t) + i)), input = lanes.get(x.f32(t) + i), fed = step * input;
        const float *in = b.f32(t), *out = c.f32(t);
        vf sum = share_of_x * input;
        for (int64_t n = 0; n < numbers; n++) {
          const vf next = fma(exp(step * load(decay + n * kLanes)), load(h + n * kLanes), fed * splat(in[n]));
          store(h + n * kLanes, next);
          sum = fma(splat(out[n]), next, sum);
        }
        lanes.put(y.f32(t) + i, sum);
      }
      for (int64_t n = 0; n < numbers; n++) lanes.put(kept + n * channels, load(h + n * kLanes));
    });
  });
}

}  // namespace steelyard::SY_LEVEL
