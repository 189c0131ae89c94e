// Routed experts: choosing them, the matmuls of the chosen, and the sum of their results.
//
// Floor of decode: bytes of the chosen experts over memory bandwidth; the others' pages are never touched. Floor of
// prefill: that of matmul over T * k rows. Rows are grouped by expert and given to the matmul kernel a group at a time,
// so a row's result is what that kernel gives it alone, whatever the batch. A chunk does its own columns of every expert
// and waits for nobody.
#include <cmath>

#include "decode.h"

namespace steelyard::SY_LEVEL {

void op_matmul(const Call& call);
int chunks_matmul(const Operands& o, int phase, int threads);
ScratchSize scratch_matmul(const Operands& o);

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

namespace {

// Rows of one expert multiplied together; more would only take more memory.
constexpr int64_t kGroup = 256;
// Rows of a scaled weight are unpacked so many bytes at a time, to stay in a core's cache.
constexpr int64_t kPanelBytes = 256 << 10;

// The op with its sizes by name.
struct Experts {
  const Call& call;
  const Tensor &x, &w, &y;
  // Where `experts` is absent each token has them all, in order.
  const Tensor *experts, *bias, *scales;
  Expertmatmul attrs;
  int64_t tokens, k, count, parts, width, depth;

  explicit Experts(const Call& c)
      : call(c), x(*c.in[Expertmatmul::x]), w(*c.in[Expertmatmul::w]), y(*c.out[0]), experts(c.in[Expertmatmul::experts]),
        bias(c.in[Expertmatmul::bias]), scales(c.in[Expertmatmul::scales]), attrs(Expertmatmul::read(c.attrs)),
        tokens(x.dims[0]), k(experts ? experts->dims[1] : w.dims[0]), count(w.dims[0]), parts(w.rank == 4 ? w.dims[2] : 1),
        width(attrs.transposed ? w.dims[1] : w.last()), depth(x.last()) {}

  // Of a choice (token * k + place); what is no expert's number counts as one more, number `count`.
  int32_t expert(int64_t choice) const {
    int32_t id = experts ? experts->i32(choice / k)[choice % k] : (int32_t)(choice % k);
    return id >= 0 && id < count ? id : (int32_t)count;
  }
  int64_t columns() const { return parts * width; }
  // Rows of x that are multiplied together at most.
  int64_t group() const { return tokens * k < kGroup ? tokens * k : kGroup; }
  // Stored rows and their elements, of one expert.
  int64_t rows() const { return attrs.transposed ? columns() : depth; }
  int64_t row_length() const { return attrs.transposed ? depth : columns(); }
  const float* input(int64_t choice) const { return x.f32(choice / k) + (x.rank == 3 ? choice % k * depth : 0); }
  // Where column `column` of a choice's row of all parts goes; parts are interleaved in rows of transposed weights.
  float* place(int64_t choice, int64_t column) const {
    int64_t part = attrs.transposed ? column % parts : column / width, at = attrs.transposed ? column / parts : column % width;
    return y.f32(choice / k) + (part * k + choice % k) * width + at;
  }
  // Where its bias lies in a row of biases, which are interleaved always.
  int64_t bias_at(int64_t column) const { return attrs.transposed ? column : column % width * parts + column / width; }
};

// One expert of a stacked weight as a matrix [rows, row_length].
Tensor matrix_of(const Tensor& stack, int64_t expert, int64_t rows, int64_t row_length) {
  const DTypeInfo& info = dtype_info(stack.dtype);
  Tensor t = stack;
  t.panels = false;
  t.packed = nullptr;
  t.parts = nullptr;
  t.rank = 2;
  t.dims[0] = rows;
  t.dims[1] = row_length;
  t.row_stride = row_length;
  t.data = stack.parts ? const_cast<char*>(stack.parts[expert]) : stack.data + expert * (rows * row_length / info.block_size) * info.block_bytes;
  return t;
}

Tensor floats(float* data, int64_t rows, int64_t columns, int64_t stride) {
  Tensor t;
  t.data = (char*)data;
  t.rank = 2;
  t.dims[0] = rows;
  t.dims[1] = columns;
  t.row_stride = stride;
  return t;
}

// Choices sorted by expert, those of expert e from starts[e] to starts[e + 1].
struct Groups {
  int32_t *order, *starts;
};

size_t groups_bytes(int64_t choices, int64_t count) { return align_up(choices * 4) + align_up((count + 2) * 4); }

Groups group(const Experts& e, char* memory) {
  const int64_t choices = e.tokens * e.k;
  Groups g = {(int32_t*)memory, (int32_t*)(memory + align_up(choices * 4))};
  std::memset(g.starts, 0, (e.count + 2) * 4);
  for (int64_t c = 0; c < choices; c++) g.starts[e.expert(c) + 1]++;
  for (int64_t i = 0; i <= e.count; i++) g.starts[i + 1] += g.starts[i];
  // starts[i] is where the next choice of expert i goes, and ends as the start of the one after it.
  for (int64_t c = 0; c < choices; c++) g.order[g.starts[e.expert(c)]++] = (int32_t)c;
  for (int64_t i = e.count + 1; i > 0; i--) g.starts[i] = g.starts[i - 1];
  g.starts[0] = 0;
  return g;
}

// One matmul with its operands and scratch memory in place, all phases by this chunk.
struct InnerMatmul {
  const Tensor* in[3];
  const Tensor* out[1];
  int32_t attrs[2];

