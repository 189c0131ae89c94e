#include "executor.h"

#include <algorithm>
#include <cstring>

#include "platform.h"
#include "thread-pool.h"

namespace steelyard {
namespace {

constexpr int32_t kMagic = 0x53544c59;
constexpr int32_t kVersion = 1;
constexpr int kHeaderWords = 8;
constexpr int kSlotWords = 12;
// Below this many elements of output an op is faster on one thread than across a barrier.
constexpr int64_t kSerialElements = 8192;

int64_t extent_bytes(const Tensor& t) {
  if (t.count() == 0) return 0;
  const DTypeInfo& info = dtype_info(t.dtype);
  int64_t elements = (t.rows() - 1) * t.row_stride + t.inner();
  return elements / info.block_size * info.block_bytes;
}

}  // namespace

// Defined in level.cc by way of the scalar build; sizes do not depend on the level.
namespace scalar {
size_t scratch_matmul_shared(int64_t m, int64_t k);
size_t scratch_matmul_own(int64_t k);
size_t scratch_rope_own(int64_t half);
size_t scratch_attention_own(int64_t group, int64_t page_size, int64_t dim, int64_t value_dim);
}  // namespace scalar

Executable::Memory::~Memory() { free_pages(data_, size_); }
bool Executable::Memory::allocate(size_t bytes) {
  size_ = bytes;
  data_ = bytes == 0 ? nullptr : allocate_pages(bytes);
  return bytes == 0 || data_ != nullptr;
}

std::string Executable::parse() {
  const std::vector<int32_t>& tape = input_.tape;
  if (tape.size() < kHeaderWords || tape[0] != kMagic || tape[1] != kVersion || tape[2] != kOpCount)
    return "the tape's header does not fit these kernels; run: npm run build";
  int symbols = tape[3], slots = tape[4], instructions = tape[5];
  if (symbols < 0 || slots < 0 || instructions < 0 || (size_t)symbols != input_.limits.size()) return "the tape's counts are wrong";
  size_t at = kHeaderWords;
  if (at + (size_t)slots * kSlotWords > tape.size()) return "the tape ends within its tensor table";
  for (int i = 0; i < slots; i++, at += kSlotWords) {
    const int32_t* w = &tape[at];
    TensorSlot s = {w[0], w[1], (int64_t)(uint32_t)w[2] | (int64_t)w[3] << 32, (DType)w[4], w[5], {w[6], w[7], w[8], w[9]}, w[10]};
    if (s.kind < 0 || s.kind > 3 || s.index < 0 || s.offset < 0 || s.rank < 0 || s.rank > kMaxRank || !dtype_known(w[4]))
      return "tensor " + std::to_string(i) + " of the tape is malformed";
    for (int d = 0; d < s.rank; d++)
      if (s.dims[d] < 0 && -s.dims[d] > symbols) return "tensor " + std::to_string(i) + " names an unknown symbol";
    if ((s.kind == 1 && (size_t)s.index >= input_.weights.size()) || (s.kind == 2 && (size_t)s.index >= input_.states.size()))
      return "tensor " + std::to_string(i) + " names an unknown buffer";
    slots_.push_back(s);
  }
  for (int i = 0; i < instructions; i++) {
    if (at + 4 > tape.size()) return "the tape ends within instruction " + std::to_string(i);
    int op = tape[at], in = tape[at + 1], out = tape[at + 2], attrs = tape[at + 3];
    at += 4;
    if (op < 0 || op >= kOpCount || !input_.table->kernels[op] || in < 0 || out < 1 || attrs < 0 || at + (size_t)in + out + attrs > tape.size() ||
        !op_counts_fit(op, in, out, attrs))
      return "instruction " + std::to_string(i) + " of the tape is malformed";
    Instruction instruction = {op, {}, {}, nullptr};
    for (int j = 0; j < in + out; j++) {
      int32_t slot = tape[at++];
      bool absent = j < in && slot == -1;
      if (!absent && (slot < 0 || slot >= slots)) return "instruction " + std::to_string(i) + " names an unknown tensor";
      (j < in ? instruction.in : instruction.out).push_back(slot);
    }
    instruction.attrs = tape.data() + at;
    if (!op_attrs_fit(op, instruction.attrs)) return "instruction " + std::to_string(i) + " has an unknown attribute value";
    at += attrs;
    instructions_.push_back(std::move(instruction));
  }
  return at == tape.size() ? "" : "the tape has words after its last instruction";
}

std::string Executable::compile(CompileInput input) {
  input_ = std::move(input);
  threads_ = std::max(1, input_.threads);
  std::string problem = parse();
  if (!problem.empty()) return problem;
  const int32_t* header = input_.tape.data();
  size_t arena_bytes = (size_t)(uint32_t)header[6] | (size_t)header[7] << 32;
  if (!arena_.allocate(arena_bytes)) return "cannot allocate " + std::to_string(arena_bytes) + " bytes for temporaries";
  tensors_.resize(slots_.size());
  for (const Instruction& i : instructions_) {
    std::vector<const Tensor*> in, out;
    for (int slot : i.in) in.push_back(slot < 0 ? nullptr : &tensors_[slot]);
    for (int slot : i.out) out.push_back(&tensors_[slot]);
    operands_.push_back(std::move(in));
    results_.push_back(std::move(out));
  }
  parallel_.resize(instructions_.size());
  // At the limits everything is as large as it gets: buffers are checked and scratch is sized once, here.
  problem = bind(input_.limits, {});
  if (!problem.empty()) return problem;
  if (!plan_scratch()) return "cannot allocate scratch memory";
  if (!own_.allocate(own_stride_ * threads_)) return "cannot allocate scratch memory";
  return "";
}

bool Executable::plan_scratch() {
  size_t shared = 0, own = 4096;
  for (size_t i = 0; i < instructions_.size(); i++) {
    const auto& in = operands_[i];
    size_t more = 0;
    switch (instructions_[i].op) {
      case (int)Op::matmul:
        shared = std::max(shared, scalar::scratch_matmul_shared(in[Matmul::x]->rows(), in[Matmul::x]->last()));
        more = scalar::scratch_matmul_own(in[Matmul::x]->last());
        break;
      case (int)Op::rope: more = scalar::scratch_rope_own(in[Rope::frequencies]->count()); break;
      case (int)Op::attention: {
        const Tensor &keys = *in[Attention::keys], &values = *in[Attention::values];
        more = scalar::scratch_attention_own(in[Attention::q]->dims[1] / keys.dims[1], keys.dims[2], keys.dims[3], values.dims[3]);
        break;
      }
      default: break;
    }
    own = std::max(own, more);
  }
  own_stride_ = align_up(own);
  return shared_.allocate(shared);
}

// Resolves symbols and addresses; refuses a tensor that would not lie inside its buffer.
std::string Executable::bind(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs) {
  bool planning = inputs.empty();
  for (size_t i = 0; i < slots_.size(); i++) {
    const TensorSlot& s = slots_[i];
    Tensor& t = tensors_[i];
    t.dtype = s.dtype;
    t.rank = s.rank;
    for (int d = 0; d < s.rank; d++) t.dims[d] = s.dims[d] >= 0 ? s.dims[d] : dims[-s.dims[d] - 1];
    t.row_stride = s.row_stride >= 0 ? s.row_stride : t.inner();
    Buffer buffer = s.kind == 0 ? arena() : s.kind == 1 ? input_.weights[s.index] : s.kind == 2 ? input_.states[s.index] : Buffer{};
    if (s.kind == 3) {
      if (planning) continue;
      if ((size_t)s.index >= inputs.size()) return "input " + std::to_string(s.index) + " is missing";
      buffer = inputs[s.index];
    }
    if ((size_t)(s.offset + extent_bytes(t)) > buffer.bytes)
      return "tensor " + std::to_string(i) + " needs " + std::to_string(s.offset + extent_bytes(t)) + " bytes of a buffer of " + std::to_string(buffer.bytes);
    t.data = buffer.data + s.offset;
  }
  for (size_t i = 0; i < instructions_.size(); i++) {
    int64_t work = 0;
    for (const Tensor* out : results_[i]) work = std::max(work, out->count());
    int op = instructions_[i].op;
    bool heavy = op == (int)Op::matmul || op == (int)Op::attention;
    parallel_[i] = threads_ > 1 && (heavy || work >= kSerialElements);
  }
  return "";
}

// Values that index memory are checked before anything runs.
std::string Executable::check_indices() const {
  auto outside = [](const Tensor& t, int64_t low, int64_t high, const char* name) -> std::string {
    for (int64_t i = 0; i < t.count(); i++) {
      int32_t v = t.i32()[i];
      if (v < low || v >= high)
        return std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(v) + ", expected " + std::to_string(low) + " to " + std::to_string(high - 1);
    }
    return "";
  };
  for (size_t i = 0; i < instructions_.size(); i++) {
    const auto& in = operands_[i];
    std::string problem;
    if (instructions_[i].op == (int)Op::gather) problem = outside(*in[Gather::rows], 0, in[Gather::table]->rows(), "rows");
    if (instructions_[i].op == (int)Op::kvwrite) {
      const Tensor& cache = *in[Kvwrite::cache];
      problem = outside(*in[Kvwrite::slots], -1, cache.dims[0] * cache.dims[2], "slots");
    }
    if (instructions_[i].op == (int)Op::attention) {
      const Tensor &keys = *in[Attention::keys], &pages = *in[Attention::pages];
      problem = outside(pages, 0, keys.dims[0], "pages");
      if (problem.empty()) problem = outside(*in[Attention::sequences], 0, pages.dims[0], "sequences");
      if (problem.empty()) problem = outside(*in[Attention::positions], 0, pages.dims[1] * keys.dims[2], "positions");
    }
    if (!problem.empty()) return problem;
  }
  return "";
}

void Executable::walk(int thread) {
  ThreadPool& pool = ThreadPool::instance();
  Call call = {};
  call.thread = thread;
  call.int8_activations = input_.int8_activations;
  call.shared = shared_.data();
  call.own = own_.data() + own_stride_ * thread;
  call.pool = &pool;
  call.barrier_fn = [](void* p, int) { static_cast<ThreadPool*>(p)->barrier(); };
  bool before = false;  // was the instruction before this one shared among threads?
  for (size_t i = 0; i < instructions_.size(); i++) {
    bool parallel = parallel_[i];
    // Small ops in a row all belong to thread 0, which needs no barrier between them.
    if (i > 0 && (parallel || before) && threads_ > 1) pool.barrier();
    before = parallel;
    if (!parallel && thread != 0) continue;
    call.threads = parallel ? threads_ : 1;
    call.in = operands_[i].data();
    call.in_count = (int)operands_[i].size();
    call.out = results_[i].data();
    call.attrs = instructions_[i].attrs;
    input_.table->kernels[instructions_[i].op](call);
  }
}

std::string Executable::run(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs) {
  for (size_t i = 0; i < input_.limits.size(); i++)
    if (dims[i] < 1 || dims[i] > input_.limits[i])
      return "dim " + std::to_string(i) + " is " + std::to_string(dims[i]) + ", expected 1 to " + std::to_string(input_.limits[i]);
  std::string problem = bind(dims, inputs);
  if (problem.empty()) problem = check_indices();
  if (!problem.empty()) return problem;
  ThreadPool::instance().run(threads_, [](void* self, int thread) { static_cast<Executable*>(self)->walk(thread); }, this);
  return "";
}

}  // namespace steelyard
