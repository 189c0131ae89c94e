// Routed experts: choosing them, and the sum of their results; their products are in expertmatmul.cc.
#include <cmath>

#include "decode.h"

namespace steelyard::SY_LEVEL {

namespace {

// Index of the largest key that is not taken, the first of equals; some index even where all are NaN.
int64_t best_left(const float* keys, const char* taken, int64_t n) {
  int64_t best = -1;
  for (int64_t i = 0; i < n; i++)
    if (!taken[i] && (best < 0 || keys[i] > keys[best])) best = i;
  return best;
}

void softmax(float* x, int64_t n) {
  float top = x[0], total = 0;
  for (int64_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
  for (int64_t i = 0; i < n; i++) total += x[i] = std::exp(x[i] - top);
  for (int64_t i = 0; i < n; i++) x[i] /= total;
}

void sigmoid(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) x[i] = 1.0f / (1.0f + std::exp(-x[i]));
}

struct RouteScratch {
  float *scores, *keys, *worth;
  char *taken, *closed;
};

RouteScratch place_route(char* memory, int64_t experts) {
  size_t floats = align_up(experts * 4), bytes = align_up(experts);
  return {(float*)memory, (float*)(memory + floats), (float*)(memory + 2 * floats), memory + 3 * floats, memory + 3 * floats + bytes};
}

// Takes the experts of all but the best groups out of the choice.
void close_groups(const RouteScratch& s, int64_t experts, const Route& attrs) {
  const int64_t each = experts / attrs.groups;
  for (int64_t i = 0; i < attrs.groups; i++) {
    const float* keys = s.keys + i * each;
    char* taken = s.taken + i * each;
    int64_t first = best_left(keys, taken, each);
    s.worth[i] = keys[first];
    s.closed[i] = 0;
    if (attrs.groupScore != Route::GroupScore::best_two) continue;
    taken[first] = 1;
    s.worth[i] += keys[best_left(keys, taken, each)];
    taken[first] = 0;
  }
  for (int i = 0; i < attrs.topGroups; i++) s.closed[best_left(s.worth, s.closed, attrs.groups)] = 1;
  // What was taken stays open.
  for (int64_t e = 0; e < experts; e++) s.taken[e] = !s.closed[e / each];
}

void route_row(const float* logits, const float* bias, int64_t experts, const Route& attrs, const RouteScratch& s, int32_t* chosen, float* weights) {
  std::memcpy(s.scores, logits, experts * 4);
  if (attrs.score == Route::Score::softmax) softmax(s.scores, experts);
  if (attrs.score == Route::Score::sigmoid) sigmoid(s.scores, experts);
  for (int64_t e = 0; e < experts; e++) s.keys[e] = s.scores[e] + (bias ? bias[e] : 0.0f);
  std::memset(s.taken, 0, experts);
  if (attrs.groups > 1) close_groups(s, experts, attrs);
  for (int j = 0; j < attrs.k; j++) {
    int64_t e = best_left(s.keys, s.taken, experts);
    s.taken[e] = 1;
    chosen[j] = (int32_t)e;
    weights[j] = s.scores[e];
  }
  if (attrs.normalise == Route::Normalise::softmax) softmax(weights, attrs.k);
  if (attrs.normalise == Route::Normalise::sigmoid) sigmoid(weights, attrs.k);
  float factor = attrs.scale;
  if (attrs.normalise == Route::Normalise::sum) {
    float total = 1e-20f;
    for (int j = 0; j < attrs.k; j++) total += weights[j];
    factor /= total;
  }
  for (int j = 0; j < attrs.k; j++) weights[j] *= factor;
}

}  // namespace

size_t scratch_route_own(int64_t experts) { return 3 * align_up(experts * 4) + 2 * align_up(experts); }

void op_route(const Call& call) {
  const Tensor &logits = *call.in[Route::logits], &experts = *call.out[0], &weights = *call.out[1];
  const Tensor* bias = call.in[Route::bias];
  Route attrs = Route::read(call.attrs);
  RouteScratch scratch = place_route(call.own, logits.last());
  Range mine = share(call, logits.rows());
  for (int64_t t = mine.begin; t < mine.end; t++) {
    int32_t* chosen = (int32_t*)experts.data + t * experts.row_stride;
    route_row(logits.f32(t), bias ? bias->f32() : nullptr, logits.last(), attrs, scratch, chosen, weights.f32(t));
  }
}

void op_combine(const Call& call) {
  const Tensor &x = *call.in[Combine::x], &y = *call.out[0];
  const Tensor* weights = call.in[Combine::weights];
  const int64_t k = x.dims[1], n = x.dims[2];
  Range cells = share(call, y.rows() * n, 64);
  for (int64_t at = cells.begin; at < cells.end;) {
    int64_t t = at / n, column = at % n, count = cells.end - at < n - column ? cells.end - at : n - column;
    float* to = y.f32(t) + column;
    std::memset(to, 0, count * 4);
    for (int64_t j = 0; j < k; j++) {
      const float* from = x.f32(t) + j * n + column;
      float weight = weights ? weights->f32(t)[j] : 1.0f;
      for (int64_t i = 0; i < count; i++) to[i] = fma(weight, from[i], to[i]);
    }
    at += count;
  }
}

}  // namespace steelyard::SY_LEVEL
