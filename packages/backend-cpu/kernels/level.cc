// All kernels of one instruction-set level; compiled once per level with that level's flags.
#include "attention.cc"
#include "elementwise.cc"
#include "experts.cc"
#include "matmul.cc"
#include "norms.cc"

namespace steelyard::SY_LEVEL {
namespace {

ScratchSize scratch(int op, const Operands& o) {
  switch ((Op)op) {
    case Op::matmul: {
      const Tensor& x = *o.in[Matmul::x];
      return {scratch_matmul_shared(x.rows(), x.last()), scratch_matmul_own(x.last())};
    }
    case Op::rope: return {0, scratch_rope_own(o.in[Rope::frequencies]->count())};
    case Op::attention: {
      const Tensor &keys = *o.in[Attention::keys], &values = *o.in[Attention::values];
      return {0, scratch_attention_own(o.in[Attention::q]->dims[1] / keys.dims[1], keys.dims[2], keys.dims[3], values.dims[3])};
    }
    case Op::route: return {0, scratch_route_own(o.in[Route::logits]->last())};
    case Op::expertmatmul: return scratch_expertmatmul(o);
    default: return {};
  }
}

}  // namespace

#define SY_TEXT2(x) #x
#define SY_TEXT(x) SY_TEXT2(x)

extern const KernelTable kTable;
const KernelTable kTable = {
    SY_TEXT(SY_LEVEL),
    scratch,
    {
#define SY_KERNEL(name) op_##name,
#define SY_VIEW(name) nullptr,
        SY_OPS(SY_KERNEL, SY_VIEW)
#undef SY_KERNEL
#undef SY_VIEW
    },
};

}  // namespace steelyard::SY_LEVEL
