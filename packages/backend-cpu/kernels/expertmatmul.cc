// Products of routed experts: each row of x times the matrices of its experts.
//
// Floor of decode: bytes of the chosen experts over memory bandwidth; the others' pages are never touched. Floor of
// prefill: that of matmul over T * k rows. Choices are sorted by expert, rows of x become integers once, in that order,
// and all rows of an expert meet a few panels of it at a time. A weight that was not repacked, because it is larger than
// memory, is repacked a few rows at a time where it is used: the kernels are the same, and so are the bits of a row,
// alone or among others.
#include <algorithm>

#include "expert-matrix.h"
#include "packed.h"
#include "plain-product.h"
#include "products.h"

namespace steelyard::SY_LEVEL {
namespace {

// Rows of one expert multiplied together; more would leave the second cache.
constexpr int64_t kGroup = 256;
// Columns that are dealt out together, of transposed weights.
constexpr int64_t kUnit = kPanelRows * kSpreadPanels;
// Results of a few rows are put in their places so many at a time.
constexpr int64_t kResults = kGroup * kUnit;
// What reading a unit of weights costs, in rows that meet it.
constexpr int64_t kReading = 4;
constexpr int64_t kBytesToClaim = 48 << 10;

// The op with its sizes by name.
struct Experts {
  const Tensor &x, &w, &y;
  // Where `experts` is absent each token has them all, in order.
  const Tensor *experts, *bias, *scales;
  Expertmatmul attrs;
  int64_t tokens, k, count, parts, width, depth;

  explicit Experts(const Operands& o)
      : x(*o.in[Expertmatmul::x]), w(*o.in[Expertmatmul::w]), y(*o.out[0]), experts(o.in[Expertmatmul::experts]), bias(o.in[Expertmatmul::bias]),
        scales(o.in[Expertmatmul::scales]), attrs(Expertmatmul::read(o.attrs)), tokens(x.dims[0]), k(experts ? experts->dims[1] : w.dims[0]),
        count(w.dims[0]), parts(w.rank == 4 ? w.dims[2] : 1), width(attrs.transposed ? w.dims[1] : w.last()), depth(x.last()) {}

  // Of a choice (token * k + place); what is no expert's number counts as one more, number `count`.
  int32_t expert(int64_t choice) const {
    int32_t id = experts ? experts->i32(choice / k)[choice % k] : (int32_t)(choice % k);
    return id >= 0 && id < count ? id : (int32_t)count;
  }
  int64_t choices() const { return tokens * k; }
  int64_t columns() const { return parts * width; }
  // Rows of x that are multiplied together at most.
  int64_t group() const { return std::min(choices(), kGroup); }
  int64_t unit() const { return attrs.transposed ? kUnit : kStrip; }
  int64_t units() const { return (columns() + unit() - 1) / unit(); }
  const float* input(int64_t choice) const { return x.f32(choice / k) + (x.rank == 3 ? choice % k * depth : 0); }
  // Where column `column` of a choice's row of all parts goes; parts are interleaved in rows of transposed weights.
  float* place(int64_t choice, int64_t column) const {
    int64_t part = attrs.transposed ? column % parts : column / width, at = attrs.transposed ? column / parts : column % width;
    return y.f32(choice / k) + (part * k + choice % k) * width + at;
  }
  // Where its bias lies in a row of biases, which are interleaved always.
  int64_t bias_at(int64_t column) const { return attrs.transposed ? column : column % width * parts + column / width; }

  // Whether rows of x become integers first.
  bool takes_integers() const {
    return attrs.transposed && (scales ? is_microscaled(w, scales, attrs) : with_block_format(w.dtype, [](auto) {}));
  }

