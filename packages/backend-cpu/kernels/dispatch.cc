#include "dispatch.h"

#include "platform.h"

namespace steelyard {

// SY_TABLE(level, whether the processor has it), the best first; the build makes just these. Tests give a list of their own.
#if defined(SY_TABLES)
#elif defined(__x86_64__)
#define SY_TABLES SY_TABLE(amx, f.amx) SY_TABLE(avx512bf16, f.avx512bf16) SY_TABLE(avx512, f.avx512) SY_TABLE(avx2, f.avx2) SY_TABLE(scalar, true)
#elif defined(__aarch64__)
#define SY_TABLES SY_TABLE(i8mm, f.i8mm) SY_TABLE(dotprod, f.dotprod) SY_TABLE(neon, true) SY_TABLE(scalar, true)
#else
#define SY_TABLES SY_TABLE(scalar, true)
#endif

#define SY_TABLE(level, has)        \
  namespace level {                 \
  extern const KernelTable kTable;  \
  }
SY_TABLES
#undef SY_TABLE

const KernelTable* table_of(const std::string& level) {
  [[maybe_unused]] const CpuFeatures f = cpu_features();
#define SY_TABLE(name, has) \
  if ((level.empty() || level == #name) && (has)) return &name::kTable;
  SY_TABLES
#undef SY_TABLE
  return nullptr;
}

}  // namespace steelyard
