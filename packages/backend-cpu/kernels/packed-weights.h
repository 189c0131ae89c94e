// Weights repacked for the level that runs them, shared by all executables of the process that read the same bytes.
#pragma once
#include <memory>

#include "memory.h"
#include "tensor.h"

namespace steelyard {

struct PackedWeight {
  Memory memory;
  // Of `memory`, or where the published weight was.
  const char* data;
};

// The weight `w` in the table's layout; null when the table reads it as published or there is no room. Takes `threads`
// threads and, for a mapped weight, lets the file's pages go again as it proceeds: two full copies are never resident.
std::shared_ptr<PackedWeight> pack_weight(const KernelTable& table, const Tensor& w, bool mapped, int threads);

// The weight `w`, as it was declared, repacked where it lies unless it is already.
std::shared_ptr<PackedWeight> pack_in_place(const KernelTable& table, const Tensor& w, OwnWeight& own);

}  // namespace steelyard
