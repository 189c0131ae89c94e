// Decoding of every storage format to float32, a row at a time. Bit for bit what the TypeScript descriptors do.
#pragma once
#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {

// The packed 6-bit scale (or min) of 32-element group g of a Q4_K or Q5_K super-block.
inline int packed6(const uint8_t* scales, int g, bool is_min) {
  int half = is_min ? 4 : 0;
  if (g < 4) return scales[half + g] & 63;
  int low = scales[4 + g];
  return (is_min ? low >> 4 : low & 15) | (scales[half + g - 4] >> 6) << 4;
}

constexpr int8_t kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the values of e2m1.
constexpr int8_t kE2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

typedef uint8_t vb16 __attribute__((vector_size(16)));
typedef uint8_t vb32 __attribute__((vector_size(32)));

// A block format as groups of 16 unsigned bytes: w = scale * u + offset. Every format that is a scale times small
// integers is this, and so gets the integer path; `unpack` gives one run of 32 elements, in registers.
struct Unpacked {
  vb32 u;
  float scale[2];
  float offset[2];
};

inline vb16 load16(const uint8_t* p) {
  vb16 v;
  __builtin_memcpy(&v, p, 16);
  return v;
}
inline vb32 load32(const uint8_t* p) {
  vb32 v;
  __builtin_memcpy(&v, p, 32);
  return v;
}
inline vb32 join(vb16 low, vb16 high) {
#if defined(__AVX2__)
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                 23, 24, 25, 26, 27, 28, 29, 30, 31);
#else
  // g++ shuffles what is wider than its vectors byte by byte.
  vb32 v;
  __builtin_memcpy(&v, &low, 16);
  __builtin_memcpy((char*)&v + 16, &high, 16);
  return v;
#endif
}

// Bits of every byte moved, within pairs of bytes, as no vector shifts bytes: what comes from a neighbour is for a mask to
// drop.
template <class V>
inline V moved_down(V v, int by) {
  typedef uint16_t Pairs __attribute__((vector_size(sizeof(V))));
  return (V)((Pairs)v >> (uint16_t)by);
}
template <class V>
inline V moved_up(V v, int by) {
  typedef uint16_t Pairs __attribute__((vector_size(sizeof(V))));
  return (V)((Pairs)v << (uint16_t)by);
}

// Low nibbles are elements 0 to 15, high nibbles 16 to 31.
inline vb32 nibbles(const uint8_t* from) {
  vb16 v = load16(from);
  return join(v & 15, moved_down(v, 4) & 15);
}

inline void set(Unpacked& r, float scale, float offset) {
  r.scale[0] = r.scale[1] = scale;
  r.offset[0] = r.offset[1] = offset;
}

