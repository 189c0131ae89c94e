// AMX in plain C++, for tests where there is none: the same tiles, results and faults. What would be an illegal
// instruction or a general protection fault ends the program with a message. Included by amx-tiles.h only.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace steelyard {

struct EmulatedTiles {
  TileConfig config;
  bool configured = false;
  uint8_t data[8][16][64];

  static EmulatedTiles& of_thread() {
    static thread_local EmulatedTiles tiles;
    return tiles;
  }
  [[noreturn]] static void fault(const char* what) {
    std::fprintf(stderr, "amx: %s\n", what);
    std::abort();
  }
  void begin(const TileConfig& c) {
    if (c.palette != 1 || c.start_row != 0) fault("LDTILECFG: a palette other than 1, or a row to start at");
    for (int i = 0; i < 16; i++) {
      if (i >= 8 && (c.rows[i] || c.row_bytes[i])) fault("LDTILECFG: a tile above 7");
      if (c.rows[i] > 16 || c.row_bytes[i] > 64 || c.row_bytes[i] % 4 || !c.rows[i] != !c.row_bytes[i]) fault("LDTILECFG: a tile beyond 16 rows of 64 bytes");
    }
    config = c;
    configured = true;
    std::memset(data, 0, sizeof data);
  }
  int rows(int tile) const {
    if (!configured || !config.rows[tile]) fault("a tile that is not configured");
    return config.rows[tile];
  }
  int row_bytes(int tile) const { return rows(tile) ? config.row_bytes[tile] : 0; }
  void check_product(int c, int a, int b) const {
    if (c == a || c == b || a == b) fault("a product of a tile with itself");
    if (rows(c) != rows(a) || row_bytes(c) != row_bytes(b) || row_bytes(a) != 4 * rows(b)) fault("a product of tiles that do not fit");
  }
};

inline void tiles_begin(const TileConfig& config) { EmulatedTiles::of_thread().begin(config); }
inline void tiles_done() { EmulatedTiles::of_thread().configured = false; }

template <int kTile>
inline void tile_zero() {
  EmulatedTiles& t = EmulatedTiles::of_thread();
  t.rows(kTile);
  std::memset(t.data[kTile], 0, sizeof t.data[kTile]);
}

template <int kTile>
inline void tile_load(const void* from, int64_t stride) {
  EmulatedTiles& t = EmulatedTiles::of_thread();
  std::memset(t.data[kTile], 0, sizeof t.data[kTile]);
  for (int row = 0; row < t.rows(kTile); row++) std::memcpy(t.data[kTile][row], (const char*)from + row * stride, t.row_bytes(kTile));
}

template <int kTile>
inline void tile_store(void* to, int64_t stride) {
  const EmulatedTiles& t = EmulatedTiles::of_thread();
  for (int row = 0; row < t.rows(kTile); row++) std::memcpy((char*)to + row * stride, t.data[kTile][row], t.row_bytes(kTile));
}

template <int kC, int kA, int kB>
inline void tile_dot_bytes() {
  EmulatedTiles& t = EmulatedTiles::of_thread();
  t.check_product(kC, kA, kB);
  for (int m = 0; m < t.rows(kC); m++)
    for (int n = 0; n < t.row_bytes(kC) / 4; n++) {
      int32_t sum;
      std::memcpy(&sum, &t.data[kC][m][4 * n], 4);
      // Four products at a time; sums wrap.
      for (int k = 0; k < t.rows(kB); k++)
        for (int b = 0; b < 4; b++) sum = (int32_t)((uint32_t)sum + (uint32_t)((int8_t)t.data[kA][m][4 * k + b] * (int8_t)t.data[kB][k][4 * n + b]));
      std::memcpy(&t.data[kC][m][4 * n], &sum, 4);
    }
}

}  // namespace steelyard
