#include "executor.h"

#include <algorithm>
#include <cstring>

#include "expert-matrix.h"
#include "platform.h"

namespace steelyard {
namespace {

constexpr int64_t kMaxElements = (int64_t)1 << 44;

// Bytes from the tensor's first element to the end of its last; below zero when rows overlap or it is absurdly large.
int64_t extent_bytes(const Tensor& t) {
  int64_t inner = 1;
  for (int i = 1; i < t.rank; i++)
    if (__builtin_mul_overflow(inner, t.dims[i], &inner) || inner > kMaxElements) return -1;
  if (t.rows() > 1 && t.row_stride < inner) return -1;
  // Both factors are below 2^31, or the stride is `inner`, so at most 2^75 before the check.
  int64_t elements;
  if (__builtin_mul_overflow(t.rows() - 1, t.row_stride, &elements) || elements > kMaxElements) return -1;
  const DTypeInfo& info = dtype_info(t.dtype);
  return (elements + inner) / info.block_size * info.block_bytes;
}

}  // namespace

std::string Executable::compile(CompileInput input) {
  input_ = std::move(input);
  threads_ = std::clamp(input_.threads, 1, ThreadPool::kMaxThreads);
  std::string problem = parse_tape(std::move(input_.tape), &tape_);
  if (!problem.empty()) return problem;
  if ((size_t)tape_.symbols != input_.limits.size()) return "the tape has " + std::to_string(tape_.symbols) + " symbols, limits are given for " + std::to_string(input_.limits.size());
  for (int32_t limit : input_.limits)
    if (limit < 1) return "a symbol's limit is " + std::to_string(limit) + ", expected at least 1";
  if (!arena_.allocate(tape_.arena_bytes)) return "cannot allocate " + std::to_string(tape_.arena_bytes) + " bytes for temporaries";
  tensors_.resize(tape_.slots.size());
  for (const Instruction& i : tape_.instructions) {
    std::vector<const Tensor*> in, out;
    for (int slot : i.in) in.push_back(slot < 0 ? nullptr : &tensors_[slot]);
    for (int slot : i.out) out.push_back(&tensors_[slot]);
    operands_.push_back(std::move(in));
    results_.push_back(std::move(out));
  }
  // At the limits everything is as large as it gets: buffers are checked and scratch is sized once, here.
  problem = bind(input_.limits, nullptr);
  if (!problem.empty()) return problem;
  if (!plan_scratch()) return "cannot allocate scratch memory";
  packed_.resize(tape_.slots.size());
  matrices_.resize(tape_.slots.size());
  problem = reserve_weights();
  return problem.empty() ? pack_own_weights() : problem;
}

// The matrices of an operand that an instruction reads by rows of panels; none of others.
std::vector<Tensor> Executable::read_by_panels(const Instruction& i, size_t operand) const {
  const auto matrices = [&](std::vector<Tensor> all) { return input_.table->packed_bytes(all[0]) > 0 ? all : std::vector<Tensor>(); };
  if (i.op == (int)Op::matmul && operand >= Matmul::w && Matmul::read(i.attrs).transposed) {
    const Tensor& w = tensors_[i.in[operand]];
    return w.parts ? std::vector<Tensor>() : matrices({w});
  }
  if (i.op != (int)Op::expertmatmul || operand != Expertmatmul::w || !Expertmatmul::read(i.attrs).transposed) return {};
  const Tensor &w = tensors_[i.in[operand]], *scales = i.in[Expertmatmul::scales] < 0 ? nullptr : &tensors_[i.in[Expertmatmul::scales]];
  if (scales && !is_microscaled(w, scales, Expertmatmul::read(i.attrs))) return {};
  std::vector<Tensor> all;
  for (int64_t e = 0; e < w.dims[0]; e++) all.push_back(expert_matrix(w, scales, Expertmatmul::read(i.attrs), e));
  return matrices(std::move(all));
}

// Weights that products read by rows get room for the layout of the level; experts that stay in their file do not.
std::string Executable::reserve_weights() {
  if (!input_.integer_activations) return "";
  for (const Instruction& i : tape_.instructions) {
    if (i.op == (int)Op::expertmatmul && input_.experts_on_disk) continue;
    for (size_t operand = 0; operand < i.in.size(); operand++) {
      const int slot = i.in[operand];
      if (slot < 0 || tensors_[slot].storage != Storage::weight || packed_[slot]) continue;
      const Buffer& buffer = input_.weights[tape_.slots[slot].index];
      std::vector<Tensor> matrices = buffer.own ? std::vector<Tensor>() : read_by_panels(i, operand);
      if (matrices.empty()) continue;
      packed_[slot] = reserve_panels(*input_.table, matrices);
      if (!packed_[slot]) return "cannot allocate memory for the weights";
      if (buffer.mapped && !packed_[slot]->made)
        for (const Tensor& w : matrices) fetch_pages(w.data, extent_bytes(w));
      matrices_[slot] = std::move(matrices);
    }
  }
  return "";
}

void Executable::make_weights() {
  for (size_t slot = 0; slot < packed_.size(); slot++) {
    if (matrices_[slot].empty()) continue;
    make_panels(*input_.table, matrices_[slot], input_.weights[tape_.slots[slot].index].mapped, threads_, *packed_[slot]);
    matrices_[slot].clear();
  }
}

// The matrices of this slot's weight where everything that reads the weight reads the slot, the weight as it was declared,
// by rows of panels; else none. `multiplied`: whether a product does.
std::vector<Tensor> Executable::takes_panels(size_t slot, bool* multiplied) const {
  const Tensor& w = tensors_[slot];
  const int index = tape_.slots[slot].index;
  const OwnWeight& own = *input_.weights[index].own;
  const int64_t rows = w.count() / w.last();
  bool declared = tape_.slots[slot].offset == 0 && w.contiguous() && w.rank >= 2 && (int32_t)w.dtype == own.dtype && rows == own.matrices * own.rows && w.last() == own.columns;
  if (!declared || !input_.integer_activations) return {};
  *multiplied = false;
  // A table of which rows are gathered alone has one matrix.
  std::vector<Tensor> matrices = {w};
  for (const Instruction& i : tape_.instructions)
    for (size_t operand = 0; operand < i.in.size(); operand++) {
      const int other = i.in[operand];
      if (other < 0 || tape_.slots[other].storage != Storage::weight || tape_.slots[other].index != index) continue;
      std::vector<Tensor> read = read_by_panels(i, operand);
      const bool product = !read.empty() && read.size() == (size_t)own.matrices && read[0].rows() == own.rows;
      if ((size_t)other != slot || !(product || (i.op == (int)Op::gather && operand == Gather::table && w.rank == 2))) return {};
      if (product) matrices = std::move(read);
      *multiplied = *multiplied || product;
    }
  return input_.table->packed_bytes(matrices[0]) > 0 ? matrices : std::vector<Tensor>();
}

// Weights that are repacked where they lie. One that is not stays as published while this lives, and must be so still.
std::string Executable::pack_own_weights() {
  for (size_t slot = 0; slot < tape_.slots.size(); slot++) {
    if (tape_.slots[slot].storage != Storage::weight) continue;
    const int index = tape_.slots[slot].index;
    OwnWeight* own = input_.weights[index].own.get();
    if (!own) continue;
    bool multiplied = false;
    const std::vector<Tensor> matrices = takes_panels(slot, &multiplied);
    if (!matrices.empty() && (own->packed || (multiplied && own->readers.expired()))) {
      packed_[slot] = pack_in_place(*input_.table, matrices, *own);
      continue;
    }
    if (own->packed) return "weight " + std::to_string(index) + " was repacked for another graph; load it again for this one";
    std::shared_ptr<void> held = own->readers.lock();
    if (!held) own->readers = held = std::make_shared<char>();
    held_.push_back(std::move(held));
  }
  return "";
}

Operands Executable::operands(size_t i) const {
  return {operands_[i].data(), (int)operands_[i].size(), results_[i].data(), tape_.instructions[i].attrs};
}

bool Executable::plan_scratch() {
  ScratchSize most = {0, 4096};
  for (size_t i = 0; i < tape_.instructions.size(); i++) {
    ScratchSize size = input_.table->scratch(tape_.instructions[i].op, operands(i));
    most = {std::max(most.shared, size.shared), std::max(most.own, size.own)};
  }
  own_stride_ = align_up(most.own);
  return shared_.allocate(most.shared) && own_.allocate(own_stride_ * threads_);
}

// Resolves symbols and addresses; without inputs, as a plan at the limits.
std::string Executable::bind(const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs) {
  for (size_t i = 0; i < tape_.slots.size(); i++) {
    std::string problem = bind_slot(i, dims, inputs);
    if (!problem.empty()) return "tensor " + std::to_string(i) + " " + problem;
  }
  std::string problem = check_instructions();
  if (problem.empty()) plan_phases();
  return problem;
}

// Refuses a tensor that would not lie inside its buffer.
std::string Executable::bind_slot(size_t i, const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs) {
  const TensorSlot& s = tape_.slots[i];
  Tensor& t = tensors_[i];
  t.storage = s.storage;
  t.dtype = s.dtype;
  t.rank = s.rank;
  for (int d = 0; d < s.rank; d++) t.dims[d] = s.dims[d] >= 0 ? s.dims[d] : dims[-(int64_t)s.dims[d] - 1];
  t.row_stride = s.row_stride >= 0 ? s.row_stride : t.inner();
  t.panels = i < packed_.size() && packed_[i];
  t.packed = t.panels && packed_[i]->made ? packed_[i]->data : nullptr;
  int64_t extent = extent_bytes(t);
  if (extent < 0) return "has overlapping rows or too many elements";
  char* data = arena_.data();
  size_t bytes = arena_.size();
  if (s.storage != Storage::arena) {
    if (s.storage == Storage::input && !inputs) return "";
    const std::vector<Buffer>& from = s.storage == Storage::weight ? input_.weights : s.storage == Storage::state ? input_.states : *inputs;
    if ((size_t)s.index >= from.size()) return "names buffer " + std::to_string(s.index) + " of " + std::to_string(from.size());
    if (!from[s.index].parts.empty()) return bind_parts(s, from[s.index], extent, &t);
    data = from[s.index].data;
    bytes = from[s.index].bytes;
  }
  if ((uint64_t)s.offset + (uint64_t)extent > bytes)
    return "needs " + std::to_string(s.offset + extent) + " bytes of a buffer of " + std::to_string(bytes);
  t.data = data + s.offset;
  // Single bytes and blocks, whose fields are read as bytes, may lie anywhere.
  const DTypeInfo& info = dtype_info(t.dtype);
  if (info.block_size == 1 && (uintptr_t)t.data % info.block_bytes != 0) return "is not aligned to its elements";
  return "";
}

// Refuses pieces that are not the tensor's rows.
std::string Executable::bind_parts(const TensorSlot& s, const Buffer& buffer, int64_t extent, Tensor* t) {
  const DTypeInfo& info = dtype_info(t->dtype);
  if (t->rank < 2 || (size_t)t->rows() != buffer.parts.size() || s.offset != 0 || !t->contiguous())
    return "has " + std::to_string(t->rows()) + " rows where the weight has " + std::to_string(buffer.parts.size()) + " pieces";
  if ((uint64_t)(extent / t->rows()) > buffer.bytes) return "needs " + std::to_string(extent / t->rows()) + " bytes of pieces of " + std::to_string(buffer.bytes);
  for (const char* part : buffer.parts)
    if (info.block_size == 1 && (uintptr_t)part % info.block_bytes != 0) return "is not aligned to its elements";
  t->data = nullptr;
  t->parts = buffer.parts.data();
  return "";
}

std::string Executable::check_instructions() {
  for (size_t i = 0; i < tape_.instructions.size(); i++) {
    const char* rule = broken_rule(tape_.instructions[i].op, operands(i));
    if (rule) return "instruction " + std::to_string(i) + ": " + rule;
  }
  return "";
}

void Executable::plan_phases() {
  phases_.clear();
  for (size_t i = 0; i < tape_.instructions.size(); i++) {
    for (int phase = 0;; phase++) {
      int chunks = input_.table->chunks(tape_.instructions[i].op, operands(i), phase, threads_);
      if (chunks == 0) break;
      phases_.push_back({i, phase, std::min(chunks, ThreadPool::kMaxChunks)});
    }
  }
}

// Values that index memory are checked before anything runs; layers share theirs.
std::string Executable::check_indices() {
  indices_.clear();
  for (size_t i = 0; i < tape_.instructions.size(); i++) {
    Operands o = operands(i);
    collect_indices(tape_.instructions[i].op, o, &indices_);
    ScratchSize size = input_.table->scratch(tape_.instructions[i].op, o);
    if (size.shared > shared_.size() || size.own > own_stride_) return "instruction " + std::to_string(i) + " needs more scratch memory than at the limits";
  }
  for (const IndexRange& range : indices_) {
    std::string problem = outside_range(range);
    if (!problem.empty()) return problem;
  }
  return "";
}

void Executable::poison() {
  for (Memory* memory : {&arena_, &shared_, &own_})
    if (memory->size()) std::memset(memory->data(), 0xff, memory->size());
}

int Executable::next_step() {
  first_ = end_;
  if (first_ == phases_.size()) return 0;
  int chunks = phases_[end_++].chunks;
  while (chunks == 1 && end_ < phases_.size() && phases_[end_].chunks == 1) end_++;
  return chunks;
}

void Executable::run_chunk(int chunk, int thread) {
  Call call = {};
  call.chunk = chunk;
  call.threads = threads_;
  call.integer_activations = input_.integer_activations;
  call.shared = shared_.data();
  call.own = own_.data() + own_stride_ * thread;
  for (size_t p = first_; p < end_; p++) {
    size_t i = phases_[p].instruction;
    call.phase = phases_[p].phase;
    call.chunks = phases_[p].chunks;
    call.in = operands_[i].data();
    call.in_count = (int)operands_[i].size();
    call.out = results_[i].data();
    call.attrs = tape_.instructions[i].attrs;
    input_.table->kernels[tape_.instructions[i].op](call);
  }
}

std::string Executable::run(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs) {
  if (dims.size() != input_.limits.size()) return std::to_string(dims.size()) + " dims are given, expected " + std::to_string(input_.limits.size());
  for (size_t i = 0; i < dims.size(); i++)
    if (dims[i] < 1 || dims[i] > input_.limits[i])
      return "dim " + std::to_string(i) + " is " + std::to_string(dims[i]) + ", expected 1 to " + std::to_string(input_.limits[i]);
  if (ran_) make_weights();
  ran_ = true;
  std::string problem = bind(dims, &inputs);
  if (problem.empty()) problem = check_indices();
  if (!problem.empty()) return problem;
  if (input_.poison) poison();
  first_ = end_ = 0;
  ThreadPool::instance().run(threads_, *this);
  return "";
}

}  // namespace steelyard
