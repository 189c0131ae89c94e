// y = x w^T + bias for weights in any format, several weights side by side.
//
// Floors. Decode (one row of x): bytes of w over memory bandwidth; every byte is read once, by one thread. Prefill:
// 2 M N K operations over the rate of the dot-product unit; a panel of w stays in the cache for all rows of x.
//
// A row of y depends on its own row of x and on w only: one and many rows of x take the same operations in the same
// order, so output is bit-identical whatever the batch and the number of threads.
#include <algorithm>

#include "bf16-rows.h"
#include "float-rows.h"
#include "packed-tile.h"
#include "plain-product.h"
#include "products.h"
#include "published-rows.h"
#if defined(SY_AMX)
#include "amx-bytes.h"
#endif

namespace steelyard::SY_LEVEL {
namespace {

// From so many rows of activations on panels are spread out for them, unless they are nearly so already: of two planes from
// half as many, as fewer of those meet a panel in one pass.
constexpr int64_t kSpreadFrom = kLanes >= 8 ? 12 : INT64_MAX;
template <Form kForm>
constexpr int64_t kSpreadFromOf = kForm == Form::planes ? kSpreadFrom : 2 * kSpreadFrom;
// Weights are dealt out by this many rows to m rows of activations: by panels, as many as are spread out together.
constexpr int64_t unit_rows(int64_t m) { return kPanelRows * (m >= kSpreadFrom ? kSpreadPanels : 1); }
// Bytes of weights that a chunk should have at least, for its share of the work to outweigh its claim.
constexpr int64_t kChunkBytes = 48 << 10;
// Multiply-adds, likewise, of a product by columns.
constexpr int64_t kPlainWork = 1 << 18;

bool is_block(DType dtype) {
  return with_block_format(dtype, [](auto) {});
}

// What rows of x become first, in a phase of their own, for some weight of those side by side.
bool takes_integers(const Operands& o) {
  if (!Matmul::read(o.attrs).transposed) return false;
  for (int i = Matmul::w; i < o.in_count; i++)
    if (is_block(o.in[i]->dtype)) return true;
  return false;
}
bool takes_bf16(const Operands& o) {
  if (!kBf16Products || !Matmul::read(o.attrs).transposed) return false;
  for (int i = Matmul::w; i < o.in_count; i++)
    if (o.in[i]->dtype == DType::bf16) return true;
  return false;
}

// Rows of x as the weights take them, in the memory that chunks share.
struct RoundedRows {
  IntegerRows integers;
  Bf16Rows bf16;
  size_t bytes;

  RoundedRows(const Operands& o, char* memory) {
    const Tensor& x = *o.in[Matmul::x];
    const bool narrow = Matmul::read(o.attrs).narrow;
    integers = {memory, x.last() / 32, narrow};
    bytes = takes_integers(o) ? align_up(integers.bytes(x.rows())) : 0;
    bf16 = {memory + bytes, x.last(), narrow};
    if (takes_bf16(o)) bytes += bf16.bytes(x.rows());
  }
};

// Where a result goes: columns from `column` on of rows of y, with the bias of those columns.
struct Place {
  const Tensor& y;
  const float* bias;
  int64_t column;

