// What a kernel sees: tensors as rows of contiguous elements, and its share of the threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ops.gen.h"

namespace steelyard {

constexpr int kMaxRank = 4;

// Where a tensor's bytes lie; the numbers are the tape's.
enum class Storage : int32_t { arena = 0, weight = 1, state = 2, input = 3 };

// Rows (dim 0) of contiguous elements, row_stride elements apart; offsets of block formats count blocks.
struct Tensor {
  char* data = nullptr;
  // A weight that matmuls read by panels of 16 rows, in the layout of its level: those of `packed`, or where that is null
  // what they make of the published rows as they go. The values are the same.
  bool panels = false;
  const char* packed = nullptr;
  // The packed layout is the only one there is.
  bool in_place() const { return packed && packed == data; }
  // Of rows of f4_e2m1, a byte for each 32 elements: with them they are mxfp4 in two pieces.
  const char* exponents = nullptr;
  // A stacked weight whose rows (dim 0) are pieces of their own, where they lie, and data is null.
  const char* const* parts = nullptr;
  Storage storage = Storage::arena;
  DType dtype = DType::f32;
  int rank = 0;
  int64_t dims[kMaxRank] = {1, 1, 1, 1};
  int64_t row_stride = 0;

  int64_t rows() const { return rank == 0 ? 1 : dims[0]; }
  // Elements of a row.
  int64_t inner() const {
    int64_t n = 1;
    for (int i = 1; i < rank; i++) n *= dims[i];
    return n;
  }
  int64_t count() const { return rows() * inner(); }
  // Elements of the last dim.
  int64_t last() const { return rank == 0 ? 1 : dims[rank - 1]; }
  bool contiguous() const { return row_stride == inner() || rows() <= 1; }
  float* f32(int64_t row = 0) const { return reinterpret_cast<float*>(data) + row * row_stride; }
  const int32_t* i32(int64_t row = 0) const { return reinterpret_cast<const int32_t*>(data) + row * row_stride; }
  // Row of a weight in its own format, over the last dim.
  const uint8_t* block_row(int64_t row) const {
    const DTypeInfo& info = dtype_info(dtype);
    return reinterpret_cast<const uint8_t*>(data) + row * (last() / info.block_size) * info.block_bytes;
  }
};

// One chunk of one instruction of a run. An instruction has phases, each begun when the one before is done, and a phase
// has chunks, which run in any order on any thread; ChunkCount says how many.
struct Call {
  const Tensor* const* in;  // null where an optional operand is absent
  int in_count;
  const Tensor* const* out;
  const int32_t* attrs;
  int phase;
  int chunk;
  int chunks;
  int threads;  // that share the run
  // Quantise activations to 16 bits for block formats, else compute with float32 activations.
  bool integer_activations;
  // Bytes that all chunks of the instruction share, which one phase leaves to the next, and bytes for this chunk alone.
  char* shared;
  char* own;
};

// [begin, end) of `total` units for a chunk, in multiples of `grain`.
struct Range {
  int64_t begin, end;
};
inline Range share(const Call& call, int64_t total, int64_t grain = 1) {
  int64_t units = (total + grain - 1) / grain;
  int64_t begin = units * call.chunk / call.chunks * grain;
  int64_t end = units * (call.chunk + 1) / call.chunks * grain;
  return {begin < total ? begin : total, end < total ? end : total};
}

using Kernel = void (*)(const Call&);

// The operands of one instruction with dims bound; data is set for all but the inputs of a plan.
struct Operands {
  const Tensor* const* in;
  int in_count;
  const Tensor* const* out;
  const int32_t* attrs;
};

inline Operands operands_of(const Call& call) { return {call.in, call.in_count, call.out, call.attrs}; }

// Scratch memory that a kernel uses: `shared` by all chunks, `own` by each.
struct ScratchSize {
  size_t shared = 0, own = 0;
};

// Below this many elements of output an op is faster on one thread than across a wait.
constexpr int64_t kSerialElements = 8192;

// Chunks for `work`, at least `grain` of it each, of at most `units` indivisible ones: several to a thread, so that one
// that is put aside holds little up.
inline int chunks_of(int64_t work, int64_t grain, int64_t units, int threads) {
  if (threads == 1) return 1;
  int64_t most = work / grain < 16 * threads ? work / grain : 16 * threads;
  most = most < units ? most : units;
  return most < 1 ? 1 : (int)most;
}

// The kernels of one instruction-set level, by op code; null for views.
// Weights of a row of logits whose sum is kept beside them: `ROW_BLOCK` in the package graph.
constexpr int64_t kRowBlock = 256;

struct KernelTable {
  const char* level;
  ScratchSize (*scratch)(int op, const Operands& operands);
  // Chunks of a phase of an instruction; 0 when there is no such phase. Results never depend on it.
  int (*chunks)(int op, const Operands& operands, int phase, int threads);
  // Bytes of a weight in this level's layout, 0 when matmuls read it as published; and the making of one panel of it, of
  // 16 rows, as many bytes as the others.
  size_t (*packed_bytes)(const Tensor& w);
  void (*pack_panel)(const Tensor& w, int64_t panel, char* to);
#if !defined(__wasm__)
  // Passes over rows of logits, for sampling; see rows.cc.
  int64_t (*row_argmax)(const float* row, int64_t count);
  double (*row_weigh)(const float* row, int64_t count, double top, double scale, double* weights, double* sums);
  int64_t (*row_at_least)(const float* row, int64_t count, double floor, uint32_t* ids);
#endif
  Kernel kernels[kOpCount];
};

constexpr size_t align_up(size_t n, size_t to = 64) { return (n + to - 1) / to * to; }

}  // namespace steelyard
