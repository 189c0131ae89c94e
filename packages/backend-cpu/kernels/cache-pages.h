// What a page of the KV cache holds: floats, halves, or q8_0, here int8_t: blocks of 32 elements of a slot, of which a page
// has all codes first, arranged as floats would be, and then the scales, halves, those of every slot's first block, of the
// second, and so on. So a vector of codes has neighbours for lanes, whichever way a page lies.
#pragma once
#include <type_traits>

#include "decode.h"
#include "float-panels.h"
#include "quantise.h"

namespace steelyard::SY_LEVEL {

template <class T>
constexpr bool kInBlocks = std::is_same_v<T, int8_t>;

// Bytes of a page of so many elements.
template <class T>
constexpr int64_t page_bytes(int64_t elements) {
  return kInBlocks<T> ? elements / 32 * 34 : elements * (int64_t)sizeof(T);
}

// Calls visit with a value of what a cache of this dtype holds.
template <class Visit>
void with_cache_type(DType dtype, Visit visit) {
  if (dtype == DType::f16) visit(uint16_t{});
  else if (dtype == DType::q8_0) visit(int8_t{});
  else visit(float{});
}

inline vf load_value(const int8_t* p) { return __builtin_convertvector(load_widened<int8_t>(p), vf); }

inline void store_values(const float* from, float* to, int64_t n) { std::memcpy(to, from, n * 4); }
inline void store_values(const float* from, uint16_t* to, int64_t n) { floats_to_halves(from, to, n); }

// Codes of 32 floats, as published blocks have them: halves are rounded away from zero. Returns their scale.
inline uint16_t store_block(const float* from, int8_t* codes) {
  const float top = largest_of_run(from), scale = top / 127.0f;
  const bool finite = top <= FLT_MAX;
  // What is next to nothing becomes zero: its inverse would be infinite.
  const vf inverse = splat(finite && top > 1e-30f ? 1.0f / scale : 0.0f), magic = splat(12582912.0f);  // 1.5 * 2^23 rounds to integer
  for (int i = 0; i < 32; i += kLanes) {
    const vf v = finite ? load(from + i) * inverse : vf{}, even = (v + magic) - magic, rest = v - even;
    // A comparison that holds is -1.
    const vi up = (rest == 0.5f) & (v > 0.0f), down = (rest == -0.5f) & (v < 0.0f);
    store_bytes(codes + i, __builtin_convertvector(even, vi) - up + down);
  }
  // What is not finite must show.
  return finite ? float_to_half(scale) : 0x7e00;
}

// Numbers of a page as floats, without the scales of blocks.
inline void load_floats(const float* from, float* to, int64_t n) { std::memcpy(to, from, n * 4); }
inline void load_floats(const uint16_t* from, float* to, int64_t n) { halves_to_floats(from, to, n); }
inline void load_floats(const int8_t* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load_value(from + i));
  for (; i < n; i++) to[i] = (float)from[i];
}

// The scales of a page in blocks, rows of `stride` for `slots` of them, with zeros behind.
inline void load_scales(const int8_t* page, int64_t slots, int64_t dim, float* to, int64_t stride) {
  const uint16_t* scales = (const uint16_t*)(page + slots * dim);
  for (int64_t block = 0; block < dim / 32; block++) {
    halves_to_floats(scales + block * slots, to + block * stride, slots);
    std::memset(to + block * stride + slots, 0, (stride - slots) * 4);
  }
}

}  // namespace steelyard::SY_LEVEL