struct Q4_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 18;
    float d = load_half(p);
    r.u = nibbles(p + 2);
    set(r, d, -8 * d);
  }
};
struct Q4_1 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 20;
    r.u = nibbles(p + 4);
    set(r, load_half(p), load_half(p + 2));
  }
};
// Bit i of four bytes as 16 in byte i.
inline vb32 fifth_bits(const uint8_t* bits) {
  constexpr vb32 mask = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  vb16 v = {bits[0], bits[1], bits[2], bits[3]};
  vb32 spread = __builtin_shufflevector(v, v, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  return (vb32)((spread & mask) == mask) & 16;
}
struct Q5_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 22;
    float d = load_half(p);
    r.u = nibbles(p + 6) | fifth_bits(p + 2);
    set(r, d, -16 * d);
  }
};
struct Q5_1 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 24;
    r.u = nibbles(p + 8) | fifth_bits(p + 4);
    set(r, load_half(p), load_half(p + 2));
  }
};
struct Q8_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 34;
    float d = load_half(p);
    r.u = load32(p + 2) ^ 0x80;
    set(r, d, -128 * d);
  }
};
struct Q2_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 84;
    int g = run % 8;
    float d = load_half(p + 80), dmin = load_half(p + 82);
    r.u = moved_down(load32(p + 16 + g / 4 * 32), 2 * (g % 4)) & 3;
    for (int h = 0; h < 2; h++) {
      r.scale[h] = d * (p[2 * g + h] & 15);
      r.offset[h] = -(dmin * (p[2 * g + h] >> 4));
    }
  }
};
struct Q3_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 110;
    int g = run % 8;
    float d = load_half(p + 108);
    r.u = (moved_down(load32(p + 32 + g / 4 * 32), 2 * (g % 4)) & 3) | (moved_down(load32(p), g) & 1) << 2;
    for (int h = 0; h < 2; h++) {
      int s = 2 * g + h;
      int low = p[96 + s % 8] >> (s < 8 ? 0 : 4) & 15, high = p[104 + s % 4] >> 2 * (s / 4) & 3;
      r.scale[h] = d * ((low | high << 4) - 32);
      r.offset[h] = -4 * r.scale[h];
    }
  }
};
struct Q4_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 144;
    int g = run % 8;
    r.u = moved_down(load32(p + 16 + g / 2 * 32), g % 2 * 4) & 15;
    set(r, load_half(p) * packed6(p + 4, g, false), -(load_half(p + 2) * packed6(p + 4, g, true)));
  }
};
struct Q5_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 176;
    int g = run % 8;
    r.u = (moved_down(load32(p + 48 + g / 2 * 32), g % 2 * 4) & 15) | (moved_down(load32(p + 16), g) & 1) << 4;
    set(r, load_half(p) * packed6(p + 4, g, false), -(load_half(p + 2) * packed6(p + 4, g, true)));
  }
};
struct Q6_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 210;
    int g = run % 8, half = g / 4, part = g % 4;
    vb32 low = load32(p + half * 64 + part % 2 * 32), high = load32(p + 128 + half * 32);
    r.u = (moved_down(low, part / 2 * 4) & 15) | (moved_down(high, 2 * part) & 3) << 4;
    float d = load_half(p + 208);
    for (int h = 0; h < 2; h++) {
      r.scale[h] = d * (int8_t)p[192 + 2 * g + h];
      r.offset[h] = -32 * r.scale[h];
    }
  }
};
// Entries of a table of 16 signed values, moved up by 128.
inline vb32 codebook(const int8_t* table, const uint8_t* from) {
  vb32 index = nibbles(from);
#if defined(__AVX2__)
  __m256i entries = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table));
  return (vb32)_mm256_shuffle_epi8(entries, (__m256i)index) ^ 0x80;
#elif defined(SY_NEON)
  const int8x16_t entries = vld1q_s8(table);
  vb16 half[2];
  for (int h = 0; h < 2; h++) half[h] = (vb16)vqtbl1q_s8(entries, (uint8x16_t)load16((const uint8_t*)&index + 16 * h)) ^ 0x80;
  return join(half[0], half[1]);
#else
  vb32 u;
  for (int i = 0; i < 32; i++) u[i] = (uint8_t)table[index[i]] ^ 0x80;
  return u;
#endif
}
struct IQ4_NL {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 18;
    float d = load_half(p);
    r.u = codebook(kIq4, p + 2);
    set(r, d, -128 * d);
  }
};
// Of run g of a super-block.
inline int scale_iq4_xs(const uint8_t* block, int g) {
  int low = block[4 + g / 2] >> g % 2 * 4 & 15, high = (block[2] | block[3] << 8) >> 2 * g & 3;
  return (low | high << 4) - 32;
}
struct IQ4_XS {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 136;
    int g = run % 8;
    float d = load_half(p) * scale_iq4_xs(p, g);
    r.u = codebook(kIq4, p + 8 + g * 16);
    set(r, d, -128 * d);
  }
};
struct MXFP4 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 17;
    // 2^(e - 128): half of the e8m0 scale, since the table is doubled.
    uint32_t bits = p[0] < 2 ? 0x00200000u << p[0] : (uint32_t)(p[0] - 1) << 23;
    float d;
    std::memcpy(&d, &bits, 4);
    r.u = codebook(kE2m1, p + 1);
    set(r, d, -128 * d);
  }
};

