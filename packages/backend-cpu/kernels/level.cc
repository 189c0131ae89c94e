// All kernels of one instruction-set level; compiled once per level with that level's flags.
#include "attention.cc"
#include "elementwise.cc"
#include "expertmatmul.cc"
#include "experts.cc"
#include "kvwrite.cc"
#include "matmul.cc"
#include "norms.cc"
#include "recurrence.cc"
#if !defined(__wasm__)
#include "rows.cc"
#endif

namespace steelyard::SY_LEVEL {
namespace {

ScratchSize scratch(int op, const Operands& o) {
  switch ((Op)op) {
    case Op::matmul: return scratch_matmul(o);
    case Op::outersum: return {0, kStripBytes};
    case Op::rope: return {0, scratch_rope_own(o.in[Rope::frequencies]->count())};
    case Op::attention: return scratch_attention(o);
    case Op::route: return {0, scratch_route_own(o.in[Route::logits]->last())};
    case Op::expertmatmul: return scratch_expertmatmul(o);
    case Op::shortconv: return {0, scratch_shortconv_own(o.in[Shortconv::w]->rows())};
    case Op::selectivescan: return {0, scratch_selectivescan_own(o.in[Selectivescan::a]->rows())};
    default: return {};
  }
}

int chunks(int op, const Operands& o, int phase, int threads) {
  if ((Op)op == Op::matmul) return chunks_matmul(o, phase, threads);
  if ((Op)op == Op::attention) return chunks_attention(o, phase, threads);
  if ((Op)op == Op::outersum && phase == 0) return chunks_outersum(o, threads);
  if ((Op)op == Op::expertmatmul) return chunks_expertmatmul(o, phase, threads);
  if (phase > 0) return 0;
  if ((Op)op == Op::shortconv) return chunks_shortconv(o, threads);
  if ((Op)op == Op::selectivescan) return chunks_selectivescan(o, threads);
  if ((Op)op == Op::sumto) return 1;
  int64_t work = 0;
  for (int i = 0; i < op_result_count(op); i++) work = o.out[i]->count() > work ? o.out[i]->count() : work;
  // Its result is the whole cache, of which it writes what is new.
  if ((Op)op == Op::kvwrite) work = o.in[Kvwrite::x]->count();
  return work < kSerialElements ? 1 : chunks_of(work, kSerialElements / 4, work, threads);
}

}  // namespace

#define SY_TEXT2(x) #x
#define SY_TEXT(x) SY_TEXT2(x)

extern const KernelTable kTable;
const KernelTable kTable = {
    SY_TEXT(SY_LEVEL),
    scratch,
    chunks,
    packed_bytes,
    pack_panel,
#if !defined(__wasm__)
    row_argmax,
    row_weigh,
    row_at_least,
#endif
    {
#define SY_KERNEL(name) op_##name,
#define SY_VIEW(name) nullptr,
        SY_OPS(SY_KERNEL, SY_VIEW)
#undef SY_KERNEL
#undef SY_VIEW
    },
};

}  // namespace steelyard::SY_LEVEL
