// Weights repacked for the level that runs them, shared by all executables of the process that read the same bytes.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "memory.h"
#include "tensor.h"

namespace steelyard {

struct PackedWeight {
  Memory memory;
  // Of `memory`, or where the published weight was.
  const char* data;
  // Whether the panels are there.
  std::atomic<bool> made{false};
};

// Room for a weight, matrices of one size, in the table's layout one after another; null when the table reads them as
// published or there is no room.
std::shared_ptr<PackedWeight> reserve_panels(const KernelTable& table, const std::vector<Tensor>& matrices);

// Makes the panels of a weight, unless they are made. Takes `threads` threads and, for a mapped weight, lets the file's pages
// go again as it proceeds: two full copies are never resident.
void make_panels(const KernelTable& table, const std::vector<Tensor>& matrices, bool mapped, int threads, PackedWeight& packed);

// A weight, as it was declared, repacked where it lies unless it is already.
std::shared_ptr<PackedWeight> pack_in_place(const KernelTable& table, const std::vector<Tensor>& matrices, OwnWeight& own);

}  // namespace steelyard
