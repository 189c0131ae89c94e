// Passes over a row of logits that sampling makes for every token, bit for bit those of `plainRows` in the package graph:
// doubles, no fused multiply-adds, partial sums in the same order. No instructions of a graph: who samples calls them.
#include <cmath>
#include <limits>

#include "simd.h"
#include "tensor.h"

namespace steelyard::SY_LEVEL {
namespace {

// Partial sums of a block, and how many of them are a vector of doubles.
constexpr int kRowSums = 8;
constexpr int kRowLanes = kLanes / 2;
typedef double vd __attribute__((vector_size(kRowLanes * 8)));
typedef int64_t vl __attribute__((vector_size(kRowLanes * 8)));
typedef int32_t vh __attribute__((vector_size(kRowLanes * 4)));
typedef float vq __attribute__((vector_size(kRowLanes * 4)));

// 2^(j / 32).
constexpr double kFractions[32] = {
    1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237,
    1.0905077326652577, 1.1143867425958924, 1.1387886347566916, 1.1637248587775775,
    1.189207115002721, 1.215247359980469, 1.241857812073484, 1.2690509571917332,
    1.2968395546510096, 1.3252366431597413, 1.3542555469368927, 1.383909881963832,
    1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228,
    1.5422108254079407, 1.5759808451078865, 1.6104903319492543, 1.645755478153965,
    1.681792830507429, 1.718619298122478, 1.7562521603732995, 1.7947090750031072,
    1.8340080864093424, 1.8741676341103, 1.9152065613971474, 1.9571441241754002};

inline vd row_fraction(vh index) {
#if defined(__AVX512F__)
  return (vd)_mm512_i32gather_pd((__m256i)index, kFractions, 8);
#else
  vd fraction;
  for (int i = 0; i < kRowLanes; i++) fraction[i] = kFractions[index[i]];
  return fraction;
#endif
}

// Whether any lane of a comparison holds.
inline bool row_any(vi holds) {
  uint64_t words[kLanes / 2], any = 0;
  std::memcpy(words, &holds, sizeof holds);
  for (uint64_t word : words) any |= word;
  return any != 0;
}

// e^x for x at most 0, as `exponential` in the package graph has it; NaN stays NaN.
inline vd row_exponential(vd x) {
  const double per_unit = 1 / (0.6931471805599453 / 32), step = 0.6931471805599453 / 32;
  // What is too small counts as 0; far below that its number of steps would be none of 32 bits.
  const vl small = x < -700.0;
  x = small ? vd{} : x;
  const vh steps = __builtin_convertvector(x * per_unit - 0.5, vh);
  const vd r = x - __builtin_convertvector(steps, vd) * step;
  const vd series = 1 + r * (1 + r * (1.0 / 2 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120)))));
  const vd fraction = row_fraction(steps & 31);
  const vd power = (vd)((__builtin_convertvector(steps >> 5, vl) + 1023) << 52);
  return small ? vd{} : power * fraction * series;
}

int64_t row_argmax(const float* row, int64_t count) {
  vf most = splat(-std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const vf x = load(row + i);
    most = x > most ? x : most;
  }
  float best = -std::numeric_limits<float>::infinity();
  for (int lane = 0; lane < kLanes; lane++) best = most[lane] > best ? most[lane] : best;
  for (; i < count; i++) best = row[i] > best ? row[i] : best;
  for (i = 0; i + kLanes <= count && !row_any(load(row + i) == best); i += kLanes) {
  }
  while (i < count - 1 && row[i] != best) i++;
  return i;
}

double row_weigh(const float* row, int64_t count, double top, double scale, double* weights, double* sums) {
  double total = 0;
  for (int64_t begin = 0; begin < count; begin += kRowBlock) {
    const int64_t end = begin + kRowBlock < count ? begin + kRowBlock : count;
    vd lanes[kRowSums / kRowLanes]{};
    int64_t i = begin;
    for (; i + kRowSums <= end; i += kRowSums) {
      for (int k = 0; k < kRowSums / kRowLanes; k++) {
        vq x;
        std::memcpy(&x, row + i + k * kRowLanes, sizeof x);
        const vd weight = row_exponential((__builtin_convertvector(x, vd) - top) * scale);
        std::memcpy(weights + i + k * kRowLanes, &weight, sizeof weight);
        lanes[k] += weight;
      }
    }
    double sum_of[kRowSums];
    std::memcpy(sum_of, lanes, sizeof sum_of);
    for (int lane = 0; i < end; i++, lane++) {
      const vd weight = row_exponential((row[i] - vd{} - top) * scale);
      weights[i] = weight[0];
      sum_of[lane] += weight[0];
    }
    const double sum =
        ((sum_of[0] + sum_of[4]) + (sum_of[2] + sum_of[6])) + ((sum_of[1] + sum_of[5]) + (sum_of[3] + sum_of[7]));
    sums[begin / kRowBlock] = sum;
    total += sum;
  }
  return total;
}

int64_t row_at_least(const float* row, int64_t count, double floor, uint32_t* ids) {
  int64_t found = 0;
  int64_t i = 0;
  // Whole vectors without one are most of a row. A float is at least a double when it is at least the next float above.
  float least = (float)floor;
  if ((double)least < floor) least = std::nextafterf(least, std::numeric_limits<float>::infinity());
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    vi any{};
    for (int k = 0; k < 4; k++) any |= load(row + i + k * kLanes) >= least;
    if (!row_any(any)) continue;
    for (int64_t k = i; k < i + 4 * kLanes; k++)
      if (row[k] >= least) ids[found++] = (uint32_t)k;
  }
  for (; i < count; i++)
    if (row[i] >= least) ids[found++] = (uint32_t)i;
  return found;
}

}  // namespace
}  // namespace steelyard::SY_LEVEL
