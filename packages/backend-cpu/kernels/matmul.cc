// y = x w^T + bias for weights in any format, several weights side by side.
//
// Floors. Decode (one row of x): bytes of w over memory bandwidth; every byte is read once, by one thread.
// Prefill: 2 M N K operations over the rate of the dot-product unit; a tile of weight rows is unpacked once and
// used for every row of x.
//
// A row of y depends on its own row of x and on w only: one and many rows of x take the same operations in the same
// order, so output is bit-identical whatever the batch and the number of threads.
#include "byte-dot.h"
#include "decode.h"

namespace steelyard::SY_LEVEL {
namespace {

// Weight rows unpacked together.
constexpr int kRowTile = 4;

// Rows of x quantised to 16 bits in runs of 32, as two planes of bytes, n = 256 * high + low, so that the byte-product
// instructions apply: one plane alone (8 bits) costs a model a mean KL of 0.003, two cost nothing measurable. With a
// float scale a run and, for the offsets of w, the scaled sums of its halves.
struct QuantisedRows {
  int8_t* q;     // [M, K / 32, 2, 32]: the high bytes of a run, then the low; or [M, K] whole numbers, see kBytePlanes
  float* scale;  // [M, K / 32]
  float* sums;   // [M, half_runs(K)]: K / 16, then zeros
};

// Numbers to a half run, as whole vectors.
int64_t half_runs(int64_t k) { return (k / 16 + kLanes - 1) / kLanes * kLanes; }

size_t quantised_bytes(int64_t m, int64_t k) {
  return align_up(2 * m * k) + align_up(m * k / 32 * 4) + align_up(m * half_runs(k) * 4);
}

QuantisedRows place(char* memory, int64_t m, int64_t k) {
  QuantisedRows rows;
  rows.q = (int8_t*)memory;
  rows.scale = (float*)(memory + align_up(2 * m * k));
  rows.sums = (float*)(memory + align_up(2 * m * k) + align_up(m * k / 32 * 4));
  return rows;
}

// The largest magnitude becomes this: its high byte is then at most 127.
constexpr float kTop = 32512.0f;

// Round to nearest even, so that scalar and vector levels agree. A run with a value that is not finite gets a scale of
// NaN: what went wrong upstream must show in the result.
void quantise_row(const float* x, int64_t k, int8_t* q, float* scale, float* sums) {
  const vf magic = splat(12582912.0f);  // 1.5 * 2^23 rounds to integer
  for (int64_t run = 0; run < k / 32; run++) {
    const float* from = x + run * 32;
    vf peak = {}, bad = {};
    for (int i = 0; i < 32; i += kLanes) {
      vf v = load(from + i);
      peak = max((vf)((vi)v & 0x7fffffff), peak);
      bad = fma(v, vf{}, bad);
    }
    float top = max_of(peak), trouble = sum(bad);
    bool finite = trouble == 0;
    // What is next to nothing becomes zero: its inverse would be infinite.
    vf inverse = splat(finite && top > 1e-30f ? kTop / top : 0);
    int32_t rounded[32];
    for (int i = 0; i < 32; i += kLanes) {
      vf v = finite ? load(from + i) : vf{};
      vi n = __builtin_convertvector((v * inverse + magic) - magic, vi);
      __builtin_memcpy(rounded + i, &n, sizeof n);
    }
    int halves[2] = {0, 0};
    for (int i = 0; i < 32; i++) {
      if constexpr (kBytePlanes) {
        int high = (rounded[i] + 128) >> 8;
        q[run * 64 + i] = (int8_t)high;
        q[run * 64 + 32 + i] = (int8_t)(rounded[i] - high * 256);
      } else {
        ((int16_t*)q)[run * 32 + i] = (int16_t)rounded[i];
      }
      halves[i / 16] += rounded[i];
    }
    float d = top / kTop + trouble;
    scale[run] = d;
    sums[2 * run] = d * halves[0];
    sums[2 * run + 1] = d * halves[1];
  }
  for (int64_t i = k / 16; i < half_runs(k); i++) sums[i] = 0;
}

// Up to kRowTile weight rows unpacked: bytes, and per run of 16 a scale and an offset.
struct Panel {
  uint8_t* u;      // [kRowTile, K]
  float* scale;    // [kRowTile, half_runs(K)]
  float* offset;   // [kRowTile, half_runs(K)]: K / 16, then zeros
};

size_t panel_bytes(int64_t k) { return align_up(kRowTile * k) + 2 * align_up(kRowTile * half_runs(k) * 4); }

Panel place_panel(char* memory, int64_t k) {
  Panel panel;
  panel.u = (uint8_t*)memory;
  panel.scale = (float*)(memory + align_up(kRowTile * k));
  panel.offset = (float*)(memory + align_up(kRowTile * k) + align_up(kRowTile * half_runs(k) * 4));
  return panel;
}

template <class Format>
void unpack_row(const uint8_t* row, int64_t k, uint8_t* u, float* scale, float* offset) {
  Unpacked r;
  for (int64_t run = 0; run < k / 32; run++) {
    Format::unpack(row, run, r);
    std::memcpy(u + run * 32, &r.u, 32);
    std::memcpy(scale + run * 2, r.scale, 8);
    std::memcpy(offset + run * 2, r.offset, 8);
  }
  for (int64_t i = k / 16; i < half_runs(k); i++) offset[i] = 0;
}

// One row of x: unpack in registers, use, forget.
template <class Format>
float dot_block_row(const uint8_t* row, const QuantisedRows& x, int64_t k, float* offsets) {
  Unpacked r;
  Acc acc = zero_acc();
  for (int64_t run = 0; run < k / 32; run++) {
    Format::unpack(row, run, r);
    offsets[2 * run] = r.offset[0];
    offsets[2 * run + 1] = r.offset[1];
    acc = accumulate(acc, r.u, x.q + run * 64, two_scales(r.scale), x.scale[run]);
  }
  for (int64_t i = k / 16; i < half_runs(k); i++) offsets[i] = 0;
  return finish(acc, offsets, x.sums, half_runs(k));
}

// kRowTile weight rows by MT rows of x, from first_x on.
template <int MT>
void tile(const Panel& panel, int n_rows, const QuantisedRows& x, int64_t first_x, int64_t k, const Tensor& y, int64_t column) {
  const int64_t runs = k / 32, halves = half_runs(k);
  for (int n = 0; n < n_rows; n++) {
    const uint8_t* u = panel.u + n * k;
    const float *scale = panel.scale + n * halves, *offset = panel.offset + n * halves;
    Acc acc[MT];
    for (int m = 0; m < MT; m++) acc[m] = zero_acc();
    for (int64_t run = 0; run < runs; run++) {
      Bytes32 bytes = load_bytes(u + run * 32);
      Scales scales = two_scales(scale + 2 * run);
      for (int m = 0; m < MT; m++) {
        int64_t row = first_x + m;
        acc[m] = accumulate(acc[m], bytes, x.q + row * 2 * k + run * 64, scales, x.scale[row * runs + run]);
      }
    }
    for (int m = 0; m < MT; m++) {
      int64_t row = first_x + m;
      y.f32(row)[column + n] = finish(acc[m], offset, x.sums + row * halves, halves);
    }
  }
}

template <class Format>
void multiply_blocks(const Tensor& w, Range rows, const QuantisedRows& x, int64_t m, int64_t k, const Tensor& y, int64_t column, char* own) {
  if (m == 1) {
    float* offsets = (float*)own;
    for (int64_t n = rows.begin; n < rows.end; n++) y.f32()[column + n] = dot_block_row<Format>(w.block_row(n), x, k, offsets);
    return;
  }
  Panel panel = place_panel(own, k);
  for (int64_t n = rows.begin; n < rows.end; n += kRowTile) {
    int count = (int)(rows.end - n < kRowTile ? rows.end - n : kRowTile);
    for (int i = 0; i < count; i++)
      unpack_row<Format>(w.block_row(n + i), k, panel.u + i * k, panel.scale + i * half_runs(k), panel.offset + i * half_runs(k));
    int64_t first = 0;
    for (; first + 4 <= m; first += 4) tile<4>(panel, count, x, first, k, y, column + n);
    for (; first < m; first++) tile<1>(panel, count, x, first, k, y, column + n);
  }
}

// Four rows of x against one weight row: each sums in the order of `dot`.
void dot4(const float* w, const float* const x[4], int64_t n, float out[4]) {
  vf s[4][4] = {};
  int64_t k = 0;
  for (; k + 4 * kLanes <= n; k += 4 * kLanes)
    for (int j = 0; j < 4; j++) {
      vf v = load(w + k + j * kLanes);
      for (int m = 0; m < 4; m++) s[m][j] = fma(load(x[m] + k + j * kLanes), v, s[m][j]);
    }
  for (; k + kLanes <= n; k += kLanes) {
    vf v = load(w + k);
    for (int m = 0; m < 4; m++) s[m][0] = fma(load(x[m] + k), v, s[m][0]);
  }
  for (int m = 0; m < 4; m++) out[m] = sum((s[m][0] + s[m][1]) + (s[m][2] + s[m][3]));
  for (; k < n; k++)
    for (int m = 0; m < 4; m++) out[m] = fma(x[m][k], w[k], out[m]);
}

void multiply_floats(const Tensor& w, Range rows, const Tensor& x, const Tensor& y, int64_t column, float* buffer) {
  const int64_t k = x.last(), m = x.rows();
  for (int64_t n = rows.begin; n < rows.end; n++) {
    const float* row = (const float*)w.block_row(n);
    if (w.dtype != DType::f32 || (uintptr_t)row % 4 != 0) {
      decode_row(w.dtype, w.block_row(n), buffer, k);
      row = buffer;
    }
    int64_t i = 0;
    for (; i + 4 <= m; i += 4) {
      const float* xs[4] = {x.f32(i), x.f32(i + 1), x.f32(i + 2), x.f32(i + 3)};
      float out[4];
      dot4(row, xs, k, out);
      for (int j = 0; j < 4; j++) y.f32(i + j)[column + n] = out[j];
    }
    for (; i < m; i++) y.f32(i)[column + n] = dot(x.f32(i), row, k);
  }
}

// w is [K, N]: y's columns are sums of its rows. Columns are taken in strips that stay in the cache.
void multiply_plain(const Call& call, const Tensor& x, const Tensor& w, const Tensor& y) {
  const int64_t m = x.rows(), k = x.last(), n = w.last();
  const int64_t block = dtype_info(w.dtype).block_size, strip = 256;
  float* row = (float*)call.own;
  Range columns = split(n, call.thread, call.threads, strip);
  for (int64_t c = columns.begin; c < columns.end; c += strip) {
    int64_t width = columns.end - c < strip ? columns.end - c : strip;
    for (int64_t i = 0; i < m; i++) std::memset(y.f32(i) + c, 0, width * 4);
    for (int64_t j = 0; j < k; j++) {
      decode_row(w.dtype, w.block_row(j) + c / block * dtype_info(w.dtype).block_bytes, row, width);
      for (int64_t i = 0; i < m; i++) {
        float factor = x.f32(i)[j], *to = y.f32(i) + c;
        for (int64_t l = 0; l < width; l++) to[l] = fma(factor, row[l], to[l]);
      }
    }
  }
}

bool is_block(DType dtype) {
  return with_block_format(dtype, [](auto) {});
}

void add_bias(const Call& call, const Tensor& bias, const Tensor& y) {
  Range columns = split(y.last(), call.thread, call.threads, 64);
  for (int64_t i = 0; i < y.rows(); i++)
    for (int64_t c = columns.begin; c < columns.end; c++) y.f32(i)[c] += bias.f32()[c];
}

}  // namespace

void op_matmul(const Call& call) {
  const Tensor &x = *call.in[Matmul::x], &y = *call.out[0];
  const Tensor* bias = call.in[Matmul::bias];
  const int64_t m = x.rows(), k = x.last();
  bool transposed = Matmul::read(call.attrs).transposed;
  bool quantise = false;
  for (int i = Matmul::w; i < call.in_count; i++)
    quantise |= transposed && call.integer_activations && is_block(call.in[i]->dtype);

  QuantisedRows rows = {};
  if (quantise) {
    // A single row is quantised by every thread for itself: cheaper than a barrier.
    bool alone = m == 1;
    rows = place(alone ? call.own + panel_bytes(k) : call.shared, m, k);
    Range mine = alone ? Range{0, 1} : split(m, call.thread, call.threads);
    for (int64_t i = mine.begin; i < mine.end; i++)
      quantise_row(x.f32(i), k, rows.q + i * 2 * k, rows.scale + i * (k / 32), rows.sums + i * half_runs(k));
    if (!alone) call.barrier();
  }

  int64_t column = 0;
  for (int i = Matmul::w; i < call.in_count; i++) {
    const Tensor& w = *call.in[i];
    if (!transposed) {
      multiply_plain(call, x, w, y);
      column += w.last();
      continue;
    }
    Range mine = split(w.rows(), call.thread, call.threads, kRowTile);
    bool done = call.integer_activations && with_block_format(w.dtype, [&](auto format) {
      multiply_blocks<decltype(format)>(w, mine, rows, m, k, y, column, call.own);
    });
    if (!done) multiply_floats(w, mine, x, y, column, (float*)call.own);
    column += w.rows();
  }
  if (bias) {
    call.barrier();
    add_bias(call, *bias, y);
  }
}

size_t scratch_matmul_shared(int64_t m, int64_t k) { return quantised_bytes(m, k); }
size_t scratch_matmul_own(int64_t k) { return panel_bytes(k) + quantised_bytes(1, k) + align_up(k * 4) + 4096; }

}  // namespace steelyard::SY_LEVEL