// Calls visit with the format's type; false for formats that are not scale times integers.
template <class Visit>
bool with_block_format(DType dtype, Visit visit) {
  switch (dtype) {
    case DType::q4_0: visit(Q4_0{}); return true;
    case DType::q4_1: visit(Q4_1{}); return true;
    case DType::q5_0: visit(Q5_0{}); return true;
    case DType::q5_1: visit(Q5_1{}); return true;
    case DType::q8_0: visit(Q8_0{}); return true;
    case DType::q2_k: visit(Q2_K{}); return true;
    case DType::q3_k: visit(Q3_K{}); return true;
    case DType::q4_k: visit(Q4_K{}); return true;
    case DType::q5_k: visit(Q5_K{}); return true;
    case DType::q6_k: visit(Q6_K{}); return true;
    case DType::iq4_nl: visit(IQ4_NL{}); return true;
    case DType::iq4_xs: visit(IQ4_XS{}); return true;
    case DType::mxfp4: visit(MXFP4{}); return true;
    default: return false;
  }
}

inline float e4m3(uint8_t b) {
  float sign = b & 0x80 ? -1.0f : 1.0f;
  int exponent = b >> 3 & 15, fraction = b & 7;
  if (exponent == 15 && fraction == 7) return __builtin_nanf("");
  if (exponent == 0) return sign * fraction * 0.001953125f;
  uint32_t bits = (uint32_t)(exponent + 120) << 23 | (uint32_t)fraction << 20;
  float f;
  std::memcpy(&f, &bits, 4);
  return sign * f;
}

inline float e8m0(uint8_t b) {
  if (b == 255) return __builtin_nanf("");
  uint32_t bits = b == 0 ? 0x00400000u : (uint32_t)b << 23;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// Half of the bits of a float: the other half is zero.
inline void bf16_to_floats(const uint8_t* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const vi bits = load_widened<uint16_t>(from + 2 * i) << 16;
    std::memcpy(to + i, &bits, sizeof bits);
  }
  for (; i < n; i++) {
    uint16_t half;
    std::memcpy(&half, from + 2 * i, 2);
    uint32_t bits = (uint32_t)half << 16;
    std::memcpy(to + i, &bits, 4);
  }
}

// `n` elements of a row in any float format to float32. Block formats give scale * u + offset, whose rounding is
// within one unit in the last place of scale * (u - bias).
inline void decode_row(DType dtype, const uint8_t* row, float* to, int64_t n) {
  bool is_block = with_block_format(dtype, [&](auto format) {
    Unpacked r;
    for (int64_t run = 0; run < n / 32; run++) {
      format.unpack(row, run, r);
      for (int h = 0; h < 2; h++)
        for (int i = 0; i < 16; i++) to[run * 32 + h * 16 + i] = fma(r.scale[h], (float)r.u[h * 16 + i], r.offset[h]);
    }
  });
  if (is_block) return;
  switch (dtype) {
    case DType::f32: std::memcpy(to, row, n * 4); return;
    case DType::f16: halves_to_floats((const uint16_t*)row, to, n); return;
    case DType::bf16: bf16_to_floats(row, to, n); return;
    case DType::f8_e4m3:
      for (int64_t i = 0; i < n; i++) to[i] = e4m3(row[i]);
      return;
    case DType::f8_e5m2:
      for (int64_t i = 0; i < n; i++) to[i] = half_to_float(row[i] << 8);
      return;
    case DType::f8_e8m0:
      for (int64_t i = 0; i < n; i++) to[i] = e8m0(row[i]);
      return;
    case DType::f4_e2m1:
      for (int64_t i = 0; i < n; i++) to[i] = 0.5f * kE2m1[row[i / 2] >> i % 2 * 4 & 15];
      return;
    default:
      // The compiler of tapes refuses other dtypes.
      return;
  }
}

}  // namespace steelyard::SY_LEVEL