  void put(int64_t row, int64_t n, float value) const { y.f32(row)[column + n] = bias ? value + bias[column + n] : value; }
  void put(int64_t row, int64_t n, vf values, int64_t count) const {
    float* to = y.f32(row) + column + n;
    if (count >= kLanes) {
      store(to, bias ? values + load(bias + column + n) : values);
      return;
    }
    float s[kLanes];
    store(s, values);
    for (int64_t i = 0; i < count; i++) put(row, n + i, s[i]);
  }
};

template <class Format, int kN, int kM, Form kForm>
void multiply_packed_rows(const uint8_t* panel, const IntegerRows& rows, int64_t m, int64_t n, int64_t width, NextPanels& next, const Place& to) {
  IntegerRow<kForm> x[kM];
  for (int i = 0; i < kM; i++) x[i] = rows.row<kForm>(m + i);
  for (int part = 0; part * kLanes < width; part += kN) {
    vf out[kN][kM];
    multiply_tile<Format, kN, kM, kForm>(panel, rows.runs, part, x, next, out);
    for (int p = 0; p < kN; p++)
      for (int i = 0; i < kM; i++) to.put(m + i, n + (part + p) * kLanes, out[p][i], width - (part + p) * kLanes);
  }
}

// Parts of a panel and rows of activations that are taken at once, as many as registers hold; with one row alone, parts
// share what narrow vectors load of it.
template <Form kForm>
constexpr int kTileRows = kLanes == 16 && kForm != Form::planes ? 8 : 4;
template <class Format>
constexpr int kTileParts = kLanes == 8 || (kLanes == 4 && !Format::Scales::kHalves) ? 2 : 1;
constexpr int kRowParts = kParts;

template <Form kForm>
constexpr int kSpreadRows = kLanes == 8 ? 5 : kForm == Form::planes ? 4 : 6;
constexpr int kSpreadParts = 2;

// One panel, or those that are spread out together, of `width` rows that count, and rows [i, m) of activations.
template <class Format, int kN, int kM, Form kForm>
void multiply_panel(const uint8_t* panel, const IntegerRows& rows, int64_t i, int64_t m, int64_t n, int64_t width, NextPanels& next, const Place& to) {
  for (; i + kM <= m; i += kM) multiply_packed_rows<Format, kM == 1 ? kRowParts : kN, kM, kForm>(panel, rows, i, n, width, next, to);
  // Among many rows a last few weigh little: each size of tile is much code.
  constexpr int kFewer = kM > 4 ? 4 : Format::kSpread ? 1 : kM / 2;
  if constexpr (kM > 1) {
    if (i < m) multiply_panel<Format, kN, kFewer, kForm>(panel, rows, i, m, n, width, next, to);
  }
}

// Panels that are made at once where they are not there yet: the matrix unit takes two side by side.
#if defined(SY_AMX)
constexpr int kMadePanels = 2;
#else
constexpr int kMadePanels = 1;
#endif

// `others`: panels after these that other threads take before this one takes more.
template <class Format, Form kForm>
void multiply_packed(const Tensor& w, Range panels, int64_t others, const IntegerRows& rows, int64_t m, const Place& to, char* own) {
  const int64_t k = rows.runs * 32, panel_bytes = Format::panel_bytes(k);
  uint8_t* const made = (uint8_t*)own;
  if (!w.packed) own += kMadePanels * align_up(panel_bytes);
  // A panel, made in place `held` of this thread's where it is not there yet.
  const auto panel = [&](int64_t number, int held = 0) -> const uint8_t* {
    if (w.packed) return (const uint8_t*)w.packed + number * panel_bytes;
    const int64_t row = number * kPanelRows;
    Format::pack(w.block_row(row), std::min<int64_t>(kPanelRows, w.rows() - row), k, made + held * align_up(panel_bytes));
    return made + held * align_up(panel_bytes);
  };
  int64_t first = 0;
#if defined(SY_AMX)
  first = multiply_matrix<Format, kForm>(panel, panels, rows, m, (uint8_t*)own, [&](int64_t row, int64_t n, vf lanes) { to.put(row, n, lanes, w.rows() - n); });
  if (first == m) return;
#endif
  const auto width = [&](int64_t begin, int64_t count) { return std::min(w.rows() - begin * kPanelRows, count * kPanelRows); };
  NextPanels next;
  if constexpr (kSpreadFrom < INT64_MAX && (Format::Codes::kBytes < Bytes::kBytes || kSpreadPanels > 1)) {
    if (m - first >= kSpreadFromOf<kForm>) {
      for (int64_t i = panels.begin; i < panels.end; i += kSpreadPanels) {
        // Beside a last one stands itself again; nothing comes of it.
        for (int64_t j = 0; j < kSpreadPanels; j++) spread_panel<Format>(panel(std::min(i + j, panels.end - 1)), k, (uint8_t*)own + j * 4 * kPanelRows);
        if (w.packed) {
          const int64_t after = i + kSpreadPanels < panels.end ? i + kSpreadPanels : panels.end + others, all = (w.rows() + kPanelRows - 1) / kPanelRows;
          next = {w.packed + after * panel_bytes, w.packed + std::min(after + kSpreadPanels, all) * panel_bytes};
        }
        multiply_panel<SpreadOf<Format>, kSpreadParts, kSpreadRows<kForm>, kForm>((const uint8_t*)own, rows, first, m, i * kPanelRows, width(i, std::min<int64_t>(kSpreadPanels, panels.end - i)), next, to);
      }
      return;
    }
  }
  for (int64_t i = panels.begin; i < panels.end; i++)
    multiply_panel<Format, kTileParts<Format>, kTileRows<kForm>, kForm>(panel(i), rows, first, m, i * kPanelRows, width(i, 1), next, to);
}

template <class Format, int kM, Form kForm>
void multiply_published_rows(const uint8_t* row, const IntegerRows& rows, int64_t m, int64_t n, const Place& to) {
  IntegerRow<kForm> x[kM];
  float out[kM];
  for (int i = 0; i < kM; i++) x[i] = rows.row<kForm>(m + i);
  multiply_published<Format, kM, kForm>(row, rows.runs, x, out);
  for (int i = 0; i < kM; i++) to.put(m + i, n, out[i]);
}

template <class Format, Form kForm>
void multiply_blocks(const Tensor& w, Range mine, const IntegerRows& rows, int64_t m, const Place& to) {
  for (int64_t n = mine.begin; n < mine.end; n++) {
    int64_t i = 0;
    for (; i + 4 <= m; i += 4) multiply_published_rows<Format, 4, kForm>(w.block_row(n), rows, i, n, to);
    for (; i < m; i++) multiply_published_rows<Format, 1, kForm>(w.block_row(n), rows, i, n, to);
  }
}

// Rows of x times rows `some` of w, at most kMostRows, of which `rows` are those from some.begin on.
template <class Products, int kPlanes, class W>
void multiply_float_rows(const W& rows, Range some, const ActivationRows<Products>& x, const Place& to, char* sums, bool from_memory) {
  const auto put = [&](int64_t m, int64_t n, float value) { to.put(m, some.begin + n, value); };
  FloatRows<Products, kPlanes, W, decltype(put)>(rows, some.end - some.begin, x, sums, put).multiply(from_memory);
}

// fn(some) for all of `mine`.
template <class Fn>
void by_rows(Range mine, int64_t together, Fn fn) {
  for (int64_t n = mine.begin; n < mine.end; n += together) fn(Range{n, std::min(n + together, mine.end)});
}

// Calls visit with rows of 16 bits from `row` on.
template <class T, class Visit>
void with_halves(const Tensor& w, int64_t row, Visit visit) {
  if (w.packed) visit(PanelFloats<T>{(const T*)w.packed, whole_runs(w.last())}.from(row));
  else visit(PublishedFloats<T>{(const T*)w.data, w.last()}.from(row));
}

// In float32: in place, or decoded to `buffer` when many rows of x share that or the format asks for it.
void multiply_floats(const Tensor& w, Range mine, const Tensor& x, const Place& to, char* sums, float* buffer) {
  const ActivationRows<FloatProducts> rows = float_rows(x);
  const int64_t k = x.last(), width = whole_runs(k);
  const bool shared = x.rows() > 2 * kFloatTile;
  by_rows(mine, rows_together(4 * width), [&](Range some) {
    const auto multiply = [&](const auto& matrix, bool from_memory) { multiply_float_rows<FloatProducts, 1>(matrix, some, rows, to, sums, from_memory); };
    const auto in_place = [&](const auto& matrix) { multiply(matrix, true); };
    if (w.dtype == DType::f32) return in_place(PublishedFloats<float>{(const float*)w.block_row(some.begin), k});
    if (w.dtype == DType::f16 && !shared) return with_halves<uint16_t>(w, some.begin, in_place);
    if (w.dtype == DType::bf16 && !shared) return with_halves<Bf16>(w, some.begin, in_place);
    if (w.packed) {
      // As they lie: the floats are in panels too.
      decode_row(w.dtype, (const uint8_t*)w.packed + some.begin * width * 2, buffer, align_up(some.end - some.begin, kFloatRows) * width);
      return multiply(PanelFloats<float>{buffer, width}, false);
    }
    for (int64_t n = some.begin; n < some.end; n++) decode_row(w.dtype, w.block_row(n), buffer + (n - some.begin) * k, k);
    multiply(PublishedFloats<float>{buffer, k}, false);
  });
}

#if defined(__AVX512BF16__)
// By products of bfloat16.
template <int kPlanes>
void multiply_bf16(const Tensor& w, Range mine, const Bf16Rows& x, int64_t m, const Place& to, char* sums) {
  const ActivationRows<Bf16Products> rows = float_rows(x, m);
  by_rows(mine, rows_together(2 * whole_runs(x.columns)), [&](Range some) {
    with_halves<Bf16>(w, some.begin, [&](const auto& matrix) { multiply_float_rows<Bf16Products, kPlanes>(matrix, some, rows, to, sums, true); });
  });
}
#endif

// Rows of one weight in blocks, from a panel's first on, times m rows of integers; false for other weights.
bool multiply_integers(const Tensor& w, Range mine, int threads, const IntegerRows& rows, int64_t m, const Place& to, char* own) {
  const Range panels = {mine.begin / kPanelRows, (mine.end + kPanelRows - 1) / kPanelRows};
  const int64_t others = (threads - 1) * (panels.end - panels.begin);
  if (w.panels || w.packed)
    return with_packed_blocks(packed_dtype(w), [&](auto format) {
      if (rows.narrow) multiply_packed<decltype(format), form_of(true)>(w, panels, others, rows, m, to, own);
      else multiply_packed<decltype(format), form_of(false)>(w, panels, others, rows, m, to, own);
    });
  return with_block_format(w.dtype, [&](auto format) {
    if (rows.narrow) multiply_blocks<decltype(format), form_of(true)>(w, mine, rows, m, to);
    else multiply_blocks<decltype(format), form_of(false)>(w, mine, rows, m, to);
  });
}

// Rows of one weight, from a panel's first on.
void multiply_rows(const Call& call, const Tensor& w, Range mine, const Tensor& x, const Place& to) {
  const RoundedRows rounded(operands_of(call), call.shared);
  if (call.integer_activations && multiply_integers(w, mine, call.threads, rounded.integers, x.rows(), to, call.own)) return;
#if defined(__AVX512BF16__)
  if (call.integer_activations && w.dtype == DType::bf16) {
    if (rounded.bf16.narrow) multiply_bf16<1>(w, mine, rounded.bf16, x.rows(), to, call.own);
    else multiply_bf16<2>(w, mine, rounded.bf16, x.rows(), to, call.own);
    return;
  }
#endif
  multiply_floats(w, mine, x, to, call.own, (float*)(call.own + kSumBytes));
}

int64_t units_of(const Tensor& w, int64_t m) { return (w.rows() + unit_rows(m) - 1) / unit_rows(m); }

// This chunk's units of all weights side by side.
void multiply_transposed(const Call& call, const Tensor& x, Place to) {
  const int64_t m = x.rows(), size = unit_rows(m);
  int64_t total = 0;
  for (int i = Matmul::w; i < call.in_count; i++) total += units_of(*call.in[i], m);
  Range mine = share(call, total);
  for (int i = Matmul::w; i < call.in_count; i++) {
    const Tensor& w = *call.in[i];
    const int64_t units = units_of(w, m), begin = std::max<int64_t>(mine.begin, 0), end = std::min(mine.end, units);
    if (begin < end) multiply_rows(call, w, {begin * size, std::min(end * size, w.rows())}, x, to);
    mine = {mine.begin - units, mine.end - units};
    to.column += w.rows();
  }
}


void round_rows(const Operands& o, Range mine, char* memory) {
  const Tensor& x = *o.in[Matmul::x];
  const RoundedRows rows(o, memory);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    if (takes_integers(o)) {
      if (rows.integers.narrow) quantise_row<true>(x.f32(i), rows.integers, i);
      else quantise_row<false>(x.f32(i), rows.integers, i);
    }
#if defined(__AVX512BF16__)
    if (takes_bf16(o)) round_row(x.f32(i), rows.bf16, i);
#endif
  }
}

}  // namespace

