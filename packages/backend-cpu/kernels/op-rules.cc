#include "op-rules.h"

namespace steelyard {

namespace {

using Rule = const char*;

bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}

// Whether `t` repeated along dims of one gives `whole`.
bool broadcasts(const Tensor& t, const Tensor& whole) {
  if (t.rank > whole.rank) return false;
  for (int i = 0; i < t.rank; i++) {
    int64_t dim = t.dims[i];
    if (dim != 1 && dim != whole.dims[whole.rank - t.rank + i]) return false;
  }
  return true;
}

bool is_f32(const Tensor* t) { return !t || t->dtype == DType::f32; }

// A float vector of `n` elements, or absent.
bool is_vector(const Tensor* t, int64_t n) { return !t || (t->dtype == DType::f32 && t->rank == 1 && t->dims[0] == n); }

// Integers that the caller gave: nothing in a run can change them after they were checked.
bool is_index(const Tensor& t, int rank) { return t.storage == Storage::input && t.dtype == DType::i32 && t.rank == rank && t.contiguous(); }

bool is_float_weight(DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
    case DType::f64:
    case DType::boolean: return false;
    default: return true;
  }
}

bool is_cache(const Tensor& t) {
  if (t.rank != 4 || !t.contiguous()) return false;
  return t.dtype == DType::f32 || t.dtype == DType::f16 || (t.dtype == DType::q8_0 && t.dims[3] % 32 == 0);
}

const char* end_of(const Tensor& t) {
  const DTypeInfo& info = dtype_info(t.dtype);
  return t.data + ((t.rows() - 1) * t.row_stride + t.inner()) / info.block_size * info.block_bytes;
}

bool overlap(const Tensor& a, const Tensor& b) { return a.data && b.data && a.data < end_of(b) && b.data < end_of(a); }

Rule elementwise_rule(const Operands& o) {
  for (int i = 0; i < o.in_count; i++)
    if (!is_f32(o.in[i]) || !same_shape(*o.in[i], *o.out[0])) return "operands must be f32 of the result's shape";
  return nullptr;
}

Rule binary_rule(const Operands& o) {
  for (int i = 0; i < 2; i++)
    if (!is_f32(o.in[i]) || !broadcasts(*o.in[i], *o.out[0])) return "operands must be f32 that broadcast to the result";
  return nullptr;
}

// One rule per kernel, found by name: an op without one does not compile.
Rule rule_add(const Operands& o) { return binary_rule(o); }
Rule rule_sub(const Operands& o) { return binary_rule(o); }
Rule rule_mul(const Operands& o) { return binary_rule(o); }
Rule rule_scale(const Operands& o) { return elementwise_rule(o); }
Rule rule_tanh(const Operands& o) { return elementwise_rule(o); }
Rule rule_sigmoid(const Operands& o) { return elementwise_rule(o); }
Rule rule_silu(const Operands& o) { return elementwise_rule(o); }
Rule rule_gelu(const Operands& o) { return elementwise_rule(o); }
Rule rule_glu(const Operands& o) { return elementwise_rule(o); }

Rule rule_sumto(const Operands& o) {
  return is_f32(o.in[0]) && broadcasts(*o.out[0], *o.in[0]) ? nullptr : "x must be f32 to which the result broadcasts";
}

Rule rule_outersum(const Operands& o) {
  const Tensor &a = *o.in[Outersum::a], &b = *o.in[Outersum::b], &y = *o.out[0];
  if (!is_f32(&a) || !is_f32(&b) || a.rank != 2 || b.rank != 2 || a.dims[0] != b.dims[0]) return "a and b must be f32 matrices of as many rows";
  return y.rank == 2 && y.dims[0] == a.dims[1] && y.dims[1] == b.dims[1] ? nullptr : "the result must be [columns of a, columns of b]";
}

Rule rule_gather(const Operands& o) {
  const Tensor &table = *o.in[Gather::table], &rows = *o.in[Gather::rows], &y = *o.out[0];
  if (!is_float_weight(table.dtype) || table.rank != 2) return "table must be [rows, n] of a float format";
  if (table.dtype != DType::f32 && !table.contiguous()) return "table must be contiguous";
  if (!is_index(rows, 1)) return "rows must be an i32 input of one dim";
  return y.rank == 2 && y.dims[0] == rows.dims[0] && y.dims[1] == table.dims[1] ? nullptr : "the result must be [rows, n]";
}

