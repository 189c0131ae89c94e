// A compiled tape: checked once, then walked by every thread of a run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "tensor.h"

namespace steelyard {

struct Buffer {
  char* data = nullptr;
  size_t bytes = 0;
};

struct TensorSlot {
  int kind;  // 0 arena, 1 weight, 2 state, 3 input
  int index;
  int64_t offset;
  DType dtype;
  int rank;
  int32_t dims[kMaxRank];  // negative: -(symbol + 1)
  int64_t row_stride;      // -1: contiguous, known when dims are bound
};

struct Instruction {
  int op;
  std::vector<int> in;   // -1 where absent
  std::vector<int> out;
  const int32_t* attrs;
};

struct CompileInput {
  std::vector<int32_t> tape;
  std::vector<Buffer> weights, states;
  std::vector<int32_t> limits;  // by symbol
  int threads;
  bool int8_activations;
  const KernelTable* table;
};

class Executable {
 public:
  // Empty on success, else what is wrong.
  std::string compile(CompileInput input);
  // `inputs` by index; elements as the bound dims say. Empty on success.
  std::string run(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs);

  size_t temporary_bytes() const { return arena_.size() + shared_.size() + own_stride_ * threads_; }
  Buffer arena() { return {arena_.data(), arena_.size()}; }

 private:
  // Memory that pages in when touched.
  class Memory {
   public:
    ~Memory();
    bool allocate(size_t bytes);
    char* data() const { return data_; }
    size_t size() const { return size_; }

   private:
    char* data_ = nullptr;
    size_t size_ = 0;
  };

  std::string parse();
  std::string bind(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs);
  std::string check_indices() const;
  bool plan_scratch();
  void walk(int thread);

  CompileInput input_;
  std::vector<TensorSlot> slots_;
  std::vector<Instruction> instructions_;
  std::vector<std::vector<const Tensor*>> operands_, results_;
  std::vector<Tensor> tensors_;
  std::vector<char> parallel_;
  Memory arena_, shared_, own_;
  size_t own_stride_ = 0;
  int threads_ = 1;
};

}  // namespace steelyard
