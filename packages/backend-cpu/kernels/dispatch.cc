#include "dispatch.h"

#include "platform.h"

namespace steelyard {

// SY_TABLE(level, whether the processor has it, whether it is then taken unasked), the best first; the build makes just
// these. Tests give a list of their own. Intel's processors multiply bfloat16 no faster than floats, and values in two
// planes of it take twice the products: there products of floats are better.
#if defined(SY_TABLES)
#elif defined(__x86_64__)
#define SY_TABLES SY_TABLE(amx, f.amx, true) SY_TABLE(avx512bf16, f.avx512bf16, !f.intel) SY_TABLE(avx512, f.avx512, true) SY_TABLE(avx2, f.avx2, true) SY_TABLE(scalar, true, true)
#elif defined(__aarch64__)
#define SY_TABLES SY_TABLE(i8mm, f.i8mm, true) SY_TABLE(dotprod, f.dotprod, true) SY_TABLE(neon, true, true) SY_TABLE(scalar, true, true)
#else
#define SY_TABLES SY_TABLE(scalar, true, true)
#endif

#define SY_TABLE(level, has, taken) \
  namespace level {                 \
  extern const KernelTable kTable;  \
  }
SY_TABLES
#undef SY_TABLE

const KernelTable* table_of(const std::string& level) {
  [[maybe_unused]] const CpuFeatures f = cpu_features();
#define SY_TABLE(name, has, taken) \
  if ((level.empty() ? (taken) : level == #name) && (has)) return &name::kTable;
  SY_TABLES
#undef SY_TABLE
  return nullptr;
}

}  // namespace steelyard
