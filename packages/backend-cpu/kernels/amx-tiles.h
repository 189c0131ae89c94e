// The matrix unit of x86-64 (AMX): eight tiles of up to 16 rows of 64 bytes, as the processor has them. A tile's number is
// part of an instruction, hence the templates. Intel SDM, volume 1, chapter 18.
#pragma once
#include <cstdint>
#include <cstring>

namespace steelyard {

// What LDTILECFG reads. Tiles that are not used have no rows.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int64_t row_count, int64_t bytes) {
    rows[tile] = (uint8_t)row_count;
    row_bytes[tile] = (uint16_t)bytes;
  }
};
static_assert(sizeof(TileConfig) == 64);

#if defined(SY_AMX_EMULATED)
}  // namespace steelyard
#include "amx-emulated.h"
#else

// Of this thread, until tiles_done; their contents become zero.
inline void tiles_begin(const TileConfig& config) { asm volatile("ldtilecfg %0" ::"m"(config)); }
inline void tiles_done() { asm volatile("tilerelease"); }

template <int kTile>
inline void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}
// Rows `stride` bytes apart.
template <int kTile>
inline void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(kTile) : "memory");
}
// c[m][n] += sum over k and b < 4 of a[m][4k + b] * b[k][4n + b], signed bytes to 32-bit integers.
template <int kC, int kA, int kB>
inline void tile_dot_bytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
}

}  // namespace steelyard
#endif
