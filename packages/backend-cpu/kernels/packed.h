// The layout that weights in blocks are repacked to at load: panels of 16 rows, so that a vector's lanes are rows and no
// sum crosses lanes. A panel holds, run of 32 columns by run, the rows' scales and then their codes in groups of four
// columns (four bytes to a row, 64 to a group), low nibbles group i and high nibbles group i + 4. Formats of
// super-blocks have their float scales once in eight runs. One layout serves every level; a level of fewer lanes takes
// a panel in parts. Rows beyond the last are zeros.
//
// Besides the tiles, single rows are read back from it, for weights that are repacked where they lie.
#pragma once
#include "byte-dot.h"
#include "decode.h"
#include "float-panels.h"

namespace steelyard::SY_LEVEL {

constexpr int kPanelRows = 16;
constexpr int kParts = kPanelRows / kLanes;

template <class Byte>
inline vf load_small(const uint8_t* p) {
  return __builtin_convertvector(load_widened<Byte>(p), vf);
}

inline void store_half(uint8_t* to, int row, const uint8_t* from) { std::memcpy(to + 2 * row, from, 2); }

// Halves of a run of four rows by their groups: byte 4 r + c of groups[g] is column 4 g + c of row r.
inline void transpose_fours(const vb16* rows, vb16* groups) {
  typedef int32_t Words __attribute__((vector_size(16)));
  typedef int64_t Pairs __attribute__((vector_size(16)));
  Pairs low[2], high[2];
  for (int i = 0; i < 2; i++) {
    const Words a = (Words)rows[2 * i], b = (Words)rows[2 * i + 1];
    low[i] = (Pairs)__builtin_shufflevector(a, b, 0, 4, 1, 5);
    high[i] = (Pairs)__builtin_shufflevector(a, b, 2, 6, 3, 7);
  }
  groups[0] = (vb16)__builtin_shufflevector(low[0], low[1], 0, 2);
  groups[1] = (vb16)__builtin_shufflevector(low[0], low[1], 1, 3);
  groups[2] = (vb16)__builtin_shufflevector(high[0], high[1], 0, 2);
  groups[3] = (vb16)__builtin_shufflevector(high[0], high[1], 1, 3);
}

inline void store16(uint8_t* to, vb16 v) { std::memcpy(to, &v, 16); }

// --- Codes: the small unsigned integers of a run.

// Groups of nibbles and, with kHighBits, a fifth bit of each: a plane of 64 bytes after the nibbles.
template <int kHighBits>
struct Nibbles {
  static constexpr int kBits = 4 + kHighBits, kBytes = 256 + 64 * kHighBits, kBias = 0;
  // Group kG of a part.
  template <int kG>
  static vb group(const uint8_t* codes) {
    vb u = moved<kG < 4 ? 0 : -4>(load_bytes(codes + 64 * (kG % 4)), 15);
    if constexpr (kHighBits == 1) u |= moved<4 - kG>(load_bytes(codes + 256), 16);
    return u;
  }
  // Column c of a row.
  static int at(const uint8_t* codes, int row, int c) {
    int group = c % 16 / 4, within = row * 4 + c % 4, high = c / 16;
    int u = codes[64 * group + within] >> 4 * high & 15;
    if constexpr (kHighBits == 1) u |= (codes[256 + within] >> (group + 4 * high) & 1) << 4;
    return u;
  }
  // Four rows from `row` on, by their groups.
  static void pack(uint8_t* codes, int row, const vb16 (&groups)[8]) {
    for (int g = 0; g < 4; g++) store16(codes + 64 * g + 4 * row, (groups[g] & 15) | moved_up(groups[g + 4] & 15, 4));
    if constexpr (kHighBits == 1) {
      vb16 plane = {};
      for (int g = 0; g < 8; g++) plane |= g < 4 ? moved_down(groups[g] & 16, 4 - g) : moved_up(groups[g] & 16, g - 4);
      store16(codes + 256 + 4 * row, plane);
    }
  }
};

// Codes of six bits, a group of every four in the two high bits of the three before it: one mask for most.
struct Sixes {
  static constexpr int kBits = 6, kBytes = 384, kBias = 0;
  template <int kG>
  static vb group(const uint8_t* codes) {
    codes += 192 * (kG / 4);
    if constexpr (kG % 4 < 3) return load_bytes(codes + 64 * (kG % 4)) & 63;
    else return moved<-6>(load_bytes(codes), 3) | moved<-4>(load_bytes(codes + 64), 12) | moved<-2>(load_bytes(codes + 128), 48);
  }
  static int at(const uint8_t* codes, int row, int c) {
    const uint8_t* from = codes + c / 16 * 192 + row * 4 + c % 4;
    const int group = c % 16 / 4;
    return group < 3 ? from[64 * group] & 63 : from[0] >> 6 | (from[64] >> 6) << 2 | (from[128] >> 6) << 4;
  }
  static void pack(uint8_t* codes, int row, const vb16 (&groups)[8]) {
    for (int half = 0; half < 2; half++)
      for (int g = 0; g < 3; g++) {
        const uint8_t pair = 3 << 2 * g;
        store16(codes + 192 * half + 64 * g + 4 * row, groups[4 * half + g] | moved_up(groups[4 * half + 3] & pair, 6 - 2 * g));
      }
  }
};

struct Bytes {
  // What the codes of `group` lack: products of signed bytes take them without it.
  static constexpr int kBits = 8, kBytes = 512, kBias = kSignedProducts ? 128 : 0;
  template <int kG>
  static vb group(const uint8_t* codes) {
    return load_bytes(codes + 64 * kG) ^ (uint8_t)kBias;
  }
  static int at(const uint8_t* codes, int row, int c) { return codes[c / 4 * 64 + row * 4 + c % 4]; }
  static void pack(uint8_t* codes, int row, const vb16 (&groups)[8]) {
    for (int g = 0; g < 8; g++) store16(codes + 64 * g + 4 * row, groups[g]);
  }
};

// Nibbles that number entries of a table. Its values are moved up by kUp, to be unsigned.
template <const int8_t* kTable, int kUp, int kValueBits>
struct Entries {
  static constexpr int kBits = kValueBits, kBytes = Nibbles<0>::kBytes, kBias = kBits == 8 ? Bytes::kBias : 0;
  struct Table {
    uint8_t values[16];
  };
  // As `group` gives them.
  static constexpr Table kValues = [] {
    Table t = {};
    for (int i = 0; i < 16; i++) t.values[i] = (uint8_t)(kTable[i] + kUp) ^ (uint8_t)kBias;
    return t;
  }();
  template <int kG>
  static vb group(const uint8_t* codes) {
    return looked_up(kValues.values, Nibbles<0>::group<kG>(codes));
  }
  static int at(const uint8_t* codes, int row, int c) { return kTable[Nibbles<0>::at(codes, row, c)] + kUp; }
};
// Published blocks whose codes are nibbles, low and high as in a panel: from kAt on, 16 bytes to a run.
template <int kBlockSize, int kAt, int kBlockRuns>
struct PublishedNibbles {
  static const uint8_t* codes(const uint8_t* row, int64_t run) { return row + run / kBlockRuns * kBlockSize + kAt + run % kBlockRuns * 16; }
};

// --- Scales: w = scale * (code - kZero), or scale * code + offset. `pack` takes a row's published block, for all its runs.

// One scale of 16 bits to a row and run.
template <int kZeroPoint, int kScaleAt>
struct HalfScale {
  static constexpr int kZero = kZeroPoint, kBytes = 32, kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = false, kHalves = false;
  static vf scale(const uint8_t*, const uint8_t* run, int part, int) { return load_halves(run + 2 * kLanes * part); }
  static void pack(uint8_t*, uint8_t* run, int64_t, int row, const uint8_t* block) { store_half(run, row, block + kScaleAt); }
};
// An exponent of 8 bits to a row and run, of which the scale is half: MXFP4's table is doubled.
struct ExponentScale {
  static constexpr int kZero = 12, kBytes = 16, kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = false, kHalves = false;
  static vf scale(const uint8_t*, const uint8_t* run, int part, int) {
    const vi e = load_widened<uint8_t>(run + kLanes * part), bits = e < 2 ? (e + 1) << 21 : (e - 1) << 23;
    return (vf)bits;
  }
  static void pack(uint8_t*, uint8_t* run, int64_t, int row, const uint8_t* block) { run[row] = block[0]; }
};
// A scale and an offset of 16 bits.
struct HalfScaleOffset {
  static constexpr int kZero = 0, kBytes = 64, kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = true, kHalves = false;
  static vf scale(const uint8_t*, const uint8_t* run, int part, int) { return load_halves(run + 2 * kLanes * part); }
  static vf offset(const uint8_t*, const uint8_t* run, int part) { return load_halves(run + 32 + 2 * kLanes * part); }
  static void pack(uint8_t*, uint8_t* run, int64_t, int row, const uint8_t* block) {
    store_half(run, row, block);
    store_half(run + 32, row, block + 2);
  }
};
// Q4_K and Q5_K: 6-bit scales and offsets, here a byte each, of two scales of 16 bits to a super-block.
struct SuperScaleOffset {
  static constexpr int kZero = 0, kBytes = 32, kBlockBytes = 64, kRuns = 8;
  static constexpr bool kOffset = true, kHalves = false;
  static vf scale(const uint8_t* block, const uint8_t* run, int part, int) {
    return load_halves(block + 2 * kLanes * part) * load_small<uint8_t>(run + kLanes * part);
  }
  static vf offset(const uint8_t* block, const uint8_t* run, int part) {
    return -(load_halves(block + 32 + 2 * kLanes * part) * load_small<uint8_t>(run + 16 + kLanes * part));
  }
  static void pack(uint8_t* to_block, uint8_t* runs, int64_t run_bytes, int row, const uint8_t* block) {
    store_half(to_block, row, block);
    store_half(to_block + 32, row, block + 2);
    // What `packed6` reads, four groups to a word.
    uint32_t words[3];
    std::memcpy(words, block + 4, 12);
    constexpr uint32_t kLow4 = 0x0f0f0f0f, kLow6 = 0x3f3f3f3f, kHigh2 = 0x30303030;
    const uint32_t scales[2] = {words[0] & kLow6, (words[2] & kLow4) | (words[0] >> 2 & kHigh2)};
    const uint32_t offsets[2] = {words[1] & kLow6, (words[2] >> 4 & kLow4) | (words[1] >> 2 & kHigh2)};
    for (int g = 0; g < 8; g++) {
      runs[g * run_bytes + row] = (uint8_t)(scales[g / 4] >> 8 * (g % 4));
      runs[g * run_bytes + 16 + row] = (uint8_t)(offsets[g / 4] >> 8 * (g % 4));
    }
  }
};
// Q6_K: signed bytes, one to 16 columns, of one scale of 16 bits to a super-block.
struct SuperHalfScales {
  static constexpr int kZero = 32, kBytes = 32, kBlockBytes = 32, kRuns = 8;
  static constexpr bool kOffset = false, kHalves = true;
  static vf scale(const uint8_t* block, const uint8_t* run, int part, int half) {
    return load_halves(block + 2 * kLanes * part) * load_small<int8_t>(run + 16 * half + kLanes * part);
  }
  static void pack(uint8_t* to_block, uint8_t* runs, int64_t run_bytes, int row, const uint8_t* block) {
    store_half(to_block, row, block + 208);
    for (int g = 0; g < 8; g++) {
      runs[g * run_bytes + row] = block[192 + 2 * g];
      runs[g * run_bytes + 16 + row] = block[193 + 2 * g];
    }
  }
};

// IQ4_XS: six bits, here a signed byte, to a run, of one scale of 16 bits to a super-block.
struct SuperScale {
  static constexpr int kZero = 128, kBytes = 16, kBlockBytes = 32, kRuns = 8;
  static constexpr bool kOffset = false, kHalves = false;
  static vf scale(const uint8_t* block, const uint8_t* run, int part, int) {
    return load_halves(block + 2 * kLanes * part) * load_small<int8_t>(run + kLanes * part);
  }
  static void pack(uint8_t* to_block, uint8_t* runs, int64_t run_bytes, int row, const uint8_t* block) {
    store_half(to_block, row, block);
    for (int g = 0; g < 8; g++) runs[g * run_bytes + row] = (uint8_t)scale_iq4_xs(block, g);
  }
};

template <class From, int kFromBytes, class C, class S>
struct PackedFormat {
  using Codes = C;
  using Scales = S;
  static constexpr bool kSpread = false;
  static constexpr int64_t kRunBytes = S::kBytes + C::kBytes;
  static constexpr int64_t kBlockBytes = S::kBlockBytes + S::kRuns * kRunBytes;
  static int64_t panel_bytes(int64_t k) { return k / 32 / S::kRuns * kBlockBytes; }