Rule rule_matmul(const Operands& o) {
  const Tensor &x = *o.in[Matmul::x], &y = *o.out[0];
  int deep = Matmul::read(o.attrs).transposed ? 1 : 0;
  if (!is_f32(&x) || x.rank != 2 || y.rank != 2 || y.dims[0] != x.dims[0]) return "x must be f32 [m, k] and the result [m, n]";
  int64_t width = 0;
  for (int i = Matmul::w; i < o.in_count; i++) {
    const Tensor& w = *o.in[i];
    if (!is_float_weight(w.dtype) || w.rank != 2 || !w.contiguous() || w.dims[deep] != x.dims[1]) return "each w must be a contiguous matrix with x's depth";
    width += w.dims[1 - deep];
  }
  if (width != y.dims[1]) return "the result must be as wide as all w together";
  return is_vector(o.in[Matmul::bias], width) ? nullptr : "bias must be as wide as the result";
}

Rule norm_rule(const Tensor& x, const Tensor& y, const Tensor* w, const Tensor* bias) {
  if (!is_f32(&x) || x.rank == 0 || !same_shape(x, y)) return "x must be f32 of the result's shape";
  return is_vector(w, x.last()) && is_vector(bias, x.last()) ? nullptr : "w and bias must be as long as x's last dim";
}
Rule rule_rmsnorm(const Operands& o) { return norm_rule(*o.in[Rmsnorm::x], *o.out[0], o.in[Rmsnorm::w], nullptr); }
Rule rule_layernorm(const Operands& o) { return norm_rule(*o.in[Layernorm::x], *o.out[0], o.in[Layernorm::w], o.in[Layernorm::bias]); }
Rule rule_addrmsnorm(const Operands& o) {
  const Tensor &a = *o.in[Addrmsnorm::a], &b = *o.in[Addrmsnorm::b];
  if (!is_f32(&b) || !same_shape(a, b) || !same_shape(a, *o.out[1])) return "a, b and the results must have one shape";
  return norm_rule(a, *o.out[0], o.in[Addrmsnorm::w], nullptr);
}

Rule rule_rope(const Operands& o) {
  const Tensor &x = *o.in[Rope::x], &positions = *o.in[Rope::positions], &frequencies = *o.in[Rope::frequencies];
  if (!is_f32(&x) || x.rank != 3 || !same_shape(x, *o.out[0])) return "x must be f32 [tokens, heads, dim] of the result's shape";
  if (!is_index(positions, 1) || positions.dims[0] != x.dims[0]) return "positions must be an i32 input, one per token";
  return is_vector(&frequencies, frequencies.count()) && 2 * frequencies.count() <= x.dims[2] ? nullptr : "frequencies must be f32, at most dim / 2";
}

Rule rule_temper(const Operands& o) {
  const Tensor &x = *o.in[Temper::x], &positions = *o.in[Temper::positions];
  Temper attrs = Temper::read(o.attrs);
  if (!is_f32(&x) || x.rank != 3 || !same_shape(x, *o.out[0])) return "x must be f32 [tokens, heads, dim] of the result's shape";
  if (attrs.every < 1 || attrs.offset < 0) return "every must be from 1, offset from 0";
  return is_index(positions, 1) && positions.dims[0] == x.dims[0] ? nullptr : "positions must be an i32 input, one per token";
}

Rule rule_route(const Operands& o) {
  const Tensor &logits = *o.in[Route::logits], &experts = *o.out[0], &weights = *o.out[1];
  Route attrs = Route::read(o.attrs);
  if (!is_f32(&logits) || logits.rank != 2 || !is_vector(o.in[Route::bias], logits.dims[1])) return "logits must be f32 [tokens, experts], bias one per expert";
  if (attrs.groups < 1 || logits.dims[1] % attrs.groups != 0 || attrs.topGroups < 1 || attrs.topGroups > attrs.groups) return "experts must divide into the groups";
  const int64_t each = logits.dims[1] / attrs.groups;
  if (attrs.groups > 1 && each < 2 && attrs.groupScore == Route::GroupScore::best_two) return "groups of one expert have no best two";
  if (attrs.k < 1 || attrs.k > each * attrs.topGroups) return "k must be at most the experts of the groups that stay";
  bool fits = experts.rank == 2 && experts.dims[0] == logits.dims[0] && experts.dims[1] == attrs.k && same_shape(experts, weights);
  return fits ? nullptr : "the results must be [tokens, k]";
}

