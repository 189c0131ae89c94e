// What a kernel may rely on: dtypes, ranks and dims that agree, and values that index memory. Checked before each
// run, so that no tape and no input, however wrong, makes a kernel leave its tensors.
#pragma once
#include <string>
#include <vector>

#include "tensor.h"

namespace steelyard {

// Null when the op's rules hold, else the rule that does not.
const char* broken_rule(int op, const Operands& operands);

// A tensor of row numbers, pages or slots, and the values it may hold.
struct IndexRange {
  const Tensor* indices;
  int64_t low, high;  // high excluded
  const char* name;
};

// Appends the op's index operands to `ranges`, except those that are there already.
void collect_indices(int op, const Operands& operands, std::vector<IndexRange>* ranges);

// Empty when every index lies in its range.
std::string outside_range(const IndexRange& range);

}  // namespace steelyard
