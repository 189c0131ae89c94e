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
  // A weight in its level's own layout, when loading repacked it; null while kernels read the published one.
  const char* packed = nullptr;
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

// Waits until every thread of the run has arrived.
using BarrierFn = void (*)(void* pool, int thread);

// One instruction of a run, as one thread sees it.
struct Call {
  const Tensor* const* in;  // null where an optional operand is absent
  int in_count;
  const Tensor* const* out;
  const int32_t* attrs;
  int thread;
  int threads;
  // Quantise activations to 16 bits for block formats, else compute with float32 activations.
  bool integer_activations;
  // Bytes that all threads share, and this thread's own; sized by scratch_bytes().
  char* shared;
  char* own;
  void* pool;
  BarrierFn barrier_fn;

  void barrier() const {
    if (threads > 1) barrier_fn(pool, thread);
  }
};

// [begin, end) of `total` units for a thread, in multiples of `grain`.
struct Range {
  int64_t begin, end;
};
inline Range split(int64_t total, int thread, int threads, int64_t grain = 1) {
  int64_t units = (total + grain - 1) / grain;
  int64_t begin = units * thread / threads * grain;
  int64_t end = units * (thread + 1) / threads * grain;
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

// Scratch memory that a kernel uses: `shared` by all threads, `own` by each.
struct ScratchSize {
  size_t shared = 0, own = 0;
};

// The kernels of one instruction-set level, by op code; null for views.
struct KernelTable {
  const char* level;
  ScratchSize (*scratch)(int op, const Operands& operands);
  Kernel kernels[kOpCount];
};

constexpr size_t align_up(size_t n, size_t to = 64) { return (n + to - 1) / to * to; }

}  // namespace steelyard
