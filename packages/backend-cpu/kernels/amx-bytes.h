// Many rows of integer activations times weights in panels, on the matrix unit (amx-tiles.h).
//
// A run of 32 columns of a panel is a tile as it stands, once its codes are bytes: row k holds column group k of 16 rows.
// Panels are unpacked once, two at a time, to bytes that stay in the second cache (32 K bytes for K columns), and meet all
// rows of activations, 32 at a time: two tiles by two. Each run has a scale, so its integer sums leave the tiles and become
// floats by the vector unit. They are the sums that byte products give, taken up in the same order: a row's result has the
// same bits by either unit, so that a prompt and a single token agree.
//
// Floor, of 32 rows by two panels and a run (32768 products): four tile products of 16 cycles beside 64 vectors of sums,
// each a conversion, a multiplication and a multiply-add on two ports: 96 cycles, where byte products take 350. Of 16-bit
// activations: 128 cycles beside 160, where byte products take 670.
#pragma once
#include "amx-tiles.h"
#include "packed.h"
#include "quantise.h"

namespace steelyard::SY_LEVEL {

// Fewer rows of activations than this are left to byte products.
constexpr int64_t kMatrixRows = 8;
constexpr int64_t kTileRows16 = 16;

// Bytes of two panels of k columns as codes.
inline int64_t unpacked_bytes(int64_t k) { return 2 * k * kPanelRows; }

// Codes of a panel as signed bytes without their zero point, 512 to a run.
template <class Format>
void unpack_panel(const uint8_t* panel, int64_t runs, uint8_t* to) {
  using Codes = typename Format::Codes;
  using Scales = typename Format::Scales;
  constexpr uint8_t kZero = (uint8_t)(Scales::kZero - Codes::kBias);
  for (int64_t run = 0; run < runs; run++, to += 512) {
    const uint8_t* codes = panel + run / Scales::kRuns * Format::kBlockBytes + Scales::kBlockBytes + run % Scales::kRuns * Format::kRunBytes + Scales::kBytes;
    for (int part = 0; part < kParts; part++, codes += 4 * kLanes) {
      auto place = [&](int group, vb u) {
        u -= kZero;
        __builtin_memcpy(to + 64 * group + 4 * kLanes * part, &u, sizeof u);
      };
      [&]<int... G>(std::integer_sequence<int, G...>) { (place(G, Codes::template group<G>(codes)), ...); }(std::make_integer_sequence<int, 8>{});
    }
  }
}

// Up to 32 rows of activations times one or two panels. Tiles 0 and 1 are activations, 2 and 3 weights, 4 to 7 sums.
template <class Format, Form kForm>
class MatrixBlock {
  using Scales = typename Format::Scales;
  static constexpr int kPlanes = kForm == Form::planes ? 2 : 1, kHalves = Scales::kHalves ? 2 : 1;
  // Sums of so many runs are held before they become floats: 16 KiB.
  static constexpr int kRuns = 4 / (kPlanes * kHalves);
  // Bytes of a row of an activation tile, and rows of a weight tile.
  static constexpr int kDepth = 32 / kHalves, kGroups = kDepth / 4;

 public:
  MatrixBlock(const IntegerRows& rows, const uint8_t* const* panels, const uint8_t* codes, int panel_count) : rows_(rows), panels_(panels), codes_(codes), panel_count_(panel_count) {}

  // Rows [first, first + count) of activations; put(row, panel, part, lanes).
  template <class Put>
  void multiply(int64_t first, int64_t count, Put put) {
    first_ = first;
    count_ = count;
    std::memset(acc_, 0, sizeof acc_);
    configure();
    for (int64_t run = 0; run < rows_.runs; run += kRuns) {
      const int64_t runs = rows_.runs - run < kRuns ? rows_.runs - run : kRuns;
      for (int64_t r = 0; r < runs; r++) add_run(run + r, r);
      for (int j = 0; j < panel_count_; j++)
        for (int part = 0; part < kParts; part++) add_floats(run, runs, j, part);
    }
    for (int j = 0; j < panel_count_; j++)
      for (int64_t m = 0; m < count; m++)
        for (int part = 0; part < kParts; part++) put(first + m, j, part, load(acc_[j][m] + part * kLanes));
  }

 private:
  int64_t rows_of(int tile) const { return tile == 0 ? (count_ < kTileRows16 ? count_ : kTileRows16) : count_ - rows_of(0); }

  // Tiles of the same shape need not be set up again.
  void configure() {
    if (configured_ == count_) return;
    configured_ = count_;
    TileConfig config;
    for (int j = 0; j < panel_count_; j++) config.set(2 + j, kGroups, 64);
    for (int i = 0; i < 2; i++) {
      if (rows_of(i) == 0) continue;
      config.set(i, rows_of(i), kDepth);
      for (int j = 0; j < panel_count_; j++) config.set(4 + 2 * i + j, rows_of(i), 64);
    }
    tiles_begin(config);
  }

