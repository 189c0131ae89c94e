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

// A block format as groups of 16 unsigned bytes: w = scale * u + offset. Every format that is a scale times small
// integers is this, and so gets the int8 path; `unpack` fills one run of 32 elements.
struct Unpacked {
  uint8_t u[32];
  float scale[2];
  float offset[2];
};

inline void nibbles(const uint8_t* from, uint8_t* to) {
  for (int i = 0; i < 16; i++) {
    to[i] = from[i] & 15;
    to[i + 16] = from[i] >> 4;
  }
}

inline void set(Unpacked& r, float scale, float offset) {
  r.scale[0] = r.scale[1] = scale;
  r.offset[0] = r.offset[1] = offset;
}

struct Q4_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 18;
    float d = load_half(p);
    nibbles(p + 2, r.u);
    set(r, d, -8 * d);
  }
};
struct Q4_1 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 20;
    nibbles(p + 4, r.u);
    set(r, load_half(p), load_half(p + 2));
  }
};
inline void fifth_bits(const uint8_t* bits, uint8_t* u) {
  uint32_t high;
  std::memcpy(&high, bits, 4);
  for (int i = 0; i < 32; i++) u[i] |= (high >> i & 1) << 4;
}
struct Q5_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 22;
    float d = load_half(p);
    nibbles(p + 6, r.u);
    fifth_bits(p + 2, r.u);
    set(r, d, -16 * d);
  }
};
struct Q5_1 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 24;
    nibbles(p + 8, r.u);
    fifth_bits(p + 4, r.u);
    set(r, load_half(p), load_half(p + 2));
  }
};
struct Q8_0 {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 34;
    float d = load_half(p);
    for (int i = 0; i < 32; i++) r.u[i] = p[2 + i] ^ 0x80;
    set(r, d, -128 * d);
  }
};
struct Q2_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 84;
    int g = run % 8;
    float d = load_half(p + 80), dmin = load_half(p + 82);
    for (int i = 0; i < 32; i++) r.u[i] = p[16 + g / 4 * 32 + i] >> 2 * (g % 4) & 3;
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
    for (int i = 0; i < 32; i++) r.u[i] = (p[32 + g / 4 * 32 + i] >> 2 * (g % 4) & 3) | (p[i] >> g & 1) << 2;
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
    const uint8_t* q = p + 16 + g / 2 * 32;
    int shift = g % 2 * 4;
    for (int i = 0; i < 32; i++) r.u[i] = q[i] >> shift & 15;
    set(r, load_half(p) * packed6(p + 4, g, false), -(load_half(p + 2) * packed6(p + 4, g, true)));
  }
};
struct Q5_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 176;
    int g = run % 8;
    const uint8_t* q = p + 48 + g / 2 * 32;
    int shift = g % 2 * 4;
    for (int i = 0; i < 32; i++) r.u[i] = (q[i] >> shift & 15) | (p[16 + i] >> g & 1) << 4;
    set(r, load_half(p) * packed6(p + 4, g, false), -(load_half(p + 2) * packed6(p + 4, g, true)));
  }
};
struct Q6_K {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 210;
    int g = run % 8, half = g / 4, part = g % 4;
    const uint8_t* low = p + half * 64 + part % 2 * 32;
    const uint8_t* high = p + 128 + half * 32;
    for (int i = 0; i < 32; i++) r.u[i] = (low[i] >> part / 2 * 4 & 15) | (high[i] >> 2 * part & 3) << 4;
    float d = load_half(p + 208);
    for (int h = 0; h < 2; h++) {
      r.scale[h] = d * (int8_t)p[192 + 2 * g + h];
      r.offset[h] = -32 * r.scale[h];
    }
  }
};
inline void codebook(const int8_t* table, const uint8_t* from, uint8_t* to) {
  for (int i = 0; i < 16; i++) {
    to[i] = table[from[i] & 15] ^ 0x80;
    to[i + 16] = table[from[i] >> 4] ^ 0x80;
  }
}
struct IQ4_NL {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run * 18;
    float d = load_half(p);
    codebook(kIq4, p + 2, r.u);
    set(r, d, -128 * d);
  }
};
struct IQ4_XS {
  static void unpack(const uint8_t* row, int64_t run, Unpacked& r) {
    const uint8_t* p = row + run / 8 * 136;
    int g = run % 8;
    int low = p[4 + g / 2] >> g % 2 * 4 & 15, high = (p[2] | p[3] << 8) >> 2 * g & 3;
    float d = load_half(p) * ((low | high << 4) - 32);
    codebook(kIq4, p + 8 + g * 16, r.u);
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
    codebook(kE2m1, p + 1, r.u);
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

// `n` elements of a row in any float format to float32. Block formats give scale * u + offset, whose rounding is
// within one unit in the last place of scale * (u - bias).
inline void decode_row(DType dtype, const uint8_t* row, float* to, int64_t n) {
  bool is_block = with_block_format(dtype, [&](auto format) {
    Unpacked r;
    for (int64_t run = 0; run < n / 32; run++) {
      format.unpack(row, run, r);
      for (int h = 0; h < 2; h++)
        for (int i = 0; i < 16; i++) to[run * 32 + h * 16 + i] = __builtin_fmaf(r.scale[h], r.u[h * 16 + i], r.offset[h]);
    }
  });
  if (is_block) return;
  switch (dtype) {
    case DType::f32: std::memcpy(to, row, n * 4); return;
    case DType::f16: halves_to_floats((const uint16_t*)row, to, n); return;
    case DType::bf16:
      for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        std::memcpy(&h, row + 2 * i, 2);
        uint32_t bits = (uint32_t)h << 16;
        std::memcpy(to + i, &bits, 4);
      }
      return;
    case DType::f8_e4m3:
      for (int64_t i = 0; i < n; i++) to[i] = e4m3(row[i]);
      return;
    case DType::f8_e5m2:
      for (int64_t i = 0; i < n; i++) to[i] = half_to_float(row[i] << 8);
      return;
    default:
      // The compiler of tapes refuses other dtypes.
      return;
  }
}

}  // namespace steelyard::SY_LEVEL