Rule rule_combine(const Operands& o) {
  const Tensor &x = *o.in[Combine::x], &y = *o.out[0];
  const Tensor* weights = o.in[Combine::weights];
  if (!is_f32(&x) || x.rank != 3 || y.rank != 2 || y.dims[0] != x.dims[0] || y.dims[1] != x.dims[2]) return "x must be f32 [tokens, k, n], the result [tokens, n]";
  bool fits = !weights || (is_f32(weights) && weights->rank == 2 && weights->dims[0] == x.dims[0] && weights->dims[1] == x.dims[1]);
  return fits ? nullptr : "weights must be f32 [tokens, k]";
}

Rule rule_split(const Operands& o) {
  const Tensor &x = *o.in[0], &first = *o.out[0], &rest = *o.out[1];
  bool heads = is_f32(&x) && x.rank == 3 && first.rank == 3 && rest.rank == 3;
  for (int i = 0; i < 2 && heads; i++) heads = first.dims[i] == x.dims[i] && rest.dims[i] == x.dims[i];
  bool fits = heads && first.dims[2] == Split::read(o.attrs).at && first.dims[2] + rest.dims[2] == x.dims[2];
  return fits ? nullptr : "x must be f32 [tokens, heads, dim], the results its heads' first `at` elements and the rest";
}

Rule rule_concat(const Operands& o) {
  const Tensor &first = *o.in[0], &rest = *o.in[1], &y = *o.out[0];
  bool heads = is_f32(&first) && is_f32(&rest) && first.rank == 3 && rest.rank == 3 && y.rank == 3;
  for (int i = 0; i < 2 && heads; i++) heads = first.dims[i] == y.dims[i] && rest.dims[i] == y.dims[i];
  return heads && first.dims[2] + rest.dims[2] == y.dims[2] ? nullptr : "first and rest must be f32 [tokens, heads, dim], the result both end to end";
}

// A float weight whose rows (dim 0) are matrices, in one piece or in several.
bool is_stack(const Tensor* t, int rank) { return is_float_weight(t->dtype) && t->rank == rank && t->contiguous(); }

Rule rule_expertmatmul(const Operands& o) {
  const Tensor &x = *o.in[Expertmatmul::x], &w = *o.in[Expertmatmul::w], &y = *o.out[0];
  const Tensor *experts = o.in[Expertmatmul::experts], *bias = o.in[Expertmatmul::bias], *scales = o.in[Expertmatmul::scales];
  Expertmatmul attrs = Expertmatmul::read(o.attrs);
  if (experts && (experts->dtype != DType::i32 || experts->rank != 2)) return "experts must be i32 [tokens, k]";
  if (!is_stack(&w, w.rank == 4 ? 4 : 3)) return "w must be a contiguous float weight of three or four dims";
  const int64_t tokens = x.dims[0], k = experts ? experts->dims[1] : w.dims[0];
  if ((experts && experts->dims[0] != tokens) || tokens * k > INT32_MAX) return "experts must be k for each token";
  const int64_t parts = w.rank == 4 ? w.dims[2] : 1, width = attrs.transposed ? w.dims[1] : w.last(), depth = attrs.transposed ? w.last() : w.dims[1];
  bool rows = is_f32(&x) && x.last() == depth && (x.rank == 2 || (x.rank == 3 && x.dims[1] == k));
  if (!rows) return "x must be f32 [tokens, depth of w] or [tokens, k, depth of w]";
  if (y.rank != 3 || y.dims[0] != tokens || y.dims[1] != parts * k || y.dims[2] != width) return "the result must be [tokens, parts * k, width of w]";
  if (bias) {
    bool fits = is_stack(bias, parts > 1 ? 3 : 2) && !bias->parts && bias->dims[0] == w.dims[0] && bias->dims[1] == width && bias->last() == (parts > 1 ? parts : width);
    if (!fits) return "bias must be as wide as w, for each expert";
  }
  if (!scales) return nullptr;
  if (!attrs.transposed || attrs.blockRows < 1 || attrs.blockColumns < 1) return "scales need blocks of a transposed w";
  const int64_t down = (width * parts + attrs.blockRows - 1) / attrs.blockRows, across = (depth + attrs.blockColumns - 1) / attrs.blockColumns;
  bool fits = is_stack(scales, 3) && scales->dims[0] == w.dims[0] && scales->dims[1] == down && scales->dims[2] == across;
  return fits ? nullptr : "scales must be one per block of w";
}