  // A panel from `rows` published ones, `from` on, at most kPanelRows; the others are zeros.
  [[gnu::noinline]] static void pack(const uint8_t* from, int64_t rows, int64_t k, uint8_t* panel) {
    const int64_t blocks = k / 32 / S::kRuns, row_bytes = blocks * kFromBytes;
    if (rows < kPanelRows) std::memset(panel, 0, panel_bytes(k));
    for (int64_t i = 0; i < blocks; i++, panel += kBlockBytes) {
      uint8_t* runs = panel + S::kBlockBytes;
      // Of the panel after this one: sixteen rows are streams too short for the processor to follow.
      const uint8_t* next = from + kPanelRows * (row_bytes + i * kFromBytes);
      for (int64_t line = 0; line < kPanelRows * kFromBytes; line += 64) __builtin_prefetch(next + line);
      for (int row = 0; row < rows; row++) S::pack(panel, runs, kRunBytes, row, from + row * row_bytes + i * kFromBytes);
      for (int64_t run = 0; run < S::kRuns; run++)
        for (int row = 0; row < rows; row += 4) pack_fours(from + row * row_bytes, row_bytes, rows - row, i * S::kRuns + run, runs + run * kRunBytes + S::kBytes, row);
    }
  }

  // The codes of a run of four rows, of which `rows` are there.
  static void pack_fours(const uint8_t* from, int64_t row_bytes, int64_t rows, int64_t run, uint8_t* codes, int row) {
    vb16 halves[2][4] = {}, groups[8];
    if constexpr (requires { From::codes(from, run); }) {
      // Low and high nibbles lie together here too.
      for (int r = 0; r < 4; r++) halves[0][r] = r < rows ? load16(From::codes(from + r * row_bytes, run)) : vb16{};
      transpose_fours(halves[0], groups);
      for (int g = 0; g < 4; g++) store16(codes + 64 * g + 4 * row, groups[g]);
    } else {
      for (int r = 0; r < 4 && r < rows; r++) {
        Unpacked unpacked;
        From::unpack(from + r * row_bytes, run, unpacked);
        for (int h = 0; h < 2; h++) halves[h][r] = load16((const uint8_t*)&unpacked.u + 16 * h);
      }
      for (int h = 0; h < 2; h++) transpose_fours(halves[h], groups + 4 * h);
      C::pack(codes, row, groups);
    }
  }

