// One expert of a stacked weight as a matrix.
#pragma once
#include "tensor.h"

namespace steelyard {

// Elements of four bits with exponents, which together are mxfp4.
inline bool is_microscaled(const Tensor& w, const Tensor* scales, const Expertmatmul& attrs) {
  return scales && w.dtype == DType::f4_e2m1 && scales->dtype == DType::f8_e8m0 && attrs.blockRows == 1 && attrs.blockColumns == 32 && w.last() % 32 == 0;
}

// [rows, columns] as stored, its parts side by side; without scales other than exponents.
inline Tensor expert_matrix(const Tensor& stack, const Tensor* scales, const Expertmatmul& attrs, int64_t expert) {
  const DTypeInfo& info = dtype_info(stack.dtype);
  Tensor t;
  t.dtype = stack.dtype;
  t.rank = 2;
  const int64_t parts = stack.rank == 4 ? stack.dims[2] : 1;
  t.dims[0] = stack.dims[1] * (attrs.transposed ? parts : 1);
  t.dims[1] = t.row_stride = stack.last() * (attrs.transposed ? 1 : parts);
  t.data = stack.parts ? const_cast<char*>(stack.parts[expert]) : stack.data + expert * (t.count() / info.block_size) * info.block_bytes;
  if (is_microscaled(stack, scales, attrs)) t.exponents = scales->parts ? scales->parts[expert] : scales->data + expert * (t.count() / 32);
  return t;
}

}  // namespace steelyard