Rule rule_kvwrite(const Operands& o) {
  const Tensor &cache = *o.in[Kvwrite::cache], &x = *o.in[Kvwrite::x], &slots = *o.in[Kvwrite::slots];
  if (!is_cache(cache)) return "cache must be f32, f16 or q8_0 of four dims, the last in whole blocks";
  if (!is_f32(&x) || x.rank != 3 || x.dims[1] != cache.dims[1] || x.dims[2] != cache.dims[3]) return "x must be f32 [tokens, heads, dim] as the cache";
  return is_index(slots, 1) && slots.dims[0] == x.dims[0] ? nullptr : "slots must be an i32 input, one per token";
}

bool is_matrix(const Tensor& t, int64_t rows, int64_t columns) { return t.dtype == DType::f32 && t.rank == 2 && t.dims[0] == rows && t.dims[1] == columns; }

// What the recurrences share: a row of `rows` numbers per channel for each slot, x and the result of a number per channel.
Rule recurrence_rule(const Tensor& state, const Tensor& x, const Tensor& y, int64_t rows, const Tensor* const* places) {
  if (!is_f32(&x) || x.rank != 2 || !is_matrix(y, x.dims[0], x.dims[1])) return "x must be f32 [tokens, channels] as the result";
  if (state.dtype != DType::f32 || state.rank != 3 || state.dims[1] != rows || state.dims[2] != x.dims[1]) return "the state must be f32 [slots, rows, channels]";
  const Tensor &positions = *places[0], &sequences = *places[1];
  if (!is_index(positions, 1) || !is_index(sequences, 1) || !is_index(*places[2], 1)) return "positions, sequences and slots must be i32 inputs";
  return positions.dims[0] == x.dims[0] && sequences.dims[0] == x.dims[0] ? nullptr : "positions and sequences must be one per token";
}

Rule rule_shortconv(const Operands& o) {
  const Tensor &x = *o.in[Shortconv::x], &w = *o.in[Shortconv::w];
  if (w.rank != 2 || w.rows() < 2 || !is_matrix(w, w.rows(), x.last())) return "w must be f32 [taps, channels] of two taps or more";
  if (!is_vector(o.in[Shortconv::bias], w.last())) return "bias must be one per channel";
  return recurrence_rule(*o.in[Shortconv::history], x, *o.out[1], w.rows() - 1, o.in + Shortconv::positions);
}

Rule rule_selectivescan(const Operands& o) {
  using S = Selectivescan;
  const Tensor &x = *o.in[S::x], &a = *o.in[S::a];
  const int64_t tokens = x.rows(), channels = x.last(), numbers = a.rows();
  if (!is_matrix(a, numbers, channels) || !is_matrix(*o.in[S::dt], tokens, channels)) return "a must be f32 [numbers, channels], dt [tokens, channels]";
  if (!is_matrix(*o.in[S::b], tokens, numbers) || !is_matrix(*o.in[S::c], tokens, numbers)) return "b and c must be f32 [tokens, numbers]";
  if (!is_vector(o.in[S::d], channels)) return "d must be one per channel";
  return recurrence_rule(*o.in[S::state], x, *o.out[1], numbers, o.in + S::positions);
}

Rule rule_attention(const Operands& o) {
  const Tensor &q = *o.in[Attention::q], &keys = *o.in[Attention::keys], &values = *o.in[Attention::values], &y = *o.out[0];
  const Tensor &positions = *o.in[Attention::positions], &sequences = *o.in[Attention::sequences];
  if (!is_f32(&q) || q.rank != 3 || !is_cache(keys) || !is_cache(values)) return "q must be f32 [tokens, heads, dim], keys and values caches";
  for (int i = 0; i < 3; i++)
    if (keys.dims[i] != values.dims[i]) return "keys and values must have the same pages and heads";
  if (keys.dims[3] != q.dims[2] || q.dims[1] % keys.dims[1] != 0) return "q's heads must divide among the cache's, of the same dim";
  if (y.rank != 3 || y.dims[0] != q.dims[0] || y.dims[1] != q.dims[1] || y.dims[2] != values.dims[3]) return "the result must be [tokens, heads, value dim]";
  if (!is_index(positions, 1) || !is_index(sequences, 1) || !is_index(*o.in[Attention::pages], 2)) return "positions, sequences and pages must be i32 inputs";
  if (positions.dims[0] != q.dims[0] || sequences.dims[0] != q.dims[0]) return "positions and sequences must be one per token";
  return is_vector(o.in[Attention::sinks], q.dims[1]) ? nullptr : "sinks must be one per head";
}

