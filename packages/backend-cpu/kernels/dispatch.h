// Which instruction-set level runs: by name, or the best that this processor has.
#pragma once
#include <string>

#include "tensor.h"

namespace steelyard {

// The kernels of a level, or of the best for an empty name; null for a level that is unknown or that the processor lacks.
const KernelTable* table_of(const std::string& level);

}  // namespace steelyard
