// The paged KV cache: writing tokens to their slots, and attention over them.
//
// Floor of decode: bytes of K and V over memory bandwidth; the query heads of a group share each read. Floor of prefill:
// 4 T S D operations over the rate of multiply-adds. Pages hold keys by column, so that the lanes of a vector are slots
// and no score is summed across lanes.
// A (token, head) takes positions in spans of kSpan: the scores of all its pages, their softmax, the values weighed by it;
// and folds the spans in order. Its result depends on nothing else in the batch, nor on which threads took the spans. Dao
// 2023, arXiv:2307.08691.
#include <algorithm>
#include <cmath>

#include "decode.h"
#include "float-tile.h"

namespace steelyard::SY_LEVEL {

namespace {

// Values encoded at once.
constexpr int64_t kEncoded = 64;

inline void encode(const float* from, float* to, int64_t n) { std::memcpy(to, from, n * 4); }
inline void encode(const float* from, uint16_t* to, int64_t n) { floats_to_halves(from, to, n); }

// T: what the cache holds. Values become that a vector at a time, and keys by column go where their slots are.
template <class T>
void write_slots(const Call& call) {
  const Tensor &cache = *call.out[0], &x = *call.in[Kvwrite::x], &slots = *call.in[Kvwrite::slots];
  const int64_t heads = cache.dims[1], page_size = cache.dims[2], dim = cache.dims[3];
  const bool by_column = Kvwrite::read(call.attrs).byColumn;
  Range mine = share(call, x.rows());
  for (int64_t t = mine.begin; t < mine.end; t++) {
    const int64_t slot = slots.i32()[t];
    if (slot < 0) continue;
    for (int64_t h = 0; h < heads; h++) {
      const int64_t within = slot % page_size;
      T* page = (T*)cache.data + (slot / page_size * heads + h) * page_size * dim;
      const float* from = x.f32(t) + h * dim;
      if (!by_column) {
        encode(from, page + within * dim, dim);
        continue;
      }
      T values[kEncoded];
      for (int64_t i = 0; i < dim; i += kEncoded) {
        const int64_t n = std::min(kEncoded, dim - i);
        encode(from + i, values, n);
        for (int64_t j = 0; j < n; j++) page[(i + j) * page_size + within] = values[j];
      }
    }
  }
}

}  // namespace

void op_kvwrite(const Call& call) {
  if (call.out[0]->dtype == DType::f16) write_slots<uint16_t>(call);
  else write_slots<float>(call);
}

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

// scores[m][slot] = q[m] . key of the slot, for two vectors of slots at a time. columns: [dim, slots].
template <class T, int kM>
void score_columns(const Query* queries, const T* columns, int64_t dim, int64_t slots, float scale, float* scores, int64_t stride) {
  for (int64_t slot = 0; slot < slots; slot += 2 * kLanes) {
    const bool two = slot + kLanes < slots;
    vf low[kM] = {}, high[kM] = {};
    for (int64_t i = 0; i < dim; i++) {
      vf a = load_value(columns + i * slots + slot), b = two ? load_value(columns + i * slots + slot + kLanes) : a;
      for (int m = 0; m < kM; m++) {
        vf q = splat(queries[m].q[i]);
        low[m] = fma(q, a, low[m]);
        high[m] = fma(q, b, high[m]);
      }
    }
    for (int m = 0; m < kM; m++) {
      store(scores + m * stride + slot, low[m] * splat(scale));
      if (two) store(scores + m * stride + slot + kLanes, high[m] * splat(scale));
    }
  }
}

// out[m] += sum over slots [first, last] of weights[m][slot] * values[slot], columns [i, i + kWide vectors).
template <class T, int kM, int kWide>
void add_value_columns(const float* weights, int64_t stride, const T* values, Range slots, int64_t dim, int64_t i, const Query* queries) {
  vf acc[kM][kWide];
  for (int m = 0; m < kM; m++)
    for (int c = 0; c < kWide; c++) acc[m][c] = load(queries[m].span.out + i + c * kLanes);
  for (int64_t j = slots.begin; j < slots.end; j++) {
    vf v[kWide];
    for (int c = 0; c < kWide; c++) v[c] = load_value(values + j * dim + i + c * kLanes);
    for (int m = 0; m < kM; m++) {
      const vf w = splat(weights[m * stride + j]);
      for (int c = 0; c < kWide; c++) acc[m][c] = fma(w, v[c], acc[m][c]);
    }
  }
  for (int m = 0; m < kM; m++)
    for (int c = 0; c < kWide; c++) store(queries[m].span.out + i + c * kLanes, acc[m][c]);
}

inline float value_of(const float* p) { return *p; }
inline float value_of(const uint16_t* p) { return half_to_float(*p); }

template <class T, int kM>
void add_values(const float* weights, int64_t stride, const T* values, Range slots, int64_t dim, const Query* queries) {
  // One query alone takes more vectors, so that its chains of multiply-adds do not wait for themselves.
  constexpr int kWide = kM == 1 ? 2 * kTileWide : kTileWide;
  int64_t i = 0;
  for (; i + kWide * kLanes <= dim; i += kWide * kLanes) add_value_columns<T, kM, kWide>(weights, stride, values, slots, dim, i, queries);
  for (; i + kWide / 2 * kLanes <= dim; i += kWide / 2 * kLanes) add_value_columns<T, kM, kWide / 2>(weights, stride, values, slots, dim, i, queries);
  for (; i + kLanes <= dim; i += kLanes) add_value_columns<T, kM, 1>(weights, stride, values, slots, dim, i, queries);
  for (; i < dim; i++)
    for (int m = 0; m < kM; m++) {
      float acc = queries[m].span.out[i];
      for (int64_t j = slots.begin; j < slots.end; j++) acc = fma(weights[m * stride + j], value_of(values + j * dim + i), acc);
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

inline void decode(const float* from, float* to, int64_t n) { std::memcpy(to, from, n * 4); }
inline void decode(const uint16_t* from, float* to, int64_t n) { halves_to_floats(from, to, n); }

inline void prefetch(const void* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char*)from + i);
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

template <class K>
void score_page(const Query* queries, int64_t count, const K* keys, const Sizes& sizes, float scale, float* scores) {
  for (int64_t at = 0; at < count; at += kQueryTile)
    with_tile(count - at, [&](auto m) { score_columns<K, m.value>(queries + at, keys, sizes.dim, sizes.slots(), scale, scores + at * sizes.span_slots(), sizes.span_slots()); });
}

template <class V>
void weigh_page(const Query* queries, int64_t count, const V* values, const Sizes& sizes, int64_t base, const float* weights) {
  const int64_t stride = sizes.span_slots();
  for (int64_t at = 0; at < count; at += kQueryTile) {
    const int64_t m = std::min<int64_t>(kQueryTile, count - at);
    const Range slots = visible(queries[at], base, sizes);
    bool alike = true;
    for (int64_t i = 1; i < m; i++) alike = alike && visible(queries[at + i], base, sizes).begin == slots.begin && visible(queries[at + i], base, sizes).end == slots.end;
    if (alike && slots.begin < slots.end) with_tile(m, [&](auto n) { add_values<V, n.value>(weights + at * stride, stride, values, slots, sizes.value_dim, queries + at); });
    for (int64_t i = at; !alike && i < at + m; i++) {
      const Range own = visible(queries[i], base, sizes);
      if (own.begin < own.end) add_values<V, 1>(weights + i * stride, stride, values, own, sizes.value_dim, queries + i);
    }
  }
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
    const vf p = keep(exp(load(at) - splat(top)), low, last, 0.0f);
    store(at, p);
    total = total + p;
  });
  query.span.top = top;
  query.span.total = sum(total);
}