Rule (*const kRules[kOpCount])(const Operands&) = {
#define SY_RULE(name) rule_##name,
#define SY_NONE(name) nullptr,
    SY_OPS(SY_RULE, SY_NONE)
#undef SY_RULE
#undef SY_NONE
};

}  // namespace

namespace {

// An op that changes a state changes its first operand, which is its first result too and apart from all that it reads.
Rule state_rule(const Operands& o) {
  const Tensor &state = *o.in[0], &out = *o.out[0];
  if (state.storage != Storage::state || !state.contiguous()) return "the first operand must be a contiguous state";
  if (out.data != state.data || out.dtype != state.dtype || !same_shape(out, state) || !out.contiguous()) return "the first result must be the state";
  for (int i = 1; i < o.in_count; i++)
    if (o.in[i] && overlap(*o.in[i], state)) return "an operand overlaps the state";
  return nullptr;
}

// Other results are temporaries apart from everything that the instruction reads or writes.
Rule result_rule(int op, const Operands& o) {
  const int first = op_changes_state(op) ? 1 : 0;
  if (Rule rule = first ? state_rule(o) : nullptr) return rule;
  for (int i = first; i < op_result_count(op); i++) {
    const Tensor& out = *o.out[i];
    // Kernels that read computed indices check each: unlike an input, a temporary may hold anything.
    DType wanted = op == (int)Op::route && i == 0 ? DType::i32 : DType::f32;
    if (out.storage != Storage::arena || out.dtype != wanted) return "results must be temporaries, f32 but for indices";
    for (int j = 0; j < o.in_count; j++)
      if (o.in[j] && overlap(out, *o.in[j])) return "a result overlaps an operand";
    for (int j = 0; j < i; j++)
      if (overlap(out, *o.out[j])) return "results overlap";
  }
  return nullptr;
}

// Weights in several pieces are known to the ops that take a piece for itself.
Rule parts_rule(int op, const Operands& o) {
  for (int i = 0; i < o.in_count; i++) {
    bool known = op == (int)Op::expertmatmul && (i == Expertmatmul::w || i == Expertmatmul::scales);
    if (o.in[i] && o.in[i]->parts && !known) return "a weight in several pieces is given to an op that wants one";
  }
  return nullptr;
}

}  // namespace

const char* broken_rule(int op, const Operands& operands) {
  Rule rule = result_rule(op, operands);
  if (!rule) rule = parts_rule(op, operands);
  return rule ? rule : kRules[op](operands);
}

void collect_indices(int op, const Operands& o, std::vector<IndexRange>* ranges) {
  auto add = [ranges](const Tensor* indices, int64_t low, int64_t high, const char* name) {
    for (const IndexRange& r : *ranges)
      if (r.indices->data == indices->data && r.low == low && r.high <= high && r.indices->count() >= indices->count()) return;
    ranges->push_back({indices, low, high, name});
  };
  switch ((Op)op) {
    case Op::gather: add(o.in[Gather::rows], 0, o.in[Gather::table]->rows(), "rows"); break;
    case Op::kvwrite: add(o.in[Kvwrite::slots], -1, o.in[Kvwrite::cache]->dims[0] * o.in[Kvwrite::cache]->dims[2], "slots"); break;
    case Op::attention: {
      const Tensor &keys = *o.in[Attention::keys], &pages = *o.in[Attention::pages];
      add(&pages, 0, keys.dims[0], "pages");
      add(o.in[Attention::sequences], 0, pages.dims[0], "sequences");
      add(o.in[Attention::positions], 0, pages.dims[1] * keys.dims[2], "positions");
      break;
    }
    case Op::shortconv: {
      add(o.in[Shortconv::slots], 0, o.in[Shortconv::history]->rows(), "slots");
      add(o.in[Shortconv::sequences], 0, o.in[Shortconv::slots]->rows(), "sequences");
      break;
    }
    case Op::selectivescan: {
      add(o.in[Selectivescan::slots], 0, o.in[Selectivescan::state]->rows(), "slots");
      add(o.in[Selectivescan::sequences], 0, o.in[Selectivescan::slots]->rows(), "sequences");
      break;
    }
    default: break;
  }
}

std::string outside_range(const IndexRange& r) {
  const int32_t* values = r.indices->i32();
  for (int64_t i = 0, n = r.indices->count(); i < n; i++)
    if (values[i] < r.low || values[i] >= r.high)
      return std::string(r.name) + "[" + std::to_string(i) + "] is " + std::to_string(values[i]) + ", expected " + std::to_string(r.low) + " to " +
             std::to_string(r.high - 1);
  return "";
}

}  // namespace steelyard
