// A compiled tape: checked once, then walked by every thread of a run.
#pragma once
#include <string>
#include <vector>

#include "op-rules.h"
#include "tape.h"

namespace steelyard {

// Bytes that something else owns.
struct Buffer {
  char* data = nullptr;
  size_t bytes = 0;
  // A weight in several pieces, each the same number of rows (dim 0): where they lie, of `bytes` each. Then data is null.
  std::vector<const char*> parts = {};
};

struct CompileInput {
  std::vector<int32_t> tape;
  std::vector<Buffer> weights, states;
  std::vector<int32_t> limits;  // by symbol
  int threads;
  bool integer_activations;
  // Fill temporaries with NaN before each run: a kernel that leaves an element unwritten then shows.
  bool poison = false;
  const KernelTable* table;
};

class Executable {
 public:
  // Empty on success, else what is wrong.
  std::string compile(CompileInput input);
  // `inputs` by index; elements as the bound dims say. Empty on success. One run at a time.
  std::string run(const std::vector<int32_t>& dims, const std::vector<Buffer>& inputs);

  size_t temporary_bytes() const { return arena_.size() + shared_.size() + own_.size(); }
  Buffer arena() { return {arena_.data(), arena_.size()}; }

 private:
  // Memory that pages in when touched.
  class Memory {
   public:
    Memory() = default;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();
    bool allocate(size_t bytes);
    char* data() const { return data_; }
    size_t size() const { return size_; }

   private:
    char* data_ = nullptr;
    size_t size_ = 0;
  };

  Operands operands(size_t instruction) const;
  std::string bind(const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs);
  std::string bind_slot(size_t slot, const std::vector<int32_t>& dims, const std::vector<Buffer>* inputs);
  static std::string bind_parts(const TensorSlot& slot, const Buffer& buffer, int64_t extent, Tensor* t);
  std::string check_instructions();
  std::string check_indices();
  void choose_threads();
  bool plan_scratch();
  void poison();
  void walk(int thread);

  CompileInput input_;
  Tape tape_;
  std::vector<std::vector<const Tensor*>> operands_, results_;
  std::vector<Tensor> tensors_;
  std::vector<IndexRange> indices_;
  std::vector<char> parallel_;
  Memory arena_, shared_, own_;
  size_t own_stride_ = 0;
  int threads_ = 1;
};

}  // namespace steelyard