  // Integer sums of a run to sums_[.][.][.][r].
  void add_run(int64_t run, int64_t r) {
    const int64_t stride = rows_.row_bytes();
    const int8_t* x = rows_.template row<kForm>(first_)[run].q;
    for (int h = 0; h < kHalves; h++) {
      const uint8_t* w = codes_ + run * 512 + h * kGroups * 64;
      tile_load<2>(w, 64);
      if (panel_count_ > 1) tile_load<3>(w + rows_.runs * 512, 64);
      for (int p = 0; p < kPlanes; p++) {
        add_rows<0>(x + 32 * p + kDepth * h, stride, sums_[r][h][p][0]);
        if (count_ > kTileRows16) add_rows<1>(x + kTileRows16 * stride + 32 * p + kDepth * h, stride, sums_[r][h][p][1]);
      }
    }
  }
  template <int kI>
  void add_rows(const int8_t* x, int64_t stride, int32_t (&to)[2][256]) {
    tile_load<kI>(x, stride);
    tile_zero<4 + 2 * kI>();
    tile_dot_bytes<4 + 2 * kI, kI, 2>();
    if (panel_count_ > 1) {
      tile_zero<5 + 2 * kI>();
      tile_dot_bytes<5 + 2 * kI, kI, 3>();
      tile_store<5 + 2 * kI>(to[1], 64);
    }
    tile_store<4 + 2 * kI>(to[0], 64);
  }

  // The floats of a part of panel j take up the sums of the runs, as many rows at a time as registers hold.
  void add_floats(int64_t run, int64_t runs, int j, int part) {
    int64_t m = 0;
    for (; m + 8 <= count_; m += 8) add_floats_of<8>(run, runs, j, part, m);
    for (; m < count_; m++) add_floats_of<1>(run, runs, j, part, m);
  }
  template <int kM>
  void add_floats_of(int64_t run, int64_t runs, int j, int part, int64_t m) {
    IntegerRow<kForm> x[kM];
    vf acc[kM];
    for (int i = 0; i < kM; i++) {
      x[i] = rows_.template row<kForm>(first_ + m + i);
      acc[i] = load(acc_[j][m + i] + part * kLanes);
    }
    for (int64_t r = 0; r < runs; r++) {
      const int64_t at = run + r;
      const uint8_t* block = panels_[j] + at / Scales::kRuns * Format::kBlockBytes;
      const uint8_t* from = block + Scales::kBlockBytes + at % Scales::kRuns * Format::kRunBytes;
      for (int h = 0; h < kHalves; h++) {
        const vf scale = Scales::scale(block, from, part, h);
        for (int i = 0; i < kM; i++) acc[i] = fma(total(r, h, j, m + i, part), scale * splat(x[i][at].scale), acc[i]);
      }
      if constexpr (Scales::kOffset) {
        const vf offset = Scales::offset(block, from, part);
        for (int i = 0; i < kM; i++) acc[i] = fma(offset, splat(x[i][at].scaled), acc[i]);
      }
    }
    for (int i = 0; i < kM; i++) store(acc_[j][m + i] + part * kLanes, acc[i]);
  }
  vf total(int64_t r, int h, int j, int64_t m, int part) const {
    vi plane[kPlanes];
    for (int p = 0; p < kPlanes; p++) __builtin_memcpy(&plane[p], sums_[r][h][p][m / kTileRows16][j] + m % kTileRows16 * 16 + part * kLanes, sizeof plane[p]);
    if constexpr (kPlanes == 2) return __builtin_convertvector((plane[0] << 8) + plane[1], vf);
    else return __builtin_convertvector(plane[0], vf);
  }

  const IntegerRows& rows_;
  const uint8_t* const* panels_;
  const uint8_t* codes_;
  int panel_count_;
  int64_t first_ = 0, count_ = 0, configured_ = -1;
  alignas(64) int32_t sums_[kRuns][kHalves][kPlanes][2][2][256];
  alignas(64) float acc_[2][2 * kTileRows16][kPanelRows];
};

// Units [begin, end) of a packed weight times the first rows of activations; returns how many rows were taken.
// panel(number, j) gives a panel, until it is asked for another of the same j; put(row, column, lanes); `codes`:
// unpacked_bytes of memory.
template <class Format, Form kForm, class Panel, class Put>
int64_t multiply_matrix(Panel panel, Range units, const IntegerRows& rows, int64_t m, uint8_t* codes, Put put) {
  const int64_t rest = m % (2 * kTileRows16), whole = rest < kMatrixRows ? m - rest : m;
  if (whole == 0) return 0;
  for (int64_t unit = units.begin; unit < units.end; unit += 2) {
    const int count = units.end - unit > 1 ? 2 : 1;
    const uint8_t* panels[2];
    for (int j = 0; j < count; j++) {
      panels[j] = panel(unit + j, j);
      unpack_panel<Format>(panels[j], rows.runs, codes + j * rows.runs * 512);
    }
    MatrixBlock<Format, kForm> block(rows, panels, codes, count);
    for (int64_t first = 0; first < whole; first += 2 * kTileRows16) {
      const int64_t left = whole - first < 2 * kTileRows16 ? whole - first : 2 * kTileRows16;
      block.multiply(first, left, [&](int64_t row, int j, int part, vf lanes) { put(row, (unit + j) * kPanelRows + part * kLanes, lanes); });
    }
  }
  tiles_done();
  return whole;
}

}  // namespace steelyard::SY_LEVEL
