// The tape as C++ reads it: tensors and instructions, checked for everything that does not depend on a run's dims.
// What depends on them (sizes, shapes that must agree) is checked when they are bound, by op-rules.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor.h"

namespace steelyard {

struct TensorSlot {
  Storage storage;
  int index;  // of the weight, state or input
  int64_t offset;
  DType dtype;
  int rank;
  int32_t dims[kMaxRank];  // negative: -(symbol + 1)
  int64_t row_stride;      // -1: contiguous, known when dims are bound
};

struct Instruction {
  int op;
  std::vector<int> in;  // -1 where absent
  std::vector<int> out;
  const int32_t* attrs;  // into Tape::words
};

struct Tape {
  std::vector<int32_t> words;
  int symbols = 0;
  size_t arena_bytes = 0;
  std::vector<TensorSlot> slots;
  std::vector<Instruction> instructions;
};

// Fills `tape` from words that may be anything. Empty on success, else what is wrong.
std::string parse_tape(std::vector<int32_t> words, Tape* tape);

}  // namespace steelyard