  InnerMatmul(const Tensor& x, const Tensor& w, const Tensor& y, bool transposed) : in{&x, nullptr, &w}, out{&y}, attrs{transposed, 0} {}
  Operands operands() const { return {in, 3, out, attrs}; }
  void run(const Call& from, char* memory) const {
    Call call = from;
    call.in = in;
    call.in_count = 3;
    call.out = out;
    call.attrs = attrs;
    call.shared = memory;
    call.own = memory + align_up(scratch_matmul(operands()).shared);
    call.chunk = 0;
    call.chunks = 1;
    for (call.phase = 0; chunks_matmul(operands(), call.phase, 1) > 0; call.phase++) op_matmul(call);
  }
  size_t bytes() const {
    ScratchSize size = scratch_matmul(operands());
    return align_up(size.shared) + size.own;
  }
};

bool is_microscaled(const Tensor& w, const Tensor& scales, const Expertmatmul& attrs) {
  return w.dtype == DType::f4_e2m1 && scales.dtype == DType::f8_e8m0 && attrs.blockRows == 1 && attrs.blockColumns == 32 && w.last() % 32 == 0;
}

// 32 elements of four bits in order become an mxfp4 block, whose low nibbles are the first 16.
void pack_mxfp4(const uint8_t* from, uint8_t scale, uint8_t* to) {
  vb16 v = load16(from), low = v & 15, high = v >> 4;
  vb16 first = __builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  vb16 second = __builtin_shufflevector(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  vb16 packed = first | second << 4;
  to[0] = scale;
  std::memcpy(to + 1, &packed, 16);
}

// Row `row` of a matrix that has scales, as mxfp4 or as floats.
void unpack_scaled(const Tensor& w, const Tensor& scales, const Expertmatmul& attrs, int64_t row, char* to, float* factors) {
  const uint8_t *from = w.block_row(row), *scale = scales.block_row(row / attrs.blockRows);
  const int64_t n = w.last();
  if (is_microscaled(w, scales, attrs)) {
    for (int64_t run = 0; run < n / 32; run++) pack_mxfp4(from + run * 16, scale[run], (uint8_t*)to + run * 17);
    return;
  }
  decode_row(w.dtype, from, (float*)to, n);
  decode_row(scales.dtype, scale, factors, scales.last());
  for (int64_t i = 0; i < n; i++) ((float*)to)[i] *= factors[i / attrs.blockColumns];
}

// Rows of a scaled weight that are unpacked together, and where.
struct Panels {
  int64_t rows, row_bytes;
  size_t bytes, factors;
};

Panels plan_panels(const Experts& e) {
  int64_t row = is_microscaled(e.w, *e.scales, e.attrs) ? e.depth / 32 * 17 : e.depth * 4;
  int64_t rows = kPanelBytes / row < 16 ? 16 : kPanelBytes / row;
  return {rows, row, align_up(rows * row), align_up(e.scales->last() * 4)};
}

// Rows `mine` of a scaled weight, a panel at a time.
void multiply_scaled(const Experts& e, const Tensor& x, int64_t expert, Range mine, const Tensor& y, char* memory) {
  Tensor w = matrix_of(e.w, expert, e.rows(), e.depth), scales = matrix_of(*e.scales, expert, e.scales->dims[1], e.scales->dims[2]);
  const Panels panels = plan_panels(e);
  for (int64_t n = mine.begin; n < mine.end; n += panels.rows) {
    int64_t count = mine.end - n < panels.rows ? mine.end - n : panels.rows;
    for (int64_t i = 0; i < count; i++) unpack_scaled(w, scales, e.attrs, n + i, memory + i * panels.row_bytes, (float*)(memory + panels.bytes));
    Tensor panel = floats((float*)memory, count, e.depth, e.depth);
    if (is_microscaled(w, scales, e.attrs)) panel.dtype = DType::mxfp4;
    Tensor columns = floats(y.f32() + n, y.rows(), count, y.row_stride);
    InnerMatmul(x, panel, columns, true).run(e.call, memory + panels.bytes + panels.factors);
  }
}

// This chunk's columns of y = x times one expert.
void multiply(const Experts& e, const Tensor& x, int64_t expert, Range mine, const Tensor& y, char* memory) {
  if (e.scales) return multiply_scaled(e, x, expert, mine, y, memory);
  Tensor w = matrix_of(e.w, expert, e.rows(), e.row_length());
  if (!e.attrs.transposed) {
    const Tensor *in[] = {&x, nullptr, &w}, *out[] = {&y};
    const int32_t attrs[] = {0, 0};
    Call call = e.call;
    call.in = in;
    call.in_count = 3;
    call.out = out;
    call.attrs = attrs;
    call.own = memory;
    op_matmul(call);
    return;
  }
  w.data = (char*)w.block_row(mine.begin);
  w.dims[0] = mine.end - mine.begin;
  Tensor columns = floats(y.f32() + mine.begin, y.rows(), w.dims[0], y.row_stride);
  InnerMatmul(x, w, columns, true).run(e.call, memory);
}

// The choices' rows gathered, multiplied together, and this chunk's columns of them put in their places.
void multiply_group(const Experts& e, const int32_t* choices, int64_t m, int64_t expert, Range mine, char* memory) {
  float *in = (float*)memory, *out = (float*)(memory + align_up(e.group() * e.depth * 4));
  char* rest = (char*)out + align_up(e.group() * e.columns() * 4);
  for (int64_t i = 0; i < m; i++) std::memcpy(in + i * e.depth, e.input(choices[i]), e.depth * 4);
  multiply(e, floats(in, m, e.depth, e.depth), expert, mine, floats(out, m, e.columns(), e.columns()), rest);
  for (int64_t i = 0; i < m; i++)
    for (int64_t column = mine.begin; column < mine.end; column++) *e.place(choices[i], column) = out[i * e.columns() + column];
}

// Adds the biases of this chunk's columns to the choices' rows.
void add_biases(const Experts& e, Range mine, float* row) {
  for (int64_t c = 0; c < e.tokens * e.k; c++) {
    int32_t expert = e.expert(c);
    if (expert == e.count) continue;
    decode_row(e.bias->dtype, e.bias->block_row(expert * (e.parts > 1 ? e.width : 1)), row, e.columns());
    for (int64_t column = mine.begin; column < mine.end; column++) *e.place(c, column) += row[e.bias_at(column)];
  }
}

}  // namespace

// Chunks are as many as threads: each gathers the rows of x for itself.
int chunks_expertmatmul(const Operands& o, int threads) {
  Call call = {};
  call.in = o.in;
  call.out = o.out;
  call.attrs = o.attrs;
  return chunks_of(Experts(call).columns(), 64, threads, threads);
}

void op_expertmatmul(const Call& call) {
  Experts e(call);
  Groups groups = group(e, call.own);
  char* memory = call.own + groups_bytes(e.tokens * e.k, e.count);
  const Range mine = share(call, e.columns(), e.attrs.transposed ? 16 : 256);
  if (mine.begin == mine.end) return;
  for (int64_t expert = 0; expert < e.count; expert++) {
    for (int64_t first = groups.starts[expert]; first < groups.starts[expert + 1]; first += e.group()) {
      int64_t left = groups.starts[expert + 1] - first, m = left < e.group() ? left : e.group();
      const int32_t* choices = groups.order + first;
      // One row is read and written in place.
      if (m == 1 && e.parts == 1)
        multiply(e, floats(const_cast<float*>(e.input(*choices)), 1, e.depth, e.depth), expert, mine, floats(e.place(*choices, 0), 1, e.width, e.width), memory);
      else multiply_group(e, choices, m, expert, mine, memory);
    }
  }
  // An index that names no expert is a fault upstream and must show.
  for (int64_t i = groups.starts[e.count]; i < groups.starts[e.count + 1]; i++)
    for (int64_t column = mine.begin; column < mine.end; column++) *e.place(groups.order[i], column) = __builtin_nanf("");
  if (e.bias) add_biases(e, mine, (float*)memory);
}

ScratchSize scratch_expertmatmul(const Operands& o) {
  Call call = {};
  call.in = o.in;
  call.out = o.out;
  call.attrs = o.attrs;
  Experts e(call);
  Tensor x = floats(nullptr, e.group(), e.depth, e.depth), y = floats(nullptr, e.group(), e.columns(), e.columns());
  Tensor w = floats(nullptr, e.rows(), e.row_length(), e.row_length());
  if (!e.scales) w.dtype = e.w.dtype;
  // What is unpacked may be in blocks, which take the most scratch memory.
  else if (e.attrs.transposed && e.depth % 32 == 0) w.dtype = DType::mxfp4;
  size_t own = InnerMatmul(x, w, y, e.attrs.transposed).bytes();
  if (e.scales) own += plan_panels(e).bytes + plan_panels(e).factors;
  own += align_up(e.group() * e.depth * 4) + align_up(e.group() * e.columns() * 4);
  size_t bias = align_up(e.columns() * 4);
  return {0, groups_bytes(e.tokens * e.k, e.count) + (own > bias ? own : bias)};
}

}  // namespace steelyard::SY_LEVEL