  Tensor matrix(int64_t expert) const {
    Tensor t = expert_matrix(w, scales, attrs, expert);
    if (w.packed) t.packed = w.packed + expert * packed_bytes(t);
    return t;
  }
};

// Some rows of a matrix, from a panel's first on.
Tensor rows_of(const Tensor& w, int64_t first, int64_t count) {
  Tensor t = w;
  t.dims[0] = kPanelRows;
  if (w.packed) t.packed += first / kPanelRows * packed_bytes(t);
  if (w.exponents) t.exponents += first * w.last() / 32;
  t.data = (char*)w.block_row(first);
  t.dims[0] = count;
  return t;
}

Tensor floats(float* data, int64_t rows, int64_t columns) {
  Tensor t;
  t.data = (char*)data;
  t.rank = 2;
  t.dims[0] = rows;
  t.dims[1] = t.row_stride = columns;
  return t;
}

// What phases leave to each other: choices sorted by expert, those of expert e from starts[e] to starts[e + 1]; where in
// that order a choice is; and rows of x as integers, in that order.
struct Sorted {
  int32_t *order, *places, *starts;
  IntegerRows rows;
  size_t bytes;
};

Sorted place_sorted(const Experts& e, char* memory) {
  const size_t choices = align_up(e.choices() * 4), starts = align_up((e.count + 2) * 4);
  char* rows = memory + 2 * choices + starts;
  Sorted s = {(int32_t*)memory, (int32_t*)(memory + choices), (int32_t*)(memory + 2 * choices), {rows, e.depth / 32, e.attrs.narrow}, 2 * choices + starts};
  if (e.takes_integers()) s.bytes += s.rows.bytes(e.choices());
  return s;
}

void sort(const Experts& e, const Sorted& s) {
  std::memset(s.starts, 0, (e.count + 2) * 4);
  for (int64_t c = 0; c < e.choices(); c++) s.starts[e.expert(c) + 1]++;
  for (int64_t i = 0; i <= e.count; i++) s.starts[i + 1] += s.starts[i];
  // starts[i] is where the next choice of expert i goes, and ends as the start of the one after it.
  for (int64_t c = 0; c < e.choices(); c++) s.order[s.places[c] = s.starts[e.expert(c)]++] = (int32_t)c;
  for (int64_t i = e.count + 1; i > 0; i--) s.starts[i] = s.starts[i - 1];
  s.starts[0] = 0;
}

// This chunk's rows of x, each to the places of all choices that it is for.
void quantise(const Experts& e, const Sorted& s, Range mine) {
  const int64_t copies = e.x.rank == 3 ? 1 : e.k;
  for (int64_t choice = mine.begin * copies; choice < mine.end * copies; choice += copies) {
    const int32_t* places = s.places + choice;
    if (e.attrs.narrow) quantise_row<true>(e.input(choice), s.rows, places[0]);
    else quantise_row<false>(e.input(choice), s.rows, places[0]);
    const char* made = s.rows.memory + places[0] * s.rows.row_bytes();
    for (int64_t i = 1; i < copies; i++) std::memcpy(s.rows.memory + places[i] * s.rows.row_bytes(), made, s.rows.row_bytes());
  }
}

// A chunk's part of the work: of each expert in turn, units of its columns, each as heavy as the rows that meet it.
class Deal {
 public:
  Deal(const Experts& e, const Sorted& s, const Call& call) : units_(e.units()) {
    int64_t total = 0;
    for (int64_t i = 0; i < e.count; i++) total += units_ * weight(s.starts[i + 1] - s.starts[i]);
    begin_ = total * call.chunk / call.chunks;
    end_ = total * (call.chunk + 1) / call.chunks;
  }
  // Units of the next expert, which m rows meet.
  Range next(int64_t m) {
    const Range mine = {passed(begin_, weight(m)), passed(end_, weight(m))};
    done_ += units_ * weight(m);
    return mine;
  }

