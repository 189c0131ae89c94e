// What the machine can do: read bandwidth of memory and of the last-level cache, and the rate of 8-bit products.
//
//   floors THREADS     prints: bytes/s from memory, bytes/s of CACHED MiB, multiply-adds/s, those by AVX2
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr size_t kLarge = (size_t)512 << 20, kCached = (size_t)16 << 20;

double best_seconds(int threads, int repeats, const std::function<void(int)>& work) {
  double best = 1e9;
  for (int r = 0; r < repeats; r++) {
    auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; t++) workers.emplace_back(work, t);
    for (std::thread& worker : workers) worker.join();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = seconds < best ? seconds : best;
  }
  return best;
}

volatile uint64_t sink;

double bandwidth(const uint64_t* data, size_t bytes, int passes, int threads) {
  const size_t words = bytes / 8 / threads;
  double seconds = best_seconds(threads, 10, [&](int t) {
    typedef uint64_t v __attribute__((vector_size(64)));
    v sums[4] = {};
    const v* p = (const v*)(data + words * t);
    for (int pass = 0; pass < passes; pass++)
      for (size_t i = 0; i + 4 <= words / 8; i += 4)
        for (int j = 0; j < 4; j++) sums[j] ^= p[i + j];
    v all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
    sink = all[0] ^ all[7];
  });
  return (double)bytes * passes / seconds;
}

constexpr int kRounds = 4000000, kChains = 12;

#if defined(__AVX512VNNI__)
void multiply_64() {
  __m512i acc[kChains] = {}, a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (int r = 0; r < kRounds; r++)
    for (int c = 0; c < kChains; c++) {
      acc[c] = _mm512_dpbusd_epi32(acc[c], a, b);
      __asm__ volatile("" : "+v"(acc[c]));
    }
  sink = (uint64_t)_mm512_reduce_add_epi32(acc[0]);
}
#endif

#if defined(__AVX2__)
// Sums of pairs in 16 bits, which kernels widen once in several products.
void multiply_32() {
  __m256i acc[kChains] = {}, a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  for (int r = 0; r < kRounds; r++)
    for (int c = 0; c < kChains; c++) {
      // Or the compiler multiplies once for all.
      __asm__ volatile("" : "+x"(b));
      acc[c] = _mm256_add_epi16(acc[c], _mm256_maddubs_epi16(a, b));
      __asm__ volatile("" : "+x"(acc[c]));
    }
  sink = (uint64_t)_mm256_extract_epi32(acc[0], 0);
}
#endif

// Of a loop that does so many products at once.
[[maybe_unused]] double products(int threads, int at_once, void (*multiply)()) {
  double seconds = best_seconds(threads, 5, [&](int) { multiply(); });
  return (double)at_once * kChains * kRounds * threads / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  uint64_t* data = (uint64_t*)std::aligned_alloc(1 << 21, kLarge);
  if (!data) return 1;
  std::memset(data, 1, kLarge);
  double avx2 = 0, best = 0;
#if defined(__AVX2__)
  avx2 = best = products(threads, 32, multiply_32);
#endif
#if defined(__AVX512VNNI__)
  best = products(threads, 64, multiply_64);
#endif
  std::printf("%.0f %.0f %.0f %.0f\n", bandwidth(data, kLarge, 1, threads), bandwidth(data, kCached, 8, threads), best, avx2);
  return 0;
}
