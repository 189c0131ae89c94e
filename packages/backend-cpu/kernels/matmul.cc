// y = x w^T + bias for weights in any format, several weights side by side.
//
// Floors. Decode (one row of x): bytes of w over memory bandwidth; every byte is read once, by one thread. Prefill:
// 2 M N K operations over the rate of the dot-product unit; a panel of w stays in the cache for all rows of x.
//
// A row of y depends on its own row of x and on w only: one and many rows of x take the same operations in the same
// order, so output is bit-identical whatever the batch and the number of threads.
#include "float-tile.h"
#include "packed-tile.h"
#include "plain-product.h"
#include "published-rows.h"
#if defined(SY_AMX)
#include "amx-bytes.h"
#endif

namespace steelyard::SY_LEVEL {
namespace {

// Weights are dealt out by this many rows; so are packed panels.
constexpr int64_t kUnit = kPanelRows;
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
  for (int part = 0; part < kParts && part * kLanes < width; part += kN) {
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

// From so many rows of activations on a panel is spread out for them, unless it is nearly so already.
constexpr int64_t kSpreadFrom = kLanes >= 8 ? 12 : INT64_MAX;
template <Form kForm>
constexpr int kSpreadRows = kLanes == 8 ? 3 : kTileRows<kForm>;
constexpr int kSpreadParts = kLanes == 8 ? 2 : 1;

// One panel, of `width` rows that count, and rows [i, m) of activations.
template <class Format, int kN, int kM, Form kForm>
void multiply_panel(const uint8_t* panel, const IntegerRows& rows, int64_t i, int64_t m, int64_t n, int64_t width, const Place& to) {
  for (; i + kM <= m; i += kM) multiply_packed_rows<Format, kN, kM, kForm>(panel, rows, i, n, width, to);
  for (; i < m; i++) multiply_packed_rows<Format, kRowParts, 1, kForm>(panel, rows, i, n, width, to);
}

template <class Format, Form kForm>
void multiply_packed(const Tensor& w, Range units, const IntegerRows& rows, int64_t m, const Place& to, char* own) {
  const int64_t k = rows.runs * 32, panel_bytes = Format::panel_bytes(k);
  int64_t first = 0;
#if defined(SY_AMX)
  first = multiply_matrix<Format, kForm>((const uint8_t*)w.packed, units, rows, m, (uint8_t*)own, [&](int64_t row, int64_t n, vf lanes) { to.put(row, n, lanes, w.rows() - n); });
  if (first == m) return;
#endif
  for (int64_t unit = units.begin; unit < units.end; unit++) {
    const uint8_t* panel = (const uint8_t*)w.packed + unit * panel_bytes;
    const int64_t n = unit * kUnit, width = w.rows() - n < kUnit ? w.rows() - n : kUnit;
    if constexpr (kSpreadFrom < INT64_MAX && Format::Codes::kBits < 8) {
      if (m - first >= kSpreadFrom) {
        spread_panel<Format>(panel, k, (uint8_t*)own);
        multiply_panel<SpreadOf<Format>, kSpreadParts, kSpreadRows<kForm>, kForm>((const uint8_t*)own, rows, first, m, n, width, to);
        continue;
      }
    }
    multiply_panel<Format, kTileParts<Format>, kTileRows<kForm>, kForm>(panel, rows, first, m, n, width, to);
  }
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
void multiply_blocks(const Tensor& w, Range units, const IntegerRows& rows, int64_t m, const Place& to) {
  int64_t end = units.end * kUnit < w.rows() ? units.end * kUnit : w.rows();
  for (int64_t n = units.begin * kUnit; n < end; n++) {
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

template <int kN, class T>
void multiply_float_rows(const T* const* w, const Tensor& x, int64_t n, const Place& to) {
  int64_t m = 0;
  for (; m + kFloatTile <= x.rows(); m += kFloatTile) multiply_float_tile<kN, kFloatTile>(w, x, m, n, to);
  for (; m < x.rows(); m++) multiply_float_tile<kN, 1>(w, x, m, n, to);
}

// Rows [n, n + kN) of w, in place, or decoded to `buffer` when many rows of x share that or the format asks for it.
template <int kN>
void multiply_float_group(const Tensor& w, const Tensor& x, int64_t n, const Place& to, float* buffer) {
  const int64_t k = x.last();
  const uint8_t* rows[kN];
  for (int i = 0; i < kN; i++) rows[i] = w.block_row(n + i);
  const bool shared = x.rows() > 2 * kFloatTile;
  if (w.dtype == DType::f32) return multiply_float_rows<kN>((const float* const*)rows, x, n, to);
  if (w.dtype == DType::f16 && !shared) return multiply_float_rows<kN>((const uint16_t* const*)rows, x, n, to);
  if (w.dtype == DType::bf16 && !shared) return multiply_float_rows<kN>((const Bf16* const*)rows, x, n, to);
  const float* decoded[kN];
  for (int i = 0; i < kN; i++) {
    decode_row(w.dtype, rows[i], buffer + i * k, k);
    decoded[i] = buffer + i * k;
  }
  multiply_float_rows<kN>(decoded, x, n, to);
}

void multiply_floats(const Tensor& w, Range units, const Tensor& x, const Place& to, float* buffer) {
  const int64_t end = units.end * kUnit < w.rows() ? units.end * kUnit : w.rows();
  int64_t n = units.begin * kUnit;
  // With one row of x too: a chain of multiply-adds alone would wait for itself, not for memory.
  for (; n + kFloatRows <= end; n += kFloatRows) multiply_float_group<kFloatRows>(w, x, n, to, buffer);
  for (; n < end; n++) multiply_float_group<1>(w, x, n, to, buffer);
}

// Units [begin, end) of one weight.
void multiply_units(const Call& call, const Tensor& w, Range units, const Tensor& x, bool narrow, const Place& to) {
  const IntegerRows rows = integer_rows(call, x, narrow);
  const int64_t m = x.rows();
  bool done = call.integer_activations && w.packed && with_packed_format(w.dtype, [&](auto format) {
    if (narrow) multiply_packed<decltype(format), form_of(true)>(w, units, rows, m, to, call.own);
    else multiply_packed<decltype(format), form_of(false)>(w, units, rows, m, to, call.own);
  });
  done = done || (call.integer_activations && with_block_format(w.dtype, [&](auto format) {
    if (narrow) multiply_blocks<decltype(format), form_of(true)>(w, units, rows, m, to);
    else multiply_blocks<decltype(format), form_of(false)>(w, units, rows, m, to);
  }));
  if (!done) multiply_floats(w, units, x, to, (float*)call.own);
}

int64_t units_of(const Tensor& w) { return (w.rows() + kUnit - 1) / kUnit; }

// This chunk's units of all weights side by side.
void multiply_transposed(const Call& call, const Tensor& x, bool narrow, Place to) {
  int64_t total = 0;
  for (int i = Matmul::w; i < call.in_count; i++) total += units_of(*call.in[i]);
  Range mine = share(call, total);
  for (int i = Matmul::w; i < call.in_count; i++) {
    const Tensor& w = *call.in[i];
    int64_t units = units_of(w), begin = mine.begin > 0 ? mine.begin : 0, end = mine.end < units ? mine.end : units;
    if (begin < end) multiply_units(call, w, {begin, end}, x, narrow, to);
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
    units += units_of(w);
    bytes += w.count() / dtype_info(w.dtype).block_size * dtype_info(w.dtype).block_bytes;
  }
  return chunks_of(bytes * (m < 8 ? m : 8), kChunkBytes, units, threads);
}

ScratchSize scratch_matmul(const Operands& o) {
  const Tensor& x = *o.in[Matmul::x];
  if (!Matmul::read(o.attrs).transposed) return {0, kStripBytes};
  int64_t own = (x.last() > 64 ? x.last() : 64) * kFloatRows * 4;
  if (!takes_integers(o)) return {0, align_up(own)};
  const int64_t runs = x.last() / 32, spread = x.rows() >= kSpreadFrom ? runs * kMostSpreadBytes : 0;
  own = spread > own ? spread : own;
#if defined(SY_AMX)
  own = own > unpacked_bytes(x.last()) ? own : unpacked_bytes(x.last());
#endif
  return {IntegerRows{nullptr, runs, false}.bytes(x.rows()), align_up(own)};
}

// Bytes of a weight in panels; 0 when it is read as published.
size_t packed_bytes(const Tensor& w) {
  size_t bytes = 0;
  with_packed_format(w.dtype, [&](auto format) { bytes = units_of(w) * format.panel_bytes(w.last()); });
  return bytes;
}

void pack_panel(const Tensor& w, int64_t panel, char* to) {
  with_packed_format(w.dtype, [&](auto format) {
    const int64_t first = panel * kPanelRows, k = w.last();
    uint8_t* at = (uint8_t*)to + panel * format.panel_bytes(k);
    for (int r = 0; r < kPanelRows && first + r < w.rows(); r++) format.pack_row(w.block_row(first + r), k, r, at);
  });
}

}  // namespace steelyard::SY_LEVEL
