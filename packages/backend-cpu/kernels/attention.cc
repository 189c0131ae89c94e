// The paged KV cache: writing tokens to their slots, and causal attention over them.
//
// Floor of decode: bytes of K and V over memory bandwidth; the query heads of a group share each read.
// A (token, kv head) is one thread's; it walks positions in blocks that begin at multiples of the page size, with
// online softmax, so its result depends on nothing else in the batch. Dao 2023, arXiv:2307.08691.
#include <cmath>

#include "decode.h"

namespace steelyard::SY_LEVEL {

void op_kvwrite(const Call& call) {
  const Tensor &cache = *call.out[0], &x = *call.in[Kvwrite::x], &slots = *call.in[Kvwrite::slots];
  const int64_t heads = cache.dims[1], page_size = cache.dims[2], dim = cache.dims[3];
  Range mine = split(x.rows(), call.thread, call.threads);
  for (int64_t t = mine.begin; t < mine.end; t++) {
    int64_t slot = slots.i32()[t];
    if (slot < 0) continue;
    for (int64_t h = 0; h < heads; h++) {
      int64_t at = ((slot / page_size * heads + h) * page_size + slot % page_size) * dim;
      const float* from = x.f32(t) + h * dim;
      if (cache.dtype == DType::f16) {
        uint16_t* to = (uint16_t*)cache.data + at;
        for (int64_t i = 0; i < dim; i++) to[i] = float_to_half(from[i]);
      } else {
        std::memcpy((float*)cache.data + at, from, dim * 4);
      }
    }
  }
}

namespace {

struct Job {
  const Tensor *q, *keys, *values, *y;
  const float* sinks;
  const int32_t* table;  // pages of the token's sequence
  Attention attrs;
  int64_t t, kv_head, position;
};

// `rows` rows of `dim` elements of a cache page as float32: in place, or decoded to `buffer`.
const float* page_floats(const Tensor& cache, int64_t page, int64_t head, int64_t first, int64_t rows, float* buffer) {
  const int64_t page_size = cache.dims[2], dim = cache.dims[3];
  int64_t at = ((page * cache.dims[1] + head) * page_size + first) * dim;
  if (cache.dtype == DType::f32) return (const float*)cache.data + at;
  halves_to_floats((const uint16_t*)cache.data + at, buffer, rows * dim);
  return buffer;
}

void axpy(float a, const float* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, fma(splat(a), load(x + i), load(y + i)));
  for (; i < n; i++) y[i] = fma(a, x[i], y[i]);
}

void attend(const Job& job, float* scratch) {
  const Tensor &q = *job.q, &keys = *job.keys, &values = *job.values, &y = *job.y;
  const int64_t page_size = keys.dims[2], dim = keys.dims[3], value_dim = values.dims[3];
  const int64_t group = q.dims[1] / keys.dims[1], first_head = job.kv_head * group;
  float* buffer = scratch;                                   // [page_size, max(dim, value_dim)]
  float* scores = buffer + page_size * (dim > value_dim ? dim : value_dim);  // [group, page_size]
  float* top = scores + group * page_size;                   // [group]
  float* total = top + group;                                // [group]
  for (int64_t g = 0; g < group; g++) {
    top[g] = job.sinks ? job.sinks[first_head + g] : -INFINITY;
    total[g] = job.sinks ? 1.0f : 0.0f;
    std::memset(y.f32(job.t) + (first_head + g) * value_dim, 0, value_dim * 4);
  }
  int64_t begin = 0;
  if (job.attrs.window > 0 && job.position - job.attrs.window + 1 > begin) begin = job.position - job.attrs.window + 1;
  if (job.attrs.chunk > 0 && job.position - job.position % job.attrs.chunk > begin) begin = job.position - job.position % job.attrs.chunk;
  for (int64_t block = begin / page_size * page_size; block <= job.position; block += page_size) {
    int64_t first = begin > block ? begin - block : 0;
    int64_t last = job.position - block < page_size - 1 ? job.position - block : page_size - 1;
    int64_t count = last - first + 1, page = job.table[block / page_size];
    const float* k = page_floats(keys, page, job.kv_head, first, count, buffer);
    for (int64_t g = 0; g < group; g++) {
      const float* query = q.f32(job.t) + (first_head + g) * dim;
      float* s = scores + g * page_size;
      for (int64_t j = 0; j < count; j++) {
        s[j] = dot(query, k + j * dim, dim) * job.attrs.scale;
        if (job.attrs.softcap > 0) s[j] = job.attrs.softcap * std::tanh(s[j] / job.attrs.softcap);
      }
      float high = top[g];
      for (int64_t j = 0; j < count; j++) high = s[j] > high ? s[j] : high;
      float shrink = top[g] == -INFINITY ? 0.0f : std::exp(top[g] - high);
      float sum = 0;
      for (int64_t j = count; j < (count + kLanes - 1) / kLanes * kLanes && j < page_size; j++) s[j] = -INFINITY;
      int64_t j = 0;
      for (; j + kLanes <= page_size && j < count; j += kLanes) store(s + j, exp(load(s + j) - splat(high)));
      for (; j < count; j++) s[j] = std::exp(s[j] - high);
      for (j = 0; j < count; j++) sum += s[j];
      total[g] = total[g] * shrink + sum;
      top[g] = high;
      float* out = y.f32(job.t) + (first_head + g) * value_dim;
      if (shrink != 1.0f)
        for (int64_t i = 0; i < value_dim; i++) out[i] *= shrink;
    }
    const float* v = page_floats(values, page, job.kv_head, first, count, buffer);
    for (int64_t g = 0; g < group; g++)
      for (int64_t j = 0; j < count; j++)
        axpy(scores[g * page_size + j], v + j * value_dim, y.f32(job.t) + (first_head + g) * value_dim, value_dim);
  }
  for (int64_t g = 0; g < group; g++) {
    float* out = y.f32(job.t) + (first_head + g) * value_dim;
    float inverse = 1.0f / total[g];
    for (int64_t i = 0; i < value_dim; i++) out[i] *= inverse;
  }
}

}  // namespace

void op_attention(const Call& call) {
  const Tensor &q = *call.in[Attention::q], &keys = *call.in[Attention::keys], &pages = *call.in[Attention::pages];
  const int32_t* positions = call.in[Attention::positions]->i32();
  const int32_t* sequences = call.in[Attention::sequences]->i32();
  const Tensor* sinks = call.in[Attention::sinks];
  Attention attrs = Attention::read(call.attrs);
  const int64_t kv_heads = keys.dims[1], units = q.rows() * kv_heads;
  // Later tokens see more: interleave units instead of giving each thread a stretch.
  for (int64_t u = call.thread; u < units; u += call.threads) {
    int64_t t = u / kv_heads;
    Job job = {&q, &keys, call.in[Attention::values], call.out[0], sinks ? sinks->f32() : nullptr, pages.i32(sequences[t]), attrs, t, u % kv_heads, positions[t]};
    attend(job, (float*)call.own);
  }
}

size_t scratch_attention_own(int64_t group, int64_t page_size, int64_t dim, int64_t value_dim) {
  return align_up((page_size * (dim > value_dim ? dim : value_dim) + group * page_size + 2 * group + 64) * 4);
}

}  // namespace steelyard::SY_LEVEL
