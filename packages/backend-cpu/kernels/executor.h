// A compiled tape: checked once, then run step by step by the threads of the pool.
#pragma once
#include <string>
#include <vector>

#include "op-rules.h"
#include "packed-weights.h"
#include "tape.h"
#include "thread-pool.h"

namespace steelyard {

struct CompileInput {
  std::vector<int32_t> tape;
  std::vector<Buffer> weights, states;
  std::vector<int32_t> limits;  // by symbol
  int threads;
  bool integer_activations;
  // Fill temporaries with NaN before each run: a kernel that leaves an element unwritten then shows.
  bool poison = false;
  // Experts are larger than memory: they are not repacked, but read from their file as tokens choose them.
  bool experts_on_disk = false;
  const KernelTable* table;
};

class Executable final : private Job {
 public:
  // Empty on success, else what is wrong.
  std::string compile(CompileInput input);
  // `inputs` by index; elements as the bound dims say. Empty on success. One run at a time. The first answers soonest: it
  // leaves making panels of the weights, with all the memory that takes, to the second.
  std::string run(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs);

  // Makes the panels now. Not during a run.
  void make_weights();

  size_t temporary_bytes() const { return arena_.size() + shared_.size() + own_.size(); }
  Buffer arena() { return {arena_.data(), arena_.size()}; }

 private:
  Operands operands(size_t instruction) const;
  std::string bind(const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs);
  std::string bind_slot(size_t slot, const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs);
  static std::string bind_parts(const TensorSlot& slot, const Buffer& buffer, int64_t extent, Tensor* t);
  std::string check_instructions();
  std::string check_indices();
  std::vector<Tensor> read_by_panels(const Instruction& i, size_t operand) const;
  std::string reserve_weights();
  std::string pack_own_weights();
  std::vector<Tensor> takes_panels(size_t slot, bool* multiplied) const;
  void plan_phases();
  int next_step() override;
  void run_chunk(int chunk, int thread) override;
  bool plan_scratch();
  void poison();

  CompileInput input_;
  Tape tape_;
  std::vector<std::vector<const Tensor*>> operands_, results_;
  std::vector<Tensor> tensors_;
  std::vector<std::shared_ptr<PackedWeight>> packed_;  // by slot; null where kernels read the published weight
  std::vector<std::vector<Tensor>> matrices_;          // by slot, of what is still to be packed
  std::vector<std::shared_ptr<void>> held_;  // of weights that must stay as published
  std::vector<IndexRange> indices_;
  struct Phase {
    size_t instruction;
    int phase;
    int chunks;
  };
  std::vector<Phase> phases_;
  // The open step: one phase in chunks, or several phases of one chunk each, which then wait for nobody in between.
  size_t first_ = 0, end_ = 0;
  Memory arena_, shared_, own_;
  size_t own_stride_ = 0;
  int threads_ = 1;
  bool ran_ = false;
};

}  // namespace steelyard