void op_matmul(const Call& call) {
  const Tensor &x = *call.in[Matmul::x], *bias = call.in[Matmul::bias];
  const auto attrs = Matmul::read(call.attrs);
  const Operands operands = operands_of(call);
  if (call.phase == 0 && (takes_integers(operands) || takes_bf16(operands))) {
    round_rows(operands, share(call, x.rows()), call.shared);
    return;
  }
  Place to = {*call.out[0], bias ? bias->f32() : nullptr, 0};
  if (attrs.transposed) {
    multiply_transposed(call, x, to);
    return;
  }
  for (int i = Matmul::w; i < call.in_count; i++) {
    multiply_plain(call, x, *call.in[i], to.y, to.bias, to.column, (float*)call.own);
    to.column += call.in[i]->last();
  }
}

int chunks_matmul(const Operands& o, int phase, int threads) {
  const int64_t m = o.in[Matmul::x]->rows();
  if ((takes_integers(o) || takes_bf16(o)) && phase-- == 0) return chunks_of(m * o.in[Matmul::x]->last(), kSerialElements, m, threads);
  if (phase != 0) return 0;
  if (!Matmul::read(o.attrs).transposed) {
    const int64_t work = m * o.in[Matmul::x]->last() * o.out[0]->last();
    return chunks_of(work, kPlainWork, plain_units(m, o.in[Matmul::w]->last()), threads);
  }
  int64_t units = 0, bytes = 0;
  for (int i = Matmul::w; i < o.in_count; i++) {
    const Tensor& w = *o.in[i];
    units += units_of(w, m);
    bytes += w.count() / dtype_info(w.dtype).block_size * dtype_info(w.dtype).block_bytes;
  }
  return chunks_of(bytes * (m < 8 ? m : 8), kChunkBytes, units, threads);
}

