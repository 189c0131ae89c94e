// Weights repacked for the level that runs them, shared by all executables of the process that read the same bytes.
#pragma once
#include <atomic>
#include <memory>

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

// Room for the weight `w` in the table's layout; null when the table reads it as published or there is no room.
std::shared_ptr<PackedWeight> reserve_panels(const KernelTable& table, const Tensor& w);

// Makes the panels of `w`, unless they are made. Takes `threads` threads and, for a mapped weight, lets the file's pages go
// again as it proceeds: two full copies are never resident.
void make_panels(const KernelTable& table, const Tensor& w, bool mapped, int threads, PackedWeight& packed);

// The weight `w`, as it was declared, repacked where it lies unless it is already.
std::shared_ptr<PackedWeight> pack_in_place(const KernelTable& table, const Tensor& w, OwnWeight& own);

}  // namespace steelyard
