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

namespace steelyard::SY_LEVEL {

constexpr int kPanelRows = 16;
constexpr int kParts = kPanelRows / kLanes;

template <class Byte>
inline vf load_small(const uint8_t* p) {
  typedef Byte small __attribute__((vector_size(kLanes)));
  small v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, vf);
}

inline void store_half(uint8_t* to, int row, const uint8_t* from) { std::memcpy(to + 2 * row, from, 2); }

// --- Codes: the small unsigned integers of a run.

// kHighBits bits above each nibble, as planes after the nibbles: a plane of 64 bytes holds 8 / kHighBits groups.
template <int kHighBits>
struct Nibbles {
  static constexpr int kBits = 4 + kHighBits, kBytes = 256 + 64 * kHighBits, kBias = 0;
  // Groups i and i + 4 of a part.
  static void load(const uint8_t* codes, int i, vb& low, vb& high) {
    vb v = load_bytes(codes + 64 * i);
    low = v & 15;
    high = v >> 4;
    if constexpr (kHighBits == 1) {
      vb bits = load_bytes(codes + 256);
      low |= (bits >> (uint8_t)i & 1) << 4;
      high |= (bits >> (uint8_t)(i + 4) & 1) << 4;
    } else if constexpr (kHighBits == 2) {
      low |= (load_bytes(codes + 256) >> (uint8_t)(2 * i) & 3) << 4;
      high |= (load_bytes(codes + 320) >> (uint8_t)(2 * i) & 3) << 4;
    }
  }
  // Column c of a row.
  static int at(const uint8_t* codes, int row, int c) {
    int group = c % 16 / 4, within = row * 4 + c % 4, high = c / 16;
    int u = codes[64 * group + within] >> 4 * high & 15;
    if constexpr (kHighBits == 1) u |= (codes[256 + within] >> (group + 4 * high) & 1) << 4;
    if constexpr (kHighBits == 2) u |= (codes[256 + 64 * high + within] >> 2 * group & 3) << 4;
    return u;
  }
  static void pack(uint8_t* codes, int row, const uint8_t* u) {
    for (int c = 0; c < 16; c++) {
      int at = c / 4 * 64 + row * 4 + c % 4, within = row * 4 + c % 4, group = c / 4;
      codes[at] = (u[c] & 15) | (u[c + 16] & 15) << 4;
      if constexpr (kHighBits == 1) codes[256 + within] |= (u[c] >> 4) << group | (u[c + 16] >> 4) << (group + 4);
      if constexpr (kHighBits == 2) {
        codes[256 + within] |= (u[c] >> 4) << 2 * group;
        codes[320 + within] |= (u[c + 16] >> 4) << 2 * group;
      }
    }
  }
};

struct Bytes {
  // What the codes of `load` lack: products of signed bytes take them without it.
  static constexpr int kBits = 8, kBytes = 512, kBias = kSignedProducts ? 128 : 0;
  static void load(const uint8_t* codes, int i, vb& low, vb& high) {
    low = load_bytes(codes + 64 * i) ^ (uint8_t)kBias;
    high = load_bytes(codes + 64 * (i + 4)) ^ (uint8_t)kBias;
  }
  static int at(const uint8_t* codes, int row, int c) { return codes[c / 4 * 64 + row * 4 + c % 4]; }
  static void pack(uint8_t* codes, int row, const uint8_t* u) {
    for (int c = 0; c < 32; c++) codes[c / 4 * 64 + row * 4 + c % 4] = u[c];
  }
};

// --- Scales: w = scale * (code - kZero), or scale * code + offset.