  // The same values as decode_row gives for the published row: w = scale * code + offset.
  static void decode_row(const uint8_t* panel, int64_t k, int row, float* to) {
    const int part = row / kLanes, lane = row % kLanes;
    for (int64_t run = 0; run < k / 32; run++) {
      const uint8_t* block = panel + run / S::kRuns * kBlockBytes;
      const uint8_t* from = block + S::kBlockBytes + run % S::kRuns * kRunBytes;
      for (int h = 0; h < 2; h++) {
        float scale = S::scale(block, from, part, h)[lane], offset = scale * -S::kZero;
        if constexpr (S::kOffset) offset = S::offset(block, from, part)[lane];
        for (int c = 16 * h; c < 16 * h + 16; c++) to[run * 32 + c] = fma(scale, (float)C::at(from + S::kBytes, row, c), offset);
      }
    }
  }
};

// --- Panels spread out for many rows of activations: codes as bytes, scales as floats; where a vector takes a whole panel
// two side by side, line by line, so that what is loaded of a row of activations serves both.

constexpr int kSpreadPanels = kLanes == 16 ? 2 : 1;
// Four bytes to a row.
constexpr int kSpreadLine = 4 * kPanelRows * kSpreadPanels;

template <int kCodeBits>
struct SpreadCodes : Bytes {
  static constexpr int kBits = kCodeBits, kBytes = 8 * kSpreadLine;
  template <int kG>
  static vb group(const uint8_t* codes) {
    return load_bytes(codes + kSpreadLine * kG);
  }
};

// A run's scales, or those of its halves, and then its offsets.
template <int kZeroPoint, bool kHasHalves, bool kHasOffset>
struct SpreadScales {
  static constexpr int kZero = kZeroPoint, kBytes = kSpreadLine * (1 + kHasHalves + kHasOffset), kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = kHasOffset, kHalves = kHasHalves;
  static constexpr int kOffsetAt = kSpreadLine * (1 + kHasHalves);
  static vf scale(const uint8_t*, const uint8_t* run, int part, int half) { return load((const float*)(run + kSpreadLine * half) + kLanes * part); }
  static vf offset(const uint8_t*, const uint8_t* run, int part) { return load((const float*)(run + kOffsetAt) + kLanes * part); }
};

template <class C, class S>
struct SpreadFormat {
  using Codes = C;
  using Scales = S;
  static constexpr bool kSpread = true;
  static constexpr int64_t kRunBytes = S::kBytes + C::kBytes;
};

template <class Format>
using SpreadOf = SpreadFormat<SpreadCodes<Format::Codes::kBits>, SpreadScales<Format::Scales::kZero, Format::Scales::kHalves, Format::Scales::kOffset>>;

// Of any format, to a run.
constexpr int64_t kMostSpreadBytes = (8 + 3) * kSpreadLine;

template <class Format>
inline void spread_run(const uint8_t* block, const uint8_t* run, uint8_t* to) {
  using S = typename Format::Scales;
  using C = typename Format::Codes;
  using To = typename SpreadOf<Format>::Scales;
  for (int part = 0; part < kParts; part++) {
    uint8_t *scales = to + 4 * kLanes * part, *codes = scales + To::kBytes;
    store((float*)scales, S::scale(block, run, part, 0));
    if constexpr (S::kHalves) store((float*)(scales + kSpreadLine), S::scale(block, run, part, 1));
    if constexpr (S::kOffset) store((float*)(scales + To::kOffsetAt), S::offset(block, run, part));
    auto spread = [&](int group, vb u) { std::memcpy(codes + kSpreadLine * group, &u, sizeof u); };
    [&]<int... G>(std::integer_sequence<int, G...>) {
      (spread(G, C::template group<G>(run + S::kBytes + 4 * kLanes * part)), ...);
    }(std::make_integer_sequence<int, 8>{});
  }
}

// A whole panel, which stands at 64 bytes times its number in the lines of `to`.
template <class Format>
inline void spread_panel(const uint8_t* panel, int64_t k, uint8_t* to) {
  using S = typename Format::Scales;
  for (int64_t run = 0; run < k / 32; panel += S::kBlockBytes)
    for (const uint8_t* block = panel; panel < block + Format::kBlockBytes - S::kBlockBytes; run++, panel += Format::kRunBytes, to += SpreadOf<Format>::kRunBytes)
      spread_run<Format>(block, panel + S::kBlockBytes, to);
}

using Mxfp4Panels = PackedFormat<PublishedNibbles<17, 1, 1>, 17, Entries<kE2m1, 12, 5>, ExponentScale>;

// Calls visit with the packed format of a dtype of blocks; false for those that are read as published.
template <class Visit>
bool with_packed_blocks(DType dtype, Visit visit) {
  switch (dtype) {
    case DType::q4_0: visit(PackedFormat<PublishedNibbles<18, 2, 1>, 18, Nibbles<0>, HalfScale<8, 0>>{}); return true;
    case DType::q4_1: visit(PackedFormat<PublishedNibbles<20, 4, 1>, 20, Nibbles<0>, HalfScaleOffset>{}); return true;
    case DType::q5_0: visit(PackedFormat<Q5_0, 22, Nibbles<1>, HalfScale<16, 0>>{}); return true;
    case DType::q5_1: visit(PackedFormat<Q5_1, 24, Nibbles<1>, HalfScaleOffset>{}); return true;
    case DType::q8_0: visit(PackedFormat<Q8_0, 34, Bytes, HalfScale<128, 0>>{}); return true;
    case DType::q4_k: visit(PackedFormat<Q4_K, 144, Nibbles<0>, SuperScaleOffset>{}); return true;
    case DType::q5_k: visit(PackedFormat<Q5_K, 176, Nibbles<1>, SuperScaleOffset>{}); return true;
    case DType::q6_k: visit(PackedFormat<Q6_K, 210, Sixes, SuperHalfScales>{}); return true;
    case DType::iq4_nl: visit(PackedFormat<PublishedNibbles<18, 2, 1>, 18, Entries<kIq4, 128, 8>, HalfScale<128, 0>>{}); return true;
    case DType::iq4_xs: visit(PackedFormat<PublishedNibbles<136, 8, 8>, 136, Entries<kIq4, 128, 8>, SuperScale>{}); return true;
    case DType::mxfp4: visit(Mxfp4Panels{}); return true;
    default: return false;
  }
}

// The same of every dtype that is repacked. WebAssembly has no large pages to move floats to.
template <class Visit>
bool with_packed_format(DType dtype, Visit visit) {
#if !defined(__wasm__)
  if (dtype == DType::f16) return visit(HalfPanels<uint16_t>{}), true;
  if (dtype == DType::bf16) return visit(HalfPanels<Bf16>{}), true;
#endif
  return with_packed_blocks(dtype, visit);
}

// The dtype whose panels a weight has, if any.
inline DType packed_dtype(const Tensor& w) { return w.exponents ? DType::mxfp4 : w.dtype; }

// Rows of f4_e2m1, elements of four bits in order, with their exponents: of mxfp4 the low nibbles are a run's first 16.
inline void pack_microscaled(const Tensor& w, int64_t first, int64_t count, uint8_t* panel) {
  const int64_t runs = w.last() / 32;
  for (int64_t run = 0; run < runs; run++) {
    uint8_t blocks[kPanelRows][17];
    for (int64_t r = 0; r < count; r++) {
      const vb16 v = load16(w.block_row(first + r) + run * 16), low = v & 15, high = v >> 4;
      const vb16 begin = __builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const vb16 end = __builtin_shufflevector(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      blocks[r][0] = (uint8_t)w.exponents[(first + r) * runs + run];
      store16(blocks[r] + 1, begin | end << 4);
    }
    Mxfp4Panels::pack(blocks[0], count, 32, panel + run * Mxfp4Panels::panel_bytes(32));
  }
}

inline void decode_packed_row(const Tensor& w, int64_t row, float* to) {
  with_packed_format(w.dtype, [&](auto format) {
    const uint8_t* panel = (const uint8_t*)w.packed + row / kPanelRows * format.panel_bytes(w.last());
    format.decode_row(panel, w.last(), (int)(row % kPanelRows), to);
  });
}

}  // namespace steelyard::SY_LEVEL
