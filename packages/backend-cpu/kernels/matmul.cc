// y = x w^T + bias for weights in any format, several weights side by side.
//
// Floors. Decode (one row of x): bytes of w over memory bandwidth; every byte is read once, by one thread. Prefill:
// 2 M N K operations over the rate of the dot-product unit; a panel of w stays in the cache for all rows of x.
//
// A row of y depends on its own row of x and on w only: one and many rows of x take the same operations in the same
// order, so output is bit-identical whatever the batch and the number of threads.
#include <algorithm>

#include "float-tile.h"
#include "packed-tile.h"
#include "plain-product.h"
#include "published-rows.h"
#if defined(SY_AMX)
#include "amx-bytes.h"
#endif

namespace steelyard::SY_LEVEL {
namespace {

// From so many rows of activations on panels are spread out for them, unless they are nearly so already.
constexpr int64_t kSpreadFrom = kLanes >= 8 ? 12 : INT64_MAX;
// Weights are dealt out by this many rows to m rows of activations: by panels, as many as are spread out together.
constexpr int64_t unit_rows(int64_t m) { return kPanelRows * (m >= kSpreadFrom ? kSpreadPanels : 1); }
// Bytes of weights that a chunk should have at least, for its share of the work to outweigh its claim.
constexpr int64_t kChunkBytes = 48 << 10;
// Multiply-adds, likewise, of a product by columns.
constexpr int64_t kPlainWork = 1 << 18;

bool is_block(DType dtype) {
  return with_block_format(dtype, [](auto) {});
}

IntegerRows integer_rows(const Call& call, const Tensor& x, bool narrow) { return {call.shared, x.last() / 32, narrow}; }

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
void multiply_packed_rows(const uint8_t* panel, const IntegerRows& rows, int64_t m, int64_t n, int64_t width, const Place& to) {
  IntegerRow x[kM];
  for (int i = 0; i < kM; i++) x[i] = rows.row(m + i);
  for (int part = 0; part * kLanes < width; part += kN) {
    vf out[kN][kM];
    multiply_tile<Format, kN, kM, kForm>(panel, rows.runs, part, x, out);
    for (int p = 0; p < kN; p++)
      for (int i = 0; i < kM; i++) to.put(m + i, n + (part + p) * kLanes, out[p][i], width - (part + p) * kLanes);
  }
}

// Parts of a panel and rows of activations that are taken at once, as many as registers hold; with one row alone, parts
// share what narrow vectors load of it.
template <Form kForm>
constexpr int kTileRows = kLanes == 16 && kForm != Form::planes ? 8 : 4;
#if defined(__wasm__) || defined(SY_NEON)
template <class Format>
constexpr int kTileParts = Format::Scales::kHalves ? 1 : 2;
constexpr int kRowParts = 4;
#else
template <class Format>
constexpr int kTileParts = 1;
constexpr int kRowParts = kLanes == 8 ? 2 : 1;
#endif

constexpr int kSpreadRows = kLanes == 8 ? 3 : 4;
constexpr int kSpreadParts = 2;

// One panel, or those that are spread out together, of `width` rows that count, and rows [i, m) of activations.
template <class Format, int kN, int kM, Form kForm>
void multiply_panel(const uint8_t* panel, const IntegerRows& rows, int64_t i, int64_t m, int64_t n, int64_t width, const Place& to) {
  for (; i + kM <= m; i += kM) multiply_packed_rows<Format, kN, kM, kForm>(panel, rows, i, n, width, to);
  for (; i < m; i++) multiply_packed_rows<Format, kRowParts, 1, kForm>(panel, rows, i, n, width, to);
}

// Panels that are made at once where they are not there yet: the matrix unit takes two side by side.
#if defined(SY_AMX)
constexpr int kMadePanels = 2;
#else
constexpr int kMadePanels = 1;
#endif

template <class Format, Form kForm>
void multiply_packed(const Tensor& w, Range panels, const IntegerRows& rows, int64_t m, const Place& to, char* own) {
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
  if constexpr (kSpreadFrom < INT64_MAX && Format::Codes::kBits < 8) {
    if (m - first >= kSpreadFrom) {
      for (int64_t i = panels.begin; i < panels.end; i += kSpreadPanels) {
        // Beside a last one stands itself again; nothing comes of it.
        for (int64_t j = 0; j < kSpreadPanels; j++) spread_panel<Format>(panel(std::min(i + j, panels.end - 1)), k, (uint8_t*)own + j * 4 * kPanelRows);
        multiply_panel<SpreadOf<Format>, kSpreadParts, kSpreadRows, kForm>((const uint8_t*)own, rows, first, m, i * kPanelRows, width(i, std::min<int64_t>(kSpreadPanels, panels.end - i)), to);
      }
      return;
    }
  }
  for (int64_t i = panels.begin; i < panels.end; i++)
    multiply_panel<Format, kTileParts<Format>, kTileRows<kForm>, kForm>(panel(i), rows, first, m, i * kPanelRows, width(i, 1), to);
}

template <class Format, int kM, Form kForm>
void multiply_published_rows(const uint8_t* row, const IntegerRows& rows, int64_t m, int64_t n, const Place& to) {
  IntegerRow x[kM];
  float out[kM];
  for (int i = 0; i < kM; i++) x[i] = rows.row(m + i);
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

// Rows of float weights and of activations that make a tile.
constexpr int kFloatRows = 4;
#if defined(SY_NEON)
constexpr int kFloatTile = 4;
#else
constexpr int kFloatTile = kLanes == 16 ? 4 : 2;
#endif

template <int kN, int kM, class T>
void multiply_float_tile(const T* const* w, const Tensor& x, int64_t m, int64_t n, const Place& to) {
  const float* xs[kM];
  float out[kN][kM];
  for (int j = 0; j < kM; j++) xs[j] = x.f32(m + j);
  float_tile<kN, kM>(w, xs, x.last(), out);
  for (int i = 0; i < kN; i++)
    for (int j = 0; j < kM; j++) to.put(m + j, n + i, out[i][j]);
}

// Rows [n, n + count) of w. Each few rows of x meet all of them, which stay in the second cache, while they are in the first.
template <class T>
void multiply_float_rows(const T* const* w, int64_t count, const Tensor& x, int64_t n, const Place& to) {
  const auto meet = [&](auto rows, int64_t m) {
    int64_t i = 0;
    // With one row of x too: a chain of multiply-adds alone would wait for itself, not for memory.
    for (; i + kFloatRows <= count; i += kFloatRows) multiply_float_tile<kFloatRows, rows.value>(w + i, x, m, n + i, to);
    for (; i < count; i++) multiply_float_tile<1, rows.value>(w + i, x, m, n + i, to);
  };
  int64_t m = 0;
  for (; m + kFloatTile <= x.rows(); m += kFloatTile) meet(std::integral_constant<int, kFloatTile>{}, m);
  for (; m < x.rows(); m++) meet(std::integral_constant<int, 1>{}, m);
}

// Rows of w that are taken together, of k columns: as many as fit half a megabyte of floats.
constexpr int64_t kMostRows = 64;
int64_t rows_together(int64_t k) {
  const int64_t fit = (512 << 10) / (4 * k) / kFloatRows * kFloatRows;
  return std::min(std::max<int64_t>(fit, kFloatRows), kMostRows);
}

// In place, or decoded to `buffer` when many rows of x share that or the format asks for it.
void multiply_floats(const Tensor& w, Range mine, const Tensor& x, const Place& to, float* buffer) {
  const int64_t k = x.last(), together = rows_together(k);
  const bool shared = x.rows() > 2 * kFloatTile;
  for (int64_t n = mine.begin, count; n < mine.end; n += count) {
    count = std::min(together, mine.end - n);
    const uint8_t* rows[kMostRows];
    for (int64_t i = 0; i < count; i++) rows[i] = w.block_row(n + i);
    if (w.dtype == DType::f32) multiply_float_rows((const float* const*)rows, count, x, n, to);
    else if (w.dtype == DType::f16 && !shared) multiply_float_rows((const uint16_t* const*)rows, count, x, n, to);
    else if (w.dtype == DType::bf16 && !shared) multiply_float_rows((const Bf16* const*)rows, count, x, n, to);
    else {
      const float* decoded[kMostRows];
      for (int64_t i = 0; i < count; i++) {
        decode_row(w.dtype, rows[i], buffer + i * k, k);
        decoded[i] = buffer + i * k;
      }
      multiply_float_rows(decoded, count, x, n, to);
    }
  }
}

// Rows of one weight, from a panel's first on.
void multiply_rows(const Call& call, const Tensor& w, Range mine, const Tensor& x, bool narrow, const Place& to) {
  const IntegerRows rows = integer_rows(call, x, narrow);
  const int64_t m = x.rows();
  const Range panels = {mine.begin / kPanelRows, (mine.end + kPanelRows - 1) / kPanelRows};
  bool done = call.integer_activations && w.panels && with_packed_format(w.dtype, [&](auto format) {
    if (narrow) multiply_packed<decltype(format), form_of(true)>(w, panels, rows, m, to, call.own);
    else multiply_packed<decltype(format), form_of(false)>(w, panels, rows, m, to, call.own);
  });
  done = done || (call.integer_activations && with_block_format(w.dtype, [&](auto format) {
    if (narrow) multiply_blocks<decltype(format), form_of(true)>(w, mine, rows, m, to);
    else multiply_blocks<decltype(format), form_of(false)>(w, mine, rows, m, to);
  }));
  if (!done) multiply_floats(w, mine, x, to, (float*)call.own);
}

int64_t units_of(const Tensor& w, int64_t m) { return (w.rows() + unit_rows(m) - 1) / unit_rows(m); }

// This chunk's units of all weights side by side.
void multiply_transposed(const Call& call, const Tensor& x, bool narrow, Place to) {
  const int64_t m = x.rows(), size = unit_rows(m);
  int64_t total = 0;
  for (int i = Matmul::w; i < call.in_count; i++) total += units_of(*call.in[i], m);
  Range mine = share(call, total);
  for (int i = Matmul::w; i < call.in_count; i++) {
    const Tensor& w = *call.in[i];
    const int64_t units = units_of(w, m), begin = std::max<int64_t>(mine.begin, 0), end = std::min(mine.end, units);
    if (begin < end) multiply_rows(call, w, {begin * size, std::min(end * size, w.rows())}, x, narrow, to);
    mine = {mine.begin - units, mine.end - units};
    to.column += w.rows();
  }
}

// Whether rows of x become integers first, in a phase of their own.
bool takes_integers(const Operands& o) {
  if (!Matmul::read(o.attrs).transposed) return false;
  for (int i = Matmul::w; i < o.in_count; i++)
    if (is_block(o.in[i]->dtype)) return true;
  return false;
}

}  // namespace

void op_matmul(const Call& call) {
  const Tensor &x = *call.in[Matmul::x], *bias = call.in[Matmul::bias];
  const auto attrs = Matmul::read(call.attrs);
  if (call.phase == 0 && takes_integers({call.in, call.in_count, call.out, call.attrs})) {
    const IntegerRows rows = integer_rows(call, x, attrs.narrow);
    Range mine = share(call, x.rows());
    for (int64_t i = mine.begin; i < mine.end; i++) {
      if (attrs.narrow) quantise_row<true>(x.f32(i), rows, i);
      else quantise_row<false>(x.f32(i), rows, i);
    }
    return;
  }
  Place to = {*call.out[0], bias ? bias->f32() : nullptr, 0};
  if (attrs.transposed) {
    multiply_transposed(call, x, attrs.narrow, to);
    return;
  }
  for (int i = Matmul::w; i < call.in_count; i++) {
    multiply_plain(call, x, *call.in[i], to.y, to.bias, to.column, (float*)call.own);
    to.column += call.in[i]->last();
  }
}

int chunks_matmul(const Operands& o, int phase, int threads) {
  const int64_t m = o.in[Matmul::x]->rows();
  if (takes_integers(o) && phase-- == 0) return chunks_of(m * o.in[Matmul::x]->last(), kSerialElements, m, threads);
  if (phase != 0) return 0;
  if (!Matmul::read(o.attrs).transposed) {
    const int64_t work = m * o.in[Matmul::x]->last() * o.out[0]->last();
    return chunks_of(work, kPlainWork, plain_units(*o.in[Matmul::x], *o.in[Matmul::w]), threads);
  }
  int64_t units = 0, bytes = 0;
  for (int i = Matmul::w; i < o.in_count; i++) {
    const Tensor& w = *o.in[i];
    units += units_of(w, m);
    bytes += w.count() / dtype_info(w.dtype).block_size * dtype_info(w.dtype).block_bytes;
  }
  return chunks_of(bytes * (m < 8 ? m : 8), kChunkBytes, units, threads);
}

ScratchSize scratch_matmul(const Operands& o) {
  const Tensor& x = *o.in[Matmul::x];
  if (!Matmul::read(o.attrs).transposed) return {0, kStripBytes};
  int64_t own = x.last() * rows_together(x.last()) * 4;
  if (!takes_integers(o)) return {0, align_up(own)};
  const int64_t runs = x.last() / 32, spread = x.rows() >= kSpreadFrom ? runs * kMostSpreadBytes : 0;
  own = spread > own ? spread : own;
#if defined(SY_AMX)
  own = own > unpacked_bytes(x.last()) ? own : unpacked_bytes(x.last());
#endif
  int64_t made = 0;
  for (int i = Matmul::w; i < o.in_count; i++)
    with_packed_format(o.in[i]->dtype, [&](auto format) { made = std::max<int64_t>(made, kMadePanels * align_up(format.panel_bytes(x.last()))); });
  return {IntegerRows{nullptr, runs, false}.bytes(x.rows()), align_up(made + own)};
}

// Bytes of a weight in panels; 0 when it is read as published.
size_t packed_bytes(const Tensor& w) {
  size_t bytes = 0;
  with_packed_format(w.dtype, [&](auto format) { bytes = (w.rows() + kPanelRows - 1) / kPanelRows * format.panel_bytes(w.last()); });
  return bytes;
}

void pack_panel(const Tensor& w, int64_t panel, char* to) {
  with_packed_format(w.dtype, [&](auto format) {
    const int64_t first = panel * kPanelRows;
    format.pack(w.block_row(first), std::min<int64_t>(kPanelRows, w.rows() - first), w.last(), (uint8_t*)to);
  });
}

}  // namespace steelyard::SY_LEVEL