 private:
  static int64_t weight(int64_t m) { return m == 0 ? 0 : m + kReading; }
  // Units of the next expert that begin before `work` is done.
  int64_t passed(int64_t work, int64_t weight) const {
    if (weight == 0 || work <= done_) return 0;
    return std::min(units_, (work - done_ + weight - 1) / weight);
  }
  int64_t units_, begin_, end_, done_ = 0;
};

// A chunk's own memory.
struct Own {
  float *results, *bias, *x, *weights, *factors;
  char *panels, *products;
  size_t bytes;
};

Own place_own(const Experts& e, char* memory) {
  Own own = {};
  size_t at = 0;
  const auto take = [&](int64_t bytes) {
    char* p = memory + at;
    at += align_up(bytes);
    return p;
  };
  own.results = (float*)take(std::max(kResults, e.group() * e.unit()) * 4);
  own.bias = (float*)take(e.bias ? e.columns() * 4 : 0);
  own.x = (float*)take(e.group() * e.depth * 4);
  own.weights = (float*)take(e.scales ? kUnit * e.depth * 4 : 0);
  own.factors = (float*)take(e.scales ? e.scales->last() * 4 : 0);
  if (e.takes_integers()) {
    Tensor unit = e.matrix(0);
    unit.dims[0] = kUnit;
    own.panels = take(packed_bytes(unit));
  }
  own.products = take(e.attrs.transposed ? scratch_of_products(e.group(), e.depth, e.takes_integers()) : kStripBytes);
  own.bytes = at;
  return own;
}

// Rows of a weight with scales, as floats.
Tensor unpack_scaled(const Experts& e, int64_t expert, int64_t first, int64_t count, const Own& own) {
  const Tensor w = e.matrix(expert);
  Tensor scales = *e.scales;
  if (scales.parts) scales.data = const_cast<char*>(scales.parts[expert]);
  const int64_t before = e.scales->parts ? 0 : expert * scales.dims[1];
  for (int64_t row = 0; row < count; row++) {
    float* to = own.weights + row * e.depth;
    decode_row(w.dtype, w.block_row(first + row), to, e.depth);
    decode_row(scales.dtype, scales.block_row(before + (first + row) / e.attrs.blockRows), own.factors, scales.last());
    for (int64_t i = 0; i < e.depth; i++) to[i] *= own.factors[i / e.attrs.blockColumns];
  }
  return floats(own.weights, count, e.depth);
}

// `count` columns of an expert times m rows, from `first` in their order on, to `y`.
struct Product {
  const Experts& e;
  const Sorted& s;
  const Own& own;
  bool integers;

