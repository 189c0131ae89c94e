// All kernels of one instruction-set level; compiled once per level with that level's flags.
#include "attention.cc"
#include "elementwise.cc"
#include "matmul.cc"
#include "norms.cc"

namespace steelyard::SY_LEVEL {

#define SY_TEXT2(x) #x
#define SY_TEXT(x) SY_TEXT2(x)

extern const KernelTable kTable;
const KernelTable kTable = {
    SY_TEXT(SY_LEVEL),
    {
#define SY_KERNEL(name) op_##name,
#define SY_VIEW(name) nullptr,
        SY_OPS(SY_KERNEL, SY_VIEW)
#undef SY_KERNEL
#undef SY_VIEW
    },
};

}  // namespace steelyard::SY_LEVEL