void op_outersum(const Call& call) { sum_outer(call, *call.in[Outersum::a], *call.in[Outersum::b], *call.out[0], (float*)call.own); }

int chunks_outersum(const Operands& o, int threads) {
  const Tensor &a = *o.in[Outersum::a], &y = *o.out[0];
  return chunks_of(a.rows() * y.count(), kPlainWork, plain_units(y.rows(), y.last()), threads);
}

void multiply_integers(const Tensor& w, const IntegerRows& rows, int64_t m, const Tensor& y, char* own) {
  multiply_integers(w, {0, w.rows()}, 1, rows, m, {y, nullptr, 0}, own);
}

void multiply_floats(const Tensor& w, const Tensor& x, const Tensor& y, char* own) {
  multiply_floats(w, {0, w.rows()}, x, {y, nullptr, 0}, own, (float*)(own + kSumBytes));
}

size_t scratch_of_products(int64_t m, int64_t k, bool integers) {
  int64_t own = kSumBytes + 4 * whole_runs(k) * rows_together(4 * whole_runs(k));
  if (integers && m >= kSpreadFrom) own = std::max(own, k / 32 * kMostSpreadBytes);
#if defined(SY_AMX)
  if (integers) own = std::max(own, unpacked_bytes(k));
#endif
  return align_up(own);
}