// Positions [begin, end] of one span, from a page's first on, for queries of one block. Pages are read in place, or as
// floats in scratch memory when many queries share them or vectors need padding.
template <class K, class V>
void attend_pages(const HeadJob& job, const Scratch& s, const Sizes& sizes, Query* queries, int64_t count, int64_t begin, int64_t end) {
  const Tensor &keys = *job.call.in[Attention::keys], &values = *job.call.in[Attention::values];
  const int32_t* table = job.call.in[Attention::pages]->i32(job.call.in[Attention::sequences]->i32()[job.t]);
  const int64_t key_count = sizes.page_size * sizes.dim, value_count = sizes.page_size * sizes.value_dim;
  const bool in_place = count <= kQueryTile && sizes.slots() == sizes.page_size;
  auto number = [&](int64_t base) { return (int64_t)table[base / sizes.page_size] * keys.dims[1] + job.kv_head; };
  for (int64_t base = begin; base <= end; base += sizes.page_size) {
    const K* k = (const K*)keys.data + number(base) * key_count;
    if (base + sizes.page_size <= end) prefetch((const K*)keys.data + number(base + sizes.page_size) * key_count, key_count * sizeof(K));
    prefetch((const V*)values.data + number(base) * value_count, value_count * sizeof(V));
    float* scores = s.scores + (base - begin) / sizes.page_size * sizes.slots();
    if (in_place) {
      score_page<K>(queries, count, k, sizes, job.attrs.scale, scores);
      continue;
    }
    for (int64_t i = 0; i < sizes.dim; i++) decode(k + i * sizes.page_size, s.keys + i * sizes.slots(), sizes.page_size);
    score_page<float>(queries, count, s.keys, sizes, job.attrs.scale, scores);
  }
  for (int64_t i = 0; i < count; i++) soften(queries[i], job.attrs, sizes, begin, (end - begin) / sizes.page_size + 1, s.scores + i * sizes.span_slots());
  for (int64_t base = begin; base <= end; base += sizes.page_size) {
    const V* v = (const V*)values.data + number(base) * value_count;
    const float* weights = s.scores + (base - begin) / sizes.page_size * sizes.slots();
    if (in_place) {
      weigh_page<V>(queries, count, v, sizes, base, weights);
      continue;
    }
    decode(v, s.values, value_count);
    weigh_page<float>(queries, count, s.values, sizes, base, weights);
  }
}

// Positions [begin, end], which lie in one span, into the queries' spans.
void attend_span(const HeadJob& job, const Scratch& s, const Sizes& sizes, int64_t count, int64_t begin, int64_t end) {
  begin = begin / sizes.page_size * sizes.page_size;
  const bool half_keys = job.call.in[Attention::keys]->dtype == DType::f16, half_values = job.call.in[Attention::values]->dtype == DType::f16;
  for (int64_t at = 0; at < count; at += kQueryBlock) {
    const int64_t n = std::min(kQueryBlock, count - at);
    Query* queries = s.queries + at;
    for (int64_t i = 0; i < n; i++) std::memset(queries[i].span.out, 0, sizes.value_dim * 4);
    if (half_keys && half_values) attend_pages<uint16_t, uint16_t>(job, s, sizes, queries, n, begin, end);
    else if (half_keys) attend_pages<uint16_t, float>(job, s, sizes, queries, n, begin, end);
    else if (half_values) attend_pages<float, uint16_t>(job, s, sizes, queries, n, begin, end);
    else attend_pages<float, float>(job, s, sizes, queries, n, begin, end);
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
