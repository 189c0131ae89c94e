// The paged KV cache: writing tokens to their slots, and attention over them.
//
// Floor of decode: bytes of K and V over memory bandwidth; the query heads of a group share each read, and so do
// neighbouring tokens of a sequence in a prefill.
// A (token, head) walks positions in blocks that begin at multiples of the page size, with online softmax, so its
// result depends on nothing else in the batch. Dao 2023, arXiv:2307.08691.
#include <algorithm>
#include <cmath>

#include "decode.h"
#include "dots.h"

namespace steelyard::SY_LEVEL {

void op_kvwrite(const Call& call) {
  const Tensor &cache = *call.out[0], &x = *call.in[Kvwrite::x], &slots = *call.in[Kvwrite::slots];
  const int64_t heads = cache.dims[1], page_size = cache.dims[2], dim = cache.dims[3];
  Range mine = share(call, x.rows());
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

// Tokens of one sequence that share the decoding of its pages.
constexpr int kTokenTile = 8;

int64_t round_up(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// One head of one token on its way through the pages.
struct Query {
  const float* q;  // [round_up(dim)]
  float* out;      // [value_dim]
  float top;
  float total;
};

struct Page {
  const float* k;  // [page_size, k_stride]
  const float* v;  // [page_size, value_dim]
  int64_t k_stride;
};

// Rows [first, end) of a cache page as float32, `stride` apart: in place, or decoded to `buffer` at the same rows.
const float* page_floats(const Tensor& cache, int64_t page, int64_t head, int64_t first, int64_t end, int64_t stride, float* buffer) {
  const int64_t page_size = cache.dims[2], dim = cache.dims[3];
  const int64_t at = (page * cache.dims[1] + head) * page_size * dim;
  if (cache.dtype == DType::f32 && stride == dim) return (const float*)cache.data + at;
  for (int64_t row = first; row < end; row++) {
    float* to = buffer + row * stride;
    if (cache.dtype == DType::f32) std::memcpy(to, (const float*)cache.data + at + row * dim, dim * 4);
    else halves_to_floats((const uint16_t*)cache.data + at + row * dim, to, dim);
    for (int64_t i = dim; i < stride; i++) to[i] = 0;
  }
  return buffer;
}

// tanh by exp, exact to 1e-7 absolute, which is what a score needs.
inline vf capped(vf score, float cap) {
  vf u = score / splat(cap);
  return splat(cap) * (splat(1.0f) - splat(2.0f) / (exp(u + u) + splat(1.0f)));
}

// Lanes from `count` on become `otherwise`.
inline vf keep(vf v, int64_t count, float otherwise) {
  if (count >= kLanes) return v;
  float s[kLanes];
  store(s, v);
  for (int64_t i = count; i < kLanes; i++) s[i] = otherwise;
  return load(s);
}

// out = out * shrink + sum over j of weights[j] * v[j]
void add_values(const float* weights, const float* v, int64_t count, int64_t n, float shrink, float* out) {
  constexpr int kWide = 4;
  int64_t i = 0;
  for (; i + kWide * kLanes <= n; i += kWide * kLanes) {
    vf acc[kWide];
    for (int c = 0; c < kWide; c++) acc[c] = load(out + i + c * kLanes) * splat(shrink);
    for (int64_t j = 0; j < count; j++) {
      vf w = splat(weights[j]);
      for (int c = 0; c < kWide; c++) acc[c] = fma(w, load(v + j * n + i + c * kLanes), acc[c]);
    }
    for (int c = 0; c < kWide; c++) store(out + i + c * kLanes, acc[c]);
  }
  for (; i + kLanes <= n; i += kLanes) {
    vf acc = load(out + i) * splat(shrink);
    for (int64_t j = 0; j < count; j++) acc = fma(splat(weights[j]), load(v + j * n + i), acc);
    store(out + i, acc);
  }
  for (; i < n; i++) {
    float acc = out[i] * shrink;
    for (int64_t j = 0; j < count; j++) acc = fma(weights[j], v[j * n + i], acc);
    out[i] = acc;
  }
}

// Takes `count` keys of a page from row `first` on into the query's softmax. scores: [round_up(page_size)].
void attend_page(Query& query, const Page& page, int64_t first, int64_t count, int64_t value_dim, const Attention& attrs, float* scores) {
  vf high = splat(query.top);
  for (int64_t j = 0; j < count; j += kLanes) {
    vf s = dots(query.q, page.k + (first + j) * page.k_stride, page.k_stride, page.k_stride, count - j) * splat(attrs.scale);
    if (attrs.softcap > 0) s = capped(s, attrs.softcap);
    s = keep(s, count - j, -INFINITY);
    store(scores + j, s);
    high = max(s, high);
  }
  float top = max_of(high);
  vf total = {};
  for (int64_t j = 0; j < count; j += kLanes) {
    vf p = keep(exp(load(scores + j) - splat(top)), count - j, 0.0f);
    store(scores + j, p);
    total = total + p;
  }
  // Before the first key there is nothing to shrink: the factor is then tiny, of zero.
  float shrink = exp(splat(query.top - top))[0];
  query.total = query.total * shrink + sum(total);
  query.top = top;
  add_values(scores, page.v + first * value_dim, count, value_dim, shrink, query.out);
}

// First position that a token may see.
int64_t first_visible(int64_t position, const Attention& attrs) {
  int64_t begin = 0;
  if (attrs.window > 0 && position - attrs.window + 1 > begin) begin = position - attrs.window + 1;
  if (attrs.chunk > 0 && position - position % attrs.chunk > begin) begin = position - position % attrs.chunk;
  return begin;
}

// Last position that a token may see, of those up to the last of its sequence.
int64_t last_visible(int64_t position, int64_t end, const Attention& attrs) {
  if (attrs.causal) return position;
  if (attrs.window > 0 && position + attrs.window - 1 < end) end = position + attrs.window - 1;
  if (attrs.chunk > 0 && position - position % attrs.chunk + attrs.chunk - 1 < end) end = position - position % attrs.chunk + attrs.chunk - 1;
  return end;
}

// Tokens [t, t + tokens) of one sequence, whose last token of this step is at position `end`; query heads [head, head + heads) of one kv head.
struct HeadJob {
  const Call& call;
  Attention attrs;
  int64_t t, tokens, end, head, heads, kv_head;
};

struct Scratch {
  float *keys, *values, *scores, *queries;
  Query* state;
};

Scratch place(char* memory, int64_t group, int64_t page_size, int64_t dim, int64_t value_dim, size_t* bytes) {
  size_t at = 0;
  auto take = [&](size_t size) {
    char* p = memory ? memory + at : nullptr;
    at += align_up(size);
    return p;
  };
  Scratch s;
  s.keys = (float*)take(page_size * round_up(dim) * 4);
  s.values = (float*)take(page_size * value_dim * 4);
  s.scores = (float*)take(round_up(page_size) * 4);
  s.queries = (float*)take(kTokenTile * group * round_up(dim) * 4);
  s.state = (Query*)take(kTokenTile * group * sizeof(Query));
  if (bytes) *bytes = at;
  return s;
}

// Queries of the job with rows padded to whole vectors, nothing seen yet.
void begin(const HeadJob& job, const Scratch& s) {
  const Tensor &q = *job.call.in[Attention::q], &y = *job.call.out[0];
  const Tensor* sinks = job.call.in[Attention::sinks];
  const int64_t dim = q.dims[2], padded = round_up(dim), value_dim = y.dims[2];
  for (int64_t i = 0; i < job.tokens * job.heads; i++) {
    int64_t t = job.t + i / job.heads, head = job.head + i % job.heads;
    const float* from = q.f32(t) + head * dim;
    if (padded != dim) {
      float* to = s.queries + i * padded;
      std::memcpy(to, from, dim * 4);
      for (int64_t j = dim; j < padded; j++) to[j] = 0;
      from = to;
    }
    float* out = y.f32(t) + head * value_dim;
    std::memset(out, 0, value_dim * 4);
    s.state[i] = {from, out, sinks ? sinks->f32()[head] : -INFINITY, sinks ? 1.0f : 0.0f};
  }
}

void attend(const HeadJob& job) {
  const Tensor &keys = *job.call.in[Attention::keys], &values = *job.call.in[Attention::values];
  const int32_t* positions = job.call.in[Attention::positions]->i32() + job.t;
  const int32_t* table = job.call.in[Attention::pages]->i32(job.call.in[Attention::sequences]->i32()[job.t]);
  const int64_t page_size = keys.dims[2], dim = keys.dims[3], value_dim = values.dims[3];
  Scratch s = place(job.call.own, job.heads, page_size, dim, value_dim, nullptr);
  begin(job, s);
  int64_t lowest = first_visible(positions[0], job.attrs), highest = last_visible(positions[0], job.end, job.attrs);
  for (int64_t i = 1; i < job.tokens; i++) {
    int64_t low = first_visible(positions[i], job.attrs);
    lowest = low < lowest ? low : lowest;
    int64_t high = last_visible(positions[i], job.end, job.attrs);
    highest = high > highest ? high : highest;
  }
  for (int64_t block = lowest / page_size * page_size; block <= highest; block += page_size) {
    int64_t first = lowest > block ? lowest - block : 0, end = highest - block < page_size - 1 ? highest - block + 1 : page_size;
    int64_t number = table[block / page_size];
    Page page;
    page.k_stride = round_up(dim);
    page.k = page_floats(keys, number, job.kv_head, first, end, page.k_stride, s.keys);
    page.v = page_floats(values, number, job.kv_head, first, end, value_dim, s.values);
    for (int64_t i = 0; i < job.tokens; i++) {
      int64_t low = first_visible(positions[i], job.attrs) - block, last = last_visible(positions[i], job.end, job.attrs) - block;
      if (low < 0) low = 0;
      if (last > page_size - 1) last = page_size - 1;
      if (low > last) continue;
      for (int64_t g = 0; g < job.heads; g++) attend_page(s.state[i * job.heads + g], page, low, last - low + 1, value_dim, job.attrs, s.scores);
    }
  }
  for (int64_t i = 0; i < job.tokens * job.heads; i++) {
    float inverse = 1.0f / s.state[i].total;
    for (int64_t j = 0; j < value_dim; j++) s.state[i].out[j] *= inverse;
  }
}

// Tokens from t on that are of t's sequence, up to a tile.
int64_t tile_length(const int32_t* sequences, int64_t t, int64_t tokens) {
  int64_t length = 1;
  while (length < kTokenTile && t + length < tokens && sequences[t + length] == sequences[t]) length++;
  return length;
}

}  // namespace

// Units of work are tiles of tokens by query heads that share a read of the cache. A few tokens give few units: then heads
// of a group go apart, a chunk each, and each reads the cache for itself.
int chunks_attention(const Operands& o, int threads) {
  const int64_t tokens = o.in[Attention::q]->dims[0], heads = o.in[Attention::q]->dims[1], kv_heads = o.in[Attention::keys]->dims[1];
  if (threads == 1) return 1;
  return (int)(tokens * kv_heads < 2 * threads ? tokens * heads : std::min<int64_t>(tokens * kv_heads, 16 * threads));
}

void op_attention(const Call& call) {
  const int64_t tokens = call.in[Attention::q]->dims[0], heads = call.in[Attention::q]->dims[1], kv_heads = call.in[Attention::keys]->dims[1];
  const int32_t *sequences = call.in[Attention::sequences]->i32(), *positions = call.in[Attention::positions]->i32();
  Attention attrs = Attention::read(call.attrs);
  const int64_t group = heads / kv_heads, share = call.chunks == tokens * heads ? 1 : group;
  int64_t unit = 0, sequence_end = 0;
  // Later tokens see more: units are dealt out in turn instead of in stretches.
  for (int64_t t = 0, length; t < tokens; t += length) {
    length = tile_length(sequences, t, tokens);
    if (t >= sequence_end)
      for (sequence_end = t + 1; sequence_end < tokens && sequences[sequence_end] == sequences[t];) sequence_end++;
    for (int64_t head = 0; head < heads; head += share)
      if (unit++ % call.chunks == call.chunk) attend({call, attrs, t, length, positions[sequence_end - 1], head, share, head / group});
  }
}

size_t scratch_attention_own(int64_t group, int64_t page_size, int64_t dim, int64_t value_dim) {
  size_t bytes;
  place(nullptr, group, page_size, dim, value_dim, &bytes);
  return bytes;
}

}  // namespace steelyard::SY_LEVEL