  // How many columns, in units, are multiplied together with m rows.
  int64_t together(int64_t m) const {
    const bool unpacked = integers ? !e.w.packed && packed_bytes(e.matrix(0)) > 0 : e.scales != nullptr;
    return unpacked || !e.attrs.transposed ? e.unit() : kResults / m / kUnit * kUnit;
  }
  void gather(int64_t first, int64_t m) const {
    if (integers) return;
    for (int64_t i = 0; i < m; i++) std::memcpy(own.x + i * e.depth, e.input(s.order[first + i]), e.depth * 4);
  }
  void multiply(int64_t expert, int64_t column, int64_t count, int64_t first, int64_t m, const Tensor& y) const {
    const Tensor x = floats(own.x, m, e.depth);
    if (!e.attrs.transposed) return multiply_columns(x, e.matrix(expert), y, {0, m}, {column, column + count}, 0, (float*)own.products);
    if (!integers && e.scales) return multiply_floats(unpack_scaled(e, expert, column, count, own), x, y, own.products);
    Tensor w = rows_of(e.matrix(expert), column, count);
    if (!integers) return multiply_floats(w, x, y, own.products);
    if (!w.packed) pack(w);
    const IntegerRows rows = {s.rows.memory + first * s.rows.row_bytes(), s.rows.runs, s.rows.narrow};
    multiply_integers(w, rows, m, y, own.products);
  }
  void pack(Tensor& w) const {
    const int64_t bytes = packed_bytes(w), panels = (w.rows() + kPanelRows - 1) / kPanelRows;
    if (bytes == 0) return;
    for (int64_t panel = 0; panel < panels; panel++) pack_panel(w, panel, own.panels + panel * (bytes / panels));
    w.packed = own.panels;
  }
};

// Columns [column, column + count) of a choice's row, and their biases, to their places.
void put(const Experts& e, int64_t choice, int64_t column, int64_t count, const float* from, const float* bias) {
  if (!e.attrs.transposed) {
    for (int64_t i = 0; i < count; i++) *e.place(choice, column + i) = bias ? from[i] + bias[e.bias_at(column + i)] : from[i];
    return;
  }
  for (int64_t part = 0; part < e.parts && part < count; part++) {
    float* to = e.place(choice, column + part);
    for (int64_t i = part; i < count; i += e.parts) *to++ = bias ? from[i] + bias[column + i] : from[i];
  }
}

// Rows of an expert, from `first` in their order on, and this chunk's columns of it.
void multiply_group(const Product& p, int64_t expert, Range columns, int64_t first, int64_t m, const float* bias) {
  const int64_t together = p.together(m);
  p.gather(first, m);
  for (int64_t column = columns.begin, count; column < columns.end; column += count) {
    count = std::min(together, columns.end - column);
    p.multiply(expert, column, count, first, m, floats(p.own.results, m, count));
    for (int64_t i = 0; i < m; i++) put(p.e, p.s.order[first + i], column, count, p.own.results + i * count, bias);
  }
}

void multiply_chosen(const Experts& e, const Sorted& s, const Call& call) {
  const Own own = place_own(e, call.own);
  const Product product = {e, s, own, e.takes_integers() && call.integer_activations};
  Deal deal(e, s, call);
  for (int64_t expert = 0; expert < e.count; expert++) {
    const int64_t begin = s.starts[expert], end = s.starts[expert + 1];
    const Range units = deal.next(end - begin), columns = {units.begin * e.unit(), std::min(units.end * e.unit(), e.columns())};
    if (columns.begin >= columns.end) continue;
    if (e.bias) decode_row(e.bias->dtype, e.bias->block_row(expert * (e.parts > 1 ? e.width : 1)), own.bias, e.columns());
    for (int64_t first = begin; first < end; first += e.group())
      multiply_group(product, expert, columns, first, std::min(e.group(), end - first), e.bias ? own.bias : nullptr);
  }
}

// An index that names no expert is a fault upstream and must show.
void mark_unknown(const Experts& e, const Sorted& s) {
  for (int64_t i = s.starts[e.count]; i < s.starts[e.count + 1]; i++)
    for (int64_t column = 0; column < e.columns(); column++) *e.place(s.order[i], column) = __builtin_nanf("");
}

int64_t input_rows(const Experts& e) { return e.x.rank == 3 ? e.choices() : e.tokens; }

}  // namespace

// Phases: choices are sorted, rows become integers where they do, and are multiplied.
int chunks_expertmatmul(const Operands& o, int phase, int threads) {
  const Experts e(o);
  if (phase == 0) return 1;
  if (e.takes_integers() && --phase == 0) return chunks_of(input_rows(e) * e.depth, kSerialElements, input_rows(e), threads);
  if (phase != 1) return 0;
  const DTypeInfo& info = dtype_info(e.w.dtype);
  const int64_t bytes = e.columns() * e.depth / info.block_size * info.block_bytes, met = std::min(e.count, e.choices());
  return chunks_of(bytes * std::min(e.choices(), 8 * met), kBytesToClaim, met * e.units(), threads);
}

void op_expertmatmul(const Call& call) {
  const Experts e({call.in, call.in_count, call.out, call.attrs});
  const Sorted s = place_sorted(e, call.shared);
  if (call.phase == 0) return sort(e, s);
  if (e.takes_integers() && call.phase == 1) return quantise(e, s, share(call, input_rows(e)));
  multiply_chosen(e, s, call);
  if (call.chunk == 0) mark_unknown(e, s);
}

ScratchSize scratch_expertmatmul(const Operands& o) {
  const Experts e(o);
  return {place_sorted(e, nullptr).bytes, place_own(e, nullptr).bytes};
}

}  // namespace steelyard::SY_LEVEL
