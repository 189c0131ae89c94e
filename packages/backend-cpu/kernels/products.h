// What the matmul kernels do for ops that multiply by parts of weights: all rows of w times rows of x, to columns of y.
#pragma once
#include "quantise.h"

namespace steelyard::SY_LEVEL {

// w is in blocks, as published or in panels.
void multiply_integers(const Tensor& w, const IntegerRows& rows, int64_t m, const Tensor& y, char* own);
// w is of any format, as published.
void multiply_floats(const Tensor& w, const Tensor& x, const Tensor& y, char* own);
// Bytes that either takes, for at most m rows of k columns.
size_t scratch_of_products(int64_t m, int64_t k, bool integers);

size_t packed_bytes(const Tensor& w);
void pack_panel(const Tensor& w, int64_t panel, char* to);

}  // namespace steelyard::SY_LEVEL