ScratchSize scratch_matmul(const Operands& o) {
  const Tensor& x = *o.in[Matmul::x];
  if (!Matmul::read(o.attrs).transposed) return {0, kStripBytes};
  int64_t made = 0;
  for (int i = Matmul::w; i < o.in_count; i++)
    with_packed_blocks(o.in[i]->dtype, [&](auto format) { made = std::max<int64_t>(made, kMadePanels * align_up(format.panel_bytes(x.last()))); });
  return {RoundedRows(o, nullptr).bytes, (size_t)made + scratch_of_products(x.rows(), x.last(), takes_integers(o))};
}

// Bytes of a weight in panels; 0 when it is read as published.
size_t packed_bytes(const Tensor& w) {
  size_t bytes = 0;
  with_packed_format(packed_dtype(w), [&](auto format) { bytes = (w.rows() + kPanelRows - 1) / kPanelRows * format.panel_bytes(w.last()); });
  return bytes;
}

void pack_panel(const Tensor& w, int64_t panel, char* to) {
  const int64_t first = panel * kPanelRows, count = std::min<int64_t>(kPanelRows, w.rows() - first);
  if (w.exponents) return pack_microscaled(w, first, count, (uint8_t*)to);
  with_packed_format(w.dtype, [&](auto format) {
    format.pack(w.block_row(first), count, w.last(), (uint8_t*)to);
  });
}

}  // namespace steelyard::SY_LEVEL
