// The WebAssembly module: flat calls over addresses, pages from the memory that the caller gives, which threads may share.
// Who calls copies weights in, writes inputs and reads outputs through that memory. One thread calls everything but help().
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "executor.h"
#include "platform.h"

#define SY_EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace steelyard {

namespace wasm {
extern const KernelTable kTable;
}

// Memory that the heap has grown into since is zero already: clearing only what lies below keeps the arena's pages
// untouched, and so not resident, until a run needs them.
char* allocate_pages(size_t bytes, bool) {
  size_t size = align_up(bytes);
  if (size < bytes) return nullptr;
  uint64_t known = (uint64_t)__builtin_wasm_memory_size(0) * 65536;
  char* p = (char*)std::malloc(size);  // 64-byte aligned: see wasm-heap.cc
  uint64_t at = (uint64_t)(uintptr_t)p;
  if (p && at < known) std::memset(p, 0, known - at < size ? (size_t)(known - at) : size);
  return p;
}

void free_pages(char* data, size_t) { std::free(data); }

// Nothing is mapped here.
void fetch_pages(const char*, size_t) {}
void drop_pages(const char*, size_t) {}

namespace {

// What was wrong with the last compile or run; empty when nothing was.
std::string problem;

// A buffer as callers write it.
struct Span {
  char* data;
  size_t bytes;
};

// Made while there is one thread.
ThreadPool& pool = ThreadPool::instance();

// Those that were allocated as weights.
std::map<const char*, std::shared_ptr<OwnWeight>> weights;

std::vector<Buffer> buffers(const Span* spans, size_t count) {
  std::vector<Buffer> result(count);
  for (size_t i = 0; i < count; i++) {
    result[i].data = spans[i].data;
    result[i].bytes = spans[i].bytes;
    auto own = weights.find(spans[i].data);
    if (own != weights.end()) result[i].own = own->second;
  }
  return result;
}

}  // namespace
}  // namespace steelyard

using namespace steelyard;

// Zero-filled, 64-byte aligned; null when there is no room.
SY_EXPORT(allocate) char* sy_allocate(size_t bytes) { return allocate_pages(bytes); }
SY_EXPORT(free) void sy_free(char* data) {
  weights.erase(data);
  free_pages(data, 0);
}

// Memory for matrices [rows, columns] of a dtype's number, with room for their packed layout: an executable may repack them.
SY_EXPORT(allocateWeight) char* sy_allocate_weight(size_t bytes, int32_t dtype, uint32_t matrices, uint32_t rows, uint32_t columns) {
  if (!dtype_known(dtype)) return nullptr;
  Tensor w;
  w.dtype = (DType)dtype;
  w.rank = 2;
  w.dims[0] = rows;
  w.dims[1] = columns;
  size_t packed;
  if (__builtin_mul_overflow(wasm::kTable.packed_bytes(w), (size_t)matrices, &packed)) packed = 0;
  // A packed layout is never smaller, unless its size has overflowed.
  const bool packable = packed >= bytes;
  char* data = allocate_pages(packable ? packed : bytes);
  if (data && packable) weights[data] = std::make_shared<OwnWeight>(OwnWeight{dtype, matrices, rows, columns});
  return data;
}
SY_EXPORT(isPacked) int sy_is_packed(const char* data) {
  auto own = weights.find(data);
  return own != weights.end() && own->second->packed;
}

#if defined(__wasm64__)
// By its name alone who instantiates the module learns that addresses have 64 bits.
SY_EXPORT(wide) void sy_wide() {}
#endif

SY_EXPORT(problem) const char* sy_problem() { return problem.data(); }
SY_EXPORT(problemLength) size_t sy_problem_length() { return problem.size(); }

// Null with a problem when the tape is refused. Arguments are copied; buffers must outlive the executable.
SY_EXPORT(compile)
Executable* sy_compile(const int32_t* tape, size_t words, const Span* weights, size_t weight_count, const Span* states, size_t state_count,
                       const int32_t* limits, size_t symbols, int threads, int integer_activations, int poison) {
  CompileInput input;
  input.tape.assign(tape, tape + words);
  input.weights = buffers(weights, weight_count);
  input.states = buffers(states, state_count);
  input.limits.assign(limits, limits + symbols);
  input.threads = threads;
  input.integer_activations = integer_activations != 0;
  input.poison = poison != 0;
  input.table = &wasm::kTable;
  Executable* executable = new (std::nothrow) Executable();
  if (!executable) {
    problem = "no room for an executable";
    return nullptr;
  }
  problem = executable->compile(std::move(input));
  if (problem.empty()) return executable;
  delete executable;
  return nullptr;
}

SY_EXPORT(release) void sy_release(Executable* executable) { delete executable; }
SY_EXPORT(temporaryBytes) size_t sy_temporary_bytes(const Executable* executable) { return executable->temporary_bytes(); }
// Outputs are read at their offsets from here.
SY_EXPORT(arena) char* sy_arena(Executable* executable) { return executable->arena().data; }

// 1 when it ran, else 0 with a problem.
SY_EXPORT(run) int sy_run(Executable* executable, const int32_t* dims, size_t symbols, const Span* inputs, size_t input_count) {
  problem = executable->run(std::vector<int32_t>(dims, dims + symbols), buffers(inputs, input_count));
  return problem.empty();
}

// Takes part in runs as thread `thread`, above 0, and never returns. The instance has a stack of its own.
SY_EXPORT(help) void sy_help(int thread) { pool.work(thread); }