// One scale of 16 bits to a row and run.
template <int kZeroPoint, int kScaleAt>
struct HalfScale {
  static constexpr int kZero = kZeroPoint, kBytes = 32, kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = false, kHalves = false;
  static vf scale(const uint8_t*, const uint8_t* run, int part, int) { return load_halves(run + 2 * kLanes * part); }
  static void pack(uint8_t*, uint8_t* run, int row, const uint8_t* block, int) { store_half(run, row, block + kScaleAt); }
};
// A scale and an offset of 16 bits.
struct HalfScaleOffset {
  static constexpr int kZero = 0, kBytes = 64, kBlockBytes = 0, kRuns = 1;
  static constexpr bool kOffset = true, kHalves = false;
  static vf scale(const uint8_t*, const uint8_t* run, int part, int) { return load_halves(run + 2 * kLanes * part); }
  static vf offset(const uint8_t*, const uint8_t* run, int part) { return load_halves(run + 32 + 2 * kLanes * part); }
  static void pack(uint8_t*, uint8_t* run, int row, const uint8_t* block, int) {
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
  static void pack(uint8_t* to_block, uint8_t* run, int row, const uint8_t* block, int g) {
    store_half(to_block, row, block);
    store_half(to_block + 32, row, block + 2);
    run[row] = packed6(block + 4, g, false);
    run[16 + row] = packed6(block + 4, g, true);
  }
};
// Q6_K: signed bytes, one to 16 columns, of one scale of 16 bits to a super-block.
struct SuperHalfScales {
  static constexpr int kZero = 32, kBytes = 32, kBlockBytes = 32, kRuns = 8;
  static constexpr bool kOffset = false, kHalves = true;
  static vf scale(const uint8_t* block, const uint8_t* run, int part, int half) {
    return load_halves(block + 2 * kLanes * part) * load_small<int8_t>(run + 16 * half + kLanes * part);
  }
  static void pack(uint8_t* to_block, uint8_t* run, int row, const uint8_t* block, int g) {
    store_half(to_block, row, block + 208);
    run[row] = block[192 + 2 * g];
    run[16 + row] = block[193 + 2 * g];
  }
};

template <class From, int kFromBytes, class C, class S>
struct PackedFormat {
  using Codes = C;
  using Scales = S;
  static constexpr int64_t kRunBytes = S::kBytes + C::kBytes;
  static constexpr int64_t kBlockBytes = S::kBlockBytes + S::kRuns * kRunBytes;
  static int64_t panel_bytes(int64_t k) { return k / 32 / S::kRuns * kBlockBytes; }

  // Row `row` of a panel from its published blocks; the panel was zeros.
  static void pack_row(const uint8_t* from, int64_t k, int row, uint8_t* panel) {
    Unpacked r;
    for (int64_t run = 0; run < k / 32; run++) {
      uint8_t* block = panel + run / S::kRuns * kBlockBytes;
      uint8_t* to = block + S::kBlockBytes + run % S::kRuns * kRunBytes;
      From::unpack(from, run, r);
      uint8_t u[32];
      std::memcpy(u, &r.u, 32);
      S::pack(block, to, row, from + run / S::kRuns * kFromBytes, (int)(run % S::kRuns));
      C::pack(to + S::kBytes, row, u);
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

// Calls visit with the packed format of a dtype; false for those that are read as published.
template <class Visit>
bool with_packed_format(DType dtype, Visit visit) {
  switch (dtype) {
    case DType::q4_0: visit(PackedFormat<Q4_0, 18, Nibbles<0>, HalfScale<8, 0>>{}); return true;
    case DType::q4_1: visit(PackedFormat<Q4_1, 20, Nibbles<0>, HalfScaleOffset>{}); return true;
    case DType::q5_0: visit(PackedFormat<Q5_0, 22, Nibbles<1>, HalfScale<16, 0>>{}); return true;
    case DType::q5_1: visit(PackedFormat<Q5_1, 24, Nibbles<1>, HalfScaleOffset>{}); return true;
    case DType::q8_0: visit(PackedFormat<Q8_0, 34, Bytes, HalfScale<128, 0>>{}); return true;
    case DType::q4_k: visit(PackedFormat<Q4_K, 144, Nibbles<0>, SuperScaleOffset>{}); return true;
    case DType::q5_k: visit(PackedFormat<Q5_K, 176, Nibbles<1>, SuperScaleOffset>{}); return true;
    case DType::q6_k: visit(PackedFormat<Q6_K, 210, Nibbles<2>, SuperHalfScales>{}); return true;
    default: return false;
  }
}

inline void decode_packed_row(const Tensor& w, int64_t row, float* to) {
  with_packed_format(w.dtype, [&](auto format) {
    const uint8_t* panel = (const uint8_t*)w.packed + row / kPanelRows * format.panel_bytes(w.last());
    format.decode_row(panel, w.last(), (int)(row % kPanelRows), to);
  });
}

}  // namespace steelyard::SY_LEVEL
