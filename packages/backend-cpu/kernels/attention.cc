// Attention over the paged KV cache.
//
// Floor of decode: bytes of K and V over memory bandwidth; the query heads of a group share each read. Floor of prefill:
// 4 T S D operations over the rate of multiply-adds. Pages hold keys by column, so that the lanes of a vector are slots
// and no score is summed across lanes.
// A (token, head) takes positions in spans of kSpan: the scores of all its pages, their softmax, the values weighed by it;
// and folds the spans in order. Its result depends on nothing else in the batch, nor on which threads took the spans. Dao
// 2023, arXiv:2307.08691.
#include <algorithm>
#include <cmath>

#include "cache-pages.h"
#include "float-tile.h"

namespace steelyard::SY_LEVEL {

namespace {

// Tokens of one sequence whose queries go through the pages together.
constexpr int kTokenTile = 16;
// Queries that share a load of keys, and of values.
constexpr int kQueryTile = 4;
// Vectors of values that a tile of queries takes at once, as many as registers hold.
constexpr int kTileWide = kLanes == 16 ? 4 : 2;
// Queries whose scores of a span are kept at once.
constexpr int64_t kQueryBlock = 64;
// Positions of a span, in whole pages.
constexpr int64_t kSpan = 256;
// At most so many tokens times key heads take their spans apart.
constexpr int64_t kSpreadUnits = 64;

int64_t round_up(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// A softmax, or a part of one: the largest score, the sum of e^(score - top), and the values summed with those weights.
struct Softmax {
  float top;
  float total;
  float* out;  // [value_dim]
};

// One head of one token, and the positions that it sees.
struct Query {
  const float* q;  // [dim]
  int64_t first, last;
  Softmax span;
};

// tanh by exp, exact to 1e-7 absolute, which is what a score needs.
inline vf capped(vf score, float cap) {
  vf u = score / splat(cap);
  return splat(cap) * (splat(1.0f) - splat(2.0f) / (exp(u + u) + splat(1.0f)));
}

// Lanes outside [low, high] become `otherwise`.
inline vf keep(vf v, int64_t low, int64_t high, float otherwise) {
  if (low <= 0 && high >= kLanes - 1) return v;
  static constexpr auto kLane = []<int... I>(std::integer_sequence<int, I...>) { return vi{I...}; };
  const vi lane = kLane(std::make_integer_sequence<int, kLanes>{});
  const vi kept = (lane >= (int32_t)low) & (lane <= (int32_t)high);
  return kept ? v : splat(otherwise);
}

// scores[m][slot] = q[m] . key of the slot, for two vectors of slots at a time. columns: [dim, slots]; scales, of keys in
// blocks: [dim / 32, slots]. `ahead` is asked for meanwhile, as much as is read.
template <class T, int kM, bool kScaled>
void score_columns(const Query* queries, const T* columns, const float* scales, int64_t dim, int64_t slots, float scale, float* scores, int64_t stride, const char* ahead) {
  for (int64_t slot = 0; slot < slots; slot += 2 * kLanes) {
    const bool two = slot + kLanes < slots;
    vf low[kM] = {}, high[kM] = {};
    auto add = [&](int64_t begin, int64_t end, vf* of_low, vf* of_high) {
      for (int64_t i = begin; i < end; i++) {
        __builtin_prefetch(ahead + (i * slots + slot) * (int64_t)sizeof(T));
        vf a = load_value(columns + i * slots + slot), b = two ? load_value(columns + i * slots + slot + kLanes) : a;
        for (int m = 0; m < kM; m++) {
          vf q = splat(queries[m].q[i]);
          of_low[m] = fma(q, a, of_low[m]);
          of_high[m] = fma(q, b, of_high[m]);
        }
      }
    };
    if constexpr (kScaled) {
      for (int64_t i = 0; i < dim; i += 32) {
        vf of_low[kM] = {}, of_high[kM] = {};
        add(i, i + 32, of_low, of_high);
        const float* of_block = scales + i / 32 * slots + slot;
        const vf a = load(of_block), b = two ? load(of_block + kLanes) : a;
        for (int m = 0; m < kM; m++) {
          low[m] = fma(of_low[m], a, low[m]);
          high[m] = fma(of_high[m], b, high[m]);
        }
      }
    } else {
      add(0, dim, low, high);
    }
    for (int m = 0; m < kM; m++) {
      store(scores + m * stride + slot, low[m] * splat(scale));
      if (two) store(scores + m * stride + slot + kLanes, high[m] * splat(scale));
    }
  }
}

// Weights of a page's slots: `query` from one query to the next, and, for values in blocks, `block` from one to the next.
struct SlotWeights {
  const float* first;
  int64_t query, block;
  const float* of(int64_t m, int64_t column) const { return first + m * query + column / 32 * block; }
};

// out[m] += sum over slots [first, last] of weights[m][slot] * values[slot], columns [i, i + kWide vectors).
template <class T, int kM, int kWide, bool kScaled>
void add_value_columns(const SlotWeights& weights, const T* values, Range slots, int64_t dim, int64_t i, const Query* queries, const char* ahead) {
  constexpr int kBlocks = kScaled && kWide * kLanes > 32 ? kWide * kLanes / 32 : 1;
  vf acc[kM][kWide];
  const float* w[kM][kBlocks];
  for (int m = 0; m < kM; m++) {
    for (int c = 0; c < kWide; c++) acc[m][c] = load(queries[m].span.out + i + c * kLanes);
    for (int b = 0; b < kBlocks; b++) w[m][b] = weights.of(m, i + 32 * b);
  }
  for (int64_t j = slots.begin; j < slots.end; j++) {
    vf v[kWide];
    for (int64_t c = 0; c < kWide * kLanes * (int64_t)sizeof(T); c += 64) __builtin_prefetch(ahead + (j * dim + i) * (int64_t)sizeof(T) + c);
    for (int c = 0; c < kWide; c++) v[c] = load_value(values + j * dim + i + c * kLanes);
    for (int m = 0; m < kM; m++)
      for (int b = 0; b < kBlocks; b++) {
        const vf weight = splat(w[m][b][j]);
        for (int c = b * kWide / kBlocks; c < (b + 1) * kWide / kBlocks; c++) acc[m][c] = fma(weight, v[c], acc[m][c]);
      }
  }
  for (int m = 0; m < kM; m++)
    for (int c = 0; c < kWide; c++) store(queries[m].span.out + i + c * kLanes, acc[m][c]);
}

inline float value_of(const float* p) { return *p; }
inline float value_of(const uint16_t* p) { return half_to_float(*p); }
inline float value_of(const int8_t* p) { return (float)*p; }

template <class T, int kM, bool kScaled>
void add_values(const SlotWeights& weights, const T* values, Range slots, int64_t dim, const Query* queries, const char* ahead) {
  // One query alone takes more vectors, so that its chains of multiply-adds do not wait for themselves.
  constexpr int kWide = kM == 1 ? 2 * kTileWide : kTileWide;
  int64_t i = 0;
  for (; i + kWide * kLanes <= dim; i += kWide * kLanes) add_value_columns<T, kM, kWide, kScaled>(weights, values, slots, dim, i, queries, ahead);
  for (; i + kWide / 2 * kLanes <= dim; i += kWide / 2 * kLanes) add_value_columns<T, kM, kWide / 2, kScaled>(weights, values, slots, dim, i, queries, ahead);
  for (; i + kLanes <= dim; i += kLanes) add_value_columns<T, kM, 1, kScaled>(weights, values, slots, dim, i, queries, ahead);
  for (; i < dim; i++)
    for (int m = 0; m < kM; m++) {
      float acc = queries[m].span.out[i];
      for (int64_t j = slots.begin; j < slots.end; j++) acc = fma(weights.of(m, i)[j], value_of(values + j * dim + i), acc);
      queries[m].span.out[i] = acc;
    }
}

// Tokens [t, t + tokens) of one sequence, whose last token of this step is at position `end`; query heads of one key head.
struct HeadJob {
  const Call& call;
  Attention attrs;
  int64_t t, tokens, end, kv_head;
};

struct Sizes {
  int64_t group, page_size, dim, value_dim;
  int64_t slots() const { return round_up(page_size); }
  // Positions of a span: whole pages.
  int64_t span_pages() const { return page_size >= kSpan ? 1 : kSpan / page_size; }
  int64_t span() const { return span_pages() * page_size; }
  // Scores of a query's span: a page's slots after another's.
  int64_t span_slots() const { return span_pages() * slots(); }
};

Sizes sizes_of(const Operands& o) {
  const Tensor &q = *o.in[Attention::q], &keys = *o.in[Attention::keys], &values = *o.in[Attention::values];
  return {q.dims[1] / keys.dims[1], keys.dims[2], keys.dims[3], values.dims[3]};
}

struct Scratch {
  float *keys, *values, *scores, *out;
  // Of a page in blocks: its scales, and the weights of slots times them.
  float *scales, *scaled;
  Query* queries;
  Softmax* whole;

  Scratch(char* memory, const Sizes& s, size_t* bytes = nullptr) {
    size_t at = 0;
    auto take = [&](size_t size) {
      char* p = memory ? memory + at : nullptr;
      at += align_up(size);
      return p;
    };
    keys = (float*)take(s.dim * s.slots() * 4);
    values = (float*)take(s.page_size * s.value_dim * 4);
    scores = (float*)take(std::min(kTokenTile * s.group, kQueryBlock) * s.span_slots() * 4);
    scales = (float*)take(std::max(s.dim, s.value_dim) / 32 * s.slots() * 4);
    scaled = (float*)take(s.value_dim / 32 * std::min(kTokenTile * s.group, kQueryBlock) * s.slots() * 4);
    out = (float*)take(kTokenTile * s.group * s.value_dim * 4);
    queries = (Query*)take(kTokenTile * s.group * sizeof(Query));
    whole = (Softmax*)take(kTokenTile * s.group * sizeof(Softmax));
    if (bytes) *bytes = at;
  }
};

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

// The slots of a page from position `base` on that a query sees.
Range visible(const Query& query, int64_t base, const Sizes& sizes) {
  return {std::max<int64_t>(query.first - base, 0), std::min(query.last - base + 1, sizes.page_size)};
}

// Calls visit(std::integral_constant) with how many queries a tile has.
template <class Visit>
void with_tile(int64_t count, Visit visit) {
  static_assert(kQueryTile == 4);
  if (count >= 4) visit(std::integral_constant<int, 4>{});
  else if (count == 3) visit(std::integral_constant<int, 3>{});
  else if (count == 2) visit(std::integral_constant<int, 2>{});
  else visit(std::integral_constant<int, 1>{});
}

template <class K, bool kScaled>
void score_page(const Query* queries, int64_t count, const K* keys, const float* scales, const Sizes& sizes, float scale, float* scores, const char* ahead) {
  const int64_t stride = sizes.span_slots();
  for (int64_t at = 0; at < count; at += kQueryTile)
    with_tile(count - at, [&](auto m) { score_columns<K, m.value, kScaled>(queries + at, keys, scales, sizes.dim, sizes.slots(), scale, scores + at * stride, stride, ahead); });
}

template <class V, bool kScaled>
void weigh_page(const Query* queries, int64_t count, const V* values, const Sizes& sizes, int64_t base, const SlotWeights& weights, const char* ahead) {
  for (int64_t at = 0; at < count; at += kQueryTile) {
    const int64_t m = std::min<int64_t>(kQueryTile, count - at);
    const Range slots = visible(queries[at], base, sizes);
    bool alike = true;
    for (int64_t i = 1; i < m; i++) alike = alike && visible(queries[at + i], base, sizes).begin == slots.begin && visible(queries[at + i], base, sizes).end == slots.end;
    auto from = [&](int64_t query) { return SlotWeights{weights.of(query, 0), weights.query, weights.block}; };
    if (alike && slots.begin < slots.end) with_tile(m, [&](auto n) { add_values<V, n.value, kScaled>(from(at), values, slots, sizes.value_dim, queries + at, ahead); });
    for (int64_t i = at; !alike && i < at + m; i++) {
      const Range own = visible(queries[i], base, sizes);
      if (own.begin < own.end) add_values<V, 1, kScaled>(from(i), values, own, sizes.value_dim, queries + i, ahead);
    }
  }
}

// weights[query][slot] times a page's scales[block][slot], as scaled[query][block][slot].
SlotWeights scale_weights(const SlotWeights& weights, int64_t count, const float* scales, const Sizes& sizes, float* scaled) {
  const int64_t blocks = sizes.value_dim / 32, slots = sizes.slots();
  for (int64_t m = 0; m < count; m++)
    for (int64_t b = 0; b < blocks; b++)
      for (int64_t j = 0; j < slots; j += kLanes) store(scaled + (m * blocks + b) * slots + j, load(weights.of(m, 0) + j) * load(scales + b * slots + j));
  return {scaled, blocks * slots, slots};
}

// Turns the scores of so many pages from position `begin` on into weights of the query's softmax.
void soften(Query& query, const Attention& attrs, const Sizes& sizes, int64_t begin, int64_t pages, float* scores) {
  auto each = [&](auto visit) {
    for (int64_t page = 0; page < pages; page++) {
      const Range seen = visible(query, begin + page * sizes.page_size, sizes);
      float* of_page = scores + page * sizes.slots();
      for (int64_t j = seen.begin / kLanes * kLanes; j < seen.end; j += kLanes) visit(of_page + j, seen.begin - j, seen.end - 1 - j);
    }
  };
  vf high = splat(-INFINITY);
  each([&](float* at, int64_t low, int64_t last) {
    vf s = load(at);
    if (attrs.softcap > 0) s = capped(s, attrs.softcap);
    s = keep(s, low, last, -INFINITY);
    store(at, s);
    high = max(s, high);
  });
  const float top = max_of(high);
  vf total = {};
  each([&](float* at, int64_t low, int64_t last) {
    // What is nothing beside the largest, 1, becomes zero: its products would be subnormal numbers, which take some
    // processors a hundred times as long.
    const vf e = exp(load(at) - splat(top)), p = keep(e > 1e-25f ? e : vf{}, low, last, 0.0f);
    store(at, p);
    total = total + p;
  });
  query.span.top = top;
  query.span.total = sum(total);
}

// Positions [begin, end] of one span, from a page's first on, for queries of one block. Pages are read in place, or as
// floats in scratch memory when many queries share them or vectors need padding. The scales of blocks meet sums of keys,
// and the weights of values.
template <class K, class V>
void attend_pages(const HeadJob& job, const Scratch& s, const Sizes& sizes, Query* queries, int64_t count, int64_t begin, int64_t end) {
  const Tensor &keys = *job.call.in[Attention::keys], &values = *job.call.in[Attention::values];
  const int32_t* table = job.call.in[Attention::pages]->i32(job.call.in[Attention::sequences]->i32()[job.t]);
  const int64_t key_bytes = page_bytes<K>(sizes.page_size * sizes.dim), value_bytes = page_bytes<V>(sizes.page_size * sizes.value_dim);
  const bool in_place = count <= kQueryTile && sizes.slots() == sizes.page_size;
  auto page = [&](const Tensor& cache, int64_t base, int64_t bytes) { return cache.data + ((int64_t)table[base / sizes.page_size] * keys.dims[1] + job.kv_head) * bytes; };
  // What is read after a page of the cache; floats in scratch memory ask for no more than themselves.
  auto after = [&](const Tensor& cache, int64_t base, int64_t bytes, const char* last) -> const char* { return base + sizes.page_size <= end ? page(cache, base + sizes.page_size, bytes) : last; };
  for (int64_t base = begin; base <= end; base += sizes.page_size) {
    const K* k = (const K*)page(keys, base, key_bytes);
    float* scores = s.scores + (base - begin) / sizes.page_size * sizes.slots();
    if constexpr (kInBlocks<K>) load_scales(k, sizes.page_size, sizes.dim, s.scales, sizes.slots());
    if (in_place) {
      score_page<K, kInBlocks<K>>(queries, count, k, s.scales, sizes, job.attrs.scale, scores, after(keys, base, key_bytes, page(values, begin, value_bytes)));
      continue;
    }
    for (int64_t i = 0; i < sizes.dim; i++) load_floats(k + i * sizes.page_size, s.keys + i * sizes.slots(), sizes.page_size);
    score_page<float, kInBlocks<K>>(queries, count, s.keys, s.scales, sizes, job.attrs.scale, scores, (const char*)s.keys);
  }
  for (int64_t i = 0; i < count; i++) soften(queries[i], job.attrs, sizes, begin, (end - begin) / sizes.page_size + 1, s.scores + i * sizes.span_slots());
  for (int64_t base = begin; base <= end; base += sizes.page_size) {
    const V* v = (const V*)page(values, base, value_bytes);
    SlotWeights weights = {s.scores + (base - begin) / sizes.page_size * sizes.slots(), sizes.span_slots(), 0};
    if constexpr (kInBlocks<V>) {
      load_scales(v, sizes.page_size, sizes.value_dim, s.scales, sizes.slots());
      weights = scale_weights(weights, count, s.scales, sizes, s.scaled);
    }
    if (in_place) {
      weigh_page<V, kInBlocks<V>>(queries, count, v, sizes, base, weights, after(values, base, value_bytes, (const char*)v));
      continue;
    }
    load_floats(v, s.values, sizes.page_size * sizes.value_dim);
    weigh_page<float, kInBlocks<V>>(queries, count, s.values, sizes, base, weights, (const char*)s.values);
  }
}

// Positions [begin, end], which lie in one span, into the queries' spans.
void attend_span(const HeadJob& job, const Scratch& s, const Sizes& sizes, int64_t count, int64_t begin, int64_t end) {
  begin = begin / sizes.page_size * sizes.page_size;
  for (int64_t at = 0; at < count; at += kQueryBlock) {
    const int64_t n = std::min(kQueryBlock, count - at);
    Query* queries = s.queries + at;
    for (int64_t i = 0; i < n; i++) std::memset(queries[i].span.out, 0, sizes.value_dim * 4);
    with_cache_type(job.call.in[Attention::keys]->dtype, [&](auto k) {
      with_cache_type(job.call.in[Attention::values]->dtype, [&](auto v) { attend_pages<decltype(k), decltype(v)>(job, s, sizes, queries, n, begin, end); });
    });
  }
}

// The whole of a softmax so far, and a span after it.
void fold(Softmax& whole, const Softmax& span, int64_t value_dim) {
  if (span.total == 0) return;
  const float top = span.top > whole.top ? span.top : whole.top;
  const float a = exp(splat(whole.top - top))[0], b = exp(splat(span.top - top))[0];
  whole.total = whole.total * a + span.total * b;
  whole.top = top;
  for (int64_t i = 0; i < value_dim; i++) whole.out[i] = fma(span.out[i], b, whole.out[i] * a);
}

Softmax begin_whole(const Call& call, int64_t head, float* out, int64_t value_dim) {
  const Tensor* sinks = call.in[Attention::sinks];
  std::memset(out, 0, value_dim * 4);
  return {sinks ? sinks->f32()[head] : -INFINITY, sinks ? 1.0f : 0.0f, out};
}

void finish(const Softmax& whole, int64_t value_dim) {
  const float inverse = 1.0f / whole.total;
  for (int64_t i = 0; i < value_dim; i++) whole.out[i] *= inverse;
}

// The job's queries; returns the first and last position that any of them sees.
Range begin_queries(const HeadJob& job, const Scratch& s, const Sizes& sizes) {
  const Tensor& q = *job.call.in[Attention::q];
  const int32_t* positions = job.call.in[Attention::positions]->i32();
  Range seen = {INT64_MAX, -1};
  for (int64_t i = 0; i < job.tokens * sizes.group; i++) {
    const int64_t t = job.t + i / sizes.group, head = job.kv_head * sizes.group + i % sizes.group;
    const int64_t first = first_visible(positions[t], job.attrs), last = last_visible(positions[t], job.end, job.attrs);
    s.queries[i] = {q.f32(t) + head * sizes.dim, first, last, {0, 0, s.out + i * sizes.value_dim}};
    seen = {std::min(seen.begin, first), std::max(seen.end, last)};
  }
  return seen;
}

// Where the result of query i of a job goes.
float* result_of(const HeadJob& job, const Sizes& sizes, int64_t i) {
  return job.call.out[0]->f32(job.t + i / sizes.group) + (job.kv_head * sizes.group + i % sizes.group) * sizes.value_dim;
}

// All spans of a job, one after the other.
void attend(const HeadJob& job, const Sizes& sizes) {
  Scratch s(job.call.own, sizes);
  const int64_t count = job.tokens * sizes.group, length = sizes.span();
  const Range seen = begin_queries(job, s, sizes);
  for (int64_t i = 0; i < count; i++) s.whole[i] = begin_whole(job.call, job.kv_head * sizes.group + i % sizes.group, result_of(job, sizes, i), sizes.value_dim);
  for (int64_t at = seen.begin / length * length; at <= seen.end; at += length) {
    attend_span(job, s, sizes, count, std::max(at, seen.begin), std::min(at + length - 1, seen.end));
    for (int64_t i = 0; i < count; i++) fold(s.whole[i], s.queries[i].span, sizes.value_dim);
  }
  for (int64_t i = 0; i < count; i++) finish(s.whole[i], sizes.value_dim);
}

// A step of few tokens takes the spans of one (token, key head) apart, on any thread each, and folds them in a second phase.
struct Spread {
  int64_t tokens, kv_heads, spans, group, value_dim;

  static bool suits(int64_t tokens, int64_t kv_heads) { return tokens * kv_heads <= kSpreadUnits; }
  Spread(const Operands& o, int64_t most_tokens)
      : tokens(std::min(o.in[Attention::q]->dims[0], most_tokens)), kv_heads(o.in[Attention::keys]->dims[1]), group(sizes_of(o).group), value_dim(sizes_of(o).value_dim) {
    const int64_t positions = o.in[Attention::pages]->dims[1] * sizes_of(o).page_size, length = sizes_of(o).span();
    spans = (positions + length - 1) / length;
  }
  int64_t units() const { return tokens * kv_heads; }
  // Floats of one query's span: top, total, sums.
  int64_t stride() const { return 2 + value_dim; }
  float* partial(char* shared, int64_t unit, int64_t span, int64_t g) const { return (float*)shared + ((unit * spans + span) * group + g) * stride(); }
  size_t bytes() const { return units() * spans * group * stride() * 4; }
};

HeadJob unit_job(const Call& call, const Attention& attrs, const Spread& spread, int64_t unit, const int32_t* positions) {
  const int64_t t = unit / spread.kv_heads;
  const int32_t* sequences = call.in[Attention::sequences]->i32();
  int64_t end = t;
  while (end + 1 < spread.tokens && sequences[end + 1] == sequences[t]) end++;
  return {call, attrs, t, 1, positions[end], unit % spread.kv_heads};
}

void attend_spread(const Call& call, const Attention& attrs, const Sizes& sizes) {
  const Spread spread(operands_of(call), INT64_MAX);
  const int32_t* positions = call.in[Attention::positions]->i32();
  const int64_t length = sizes.span();
  const bool folds = call.phase == 1;
  Range mine = share(call, folds ? spread.units() : spread.units() * spread.spans);
  Scratch s(call.own, sizes);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t unit = folds ? i : i / spread.spans;
    const HeadJob job = unit_job(call, attrs, spread, unit, positions);
    const Range seen = begin_queries(job, s, sizes);
    const int64_t first = seen.begin / length, last = seen.end / length;
    if (!folds) {
      const int64_t span = i % spread.spans;
      if (span < first || span > last) continue;
      for (int64_t g = 0; g < sizes.group; g++) s.queries[g].span.out = spread.partial(call.shared, unit, span, g) + 2;
      attend_span(job, s, sizes, sizes.group, std::max(span * length, seen.begin), std::min((span + 1) * length - 1, seen.end));
      for (int64_t g = 0; g < sizes.group; g++) {
        float* to = spread.partial(call.shared, unit, span, g);
        to[0] = s.queries[g].span.top;
        to[1] = s.queries[g].span.total;
      }
      continue;
    }
    for (int64_t g = 0; g < sizes.group; g++) {
      Softmax whole = begin_whole(call, job.kv_head * sizes.group + g, result_of(job, sizes, g), sizes.value_dim);
      for (int64_t span = first; span <= last; span++) {
        float* from = spread.partial(call.shared, unit, span, g);
        fold(whole, {from[0], from[1], from + 2}, sizes.value_dim);
      }
      finish(whole, sizes.value_dim);
    }
  }
}

// Tokens from t on that are of t's sequence, up to a tile.
int64_t tile_length(const int32_t* sequences, int64_t t, int64_t tokens) {
  int64_t length = 1;
  while (length < kTokenTile && t + length < tokens && sequences[t + length] == sequences[t]) length++;
  return length;
}

}  // namespace

int chunks_attention(const Operands& o, int phase, int threads) {
  const int64_t tokens = o.in[Attention::q]->dims[0], kv_heads = o.in[Attention::keys]->dims[1];
  const bool spreads = Spread::suits(tokens, kv_heads);
  if (phase > (spreads ? 1 : 0)) return 0;
  if (threads == 1) return 1;
  const Spread spread(o, INT64_MAX);
  if (spreads && phase == 1) return chunks_of(spread.bytes() / 4, kSerialElements, spread.units(), threads);
  if (spreads) return (int)std::min<int64_t>(spread.units() * spread.spans, 32 * threads);
  return (int)std::min<int64_t>(spread.units(), 16 * threads);
}

void op_attention(const Call& call) {
  const int64_t tokens = call.in[Attention::q]->dims[0], kv_heads = call.in[Attention::keys]->dims[1];
  const int32_t *sequences = call.in[Attention::sequences]->i32(), *positions = call.in[Attention::positions]->i32();
  const Attention attrs = Attention::read(call.attrs);
  const Sizes sizes = sizes_of(operands_of(call));
  if (Spread::suits(tokens, kv_heads)) return attend_spread(call, attrs, sizes);
  int64_t unit = 0, sequence_end = 0;
  // Later tokens see more: units are dealt out in turn instead of in stretches.
  for (int64_t t = 0, length; t < tokens; t += length) {
    length = tile_length(sequences, t, tokens);
    if (t >= sequence_end)
      for (sequence_end = t + 1; sequence_end < tokens && sequences[sequence_end] == sequences[t];) sequence_end++;
    for (int64_t head = 0; head < kv_heads; head++)
      if (unit++ % call.chunks == call.chunk) attend({call, attrs, t, length, positions[sequence_end - 1], head}, sizes);
  }
}

ScratchSize scratch_attention(const Operands& o) {
  ScratchSize size;
  Scratch(nullptr, sizes_of(o), &size.own);
  // Fewer tokens than at the limits may spread.
  const int64_t most = kSpreadUnits / o.in[Attention::keys]->dims[1];
  if (most > 0) size.shared = Spread(o, most).bytes();
  return size;
}

}  // namespace steelyard::SY_LEVEL
