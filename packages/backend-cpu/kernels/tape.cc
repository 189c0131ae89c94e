#include "tape.h"

namespace steelyard {
namespace {

constexpr int32_t kMagic = 0x53544c59;
constexpr int32_t kVersion = 1;
constexpr size_t kHeaderWords = 8;
constexpr size_t kSlotWords = 12;
// More than any machine has; keeps sums of sizes far from overflow.
constexpr int64_t kMaxBytes = (int64_t)1 << 48;

int64_t long_word(const int32_t* w) { return (int64_t)(uint32_t)w[0] | (int64_t)((uint64_t)(uint32_t)w[1] << 32); }

bool dims_fit(const TensorSlot& s, int symbols) {
  for (int d = 0; d < s.rank; d++)
    if (s.dims[d] == 0 || s.dims[d] < -symbols) return false;
  // Block formats are rows of whole blocks, and no backend has symbolic row lengths of them.
  int block = dtype_info(s.dtype).block_size;
  return block == 1 || (s.rank > 0 && s.dims[s.rank - 1] > 0 && s.dims[s.rank - 1] % block == 0);
}

std::string parse_slots(Tape& tape, size_t count, size_t* at) {
  for (size_t i = 0; i < count; i++, *at += kSlotWords) {
    const int32_t* w = &tape.words[*at];
    bool fits = w[0] >= 0 && w[0] <= 3 && w[1] >= 0 && dtype_known(w[4]) && w[5] >= 0 && w[5] <= kMaxRank && w[10] >= -1;
    if (!fits) return "tensor " + std::to_string(i) + " of the tape is malformed";
    TensorSlot s = {(Storage)w[0], w[1], long_word(w + 2), (DType)w[4], w[5], {w[6], w[7], w[8], w[9]}, w[10]};
    if (s.offset < 0 || s.offset > kMaxBytes || !dims_fit(s, tape.symbols))
      return "tensor " + std::to_string(i) + " of the tape has an offset or a dim out of range";
    tape.slots.push_back(s);
  }
  return "";
}

std::string parse_instruction(Tape& tape, size_t* at) {
  const std::vector<int32_t>& words = tape.words;
  if (words.size() - *at < 4) return "is cut off";
  const int32_t *w = &words[*at], op = w[0], in = w[1], out = w[2], attrs = w[3];
  *at += 4;
  if (op < 0 || op >= kOpCount || op_is_view(op)) return "has no kernel";
  if (in < 0 || out < 1 || attrs < 0 || !op_counts_fit(op, in, out, attrs)) return "has a wrong number of operands";
  if ((uint64_t)in + out + attrs > words.size() - *at) return "is cut off";
  Instruction instruction = {op, {}, {}, nullptr};
  for (int j = 0; j < in + out; j++) {
    int32_t slot = words[(*at)++];
    bool absent = slot == -1 && j < in && op_operand_optional(op, j);
    if (!absent && (slot < 0 || (size_t)slot >= tape.slots.size())) return "names an unknown tensor";
    (j < in ? instruction.in : instruction.out).push_back(slot);
  }
  instruction.attrs = words.data() + *at;
  if (!op_attrs_fit(op, instruction.attrs)) return "has an unknown attribute value";
  *at += attrs;
  tape.instructions.push_back(std::move(instruction));
  return "";
}

}  // namespace

std::string parse_tape(std::vector<int32_t> words, Tape* tape) {
  tape->words = std::move(words);
  const std::vector<int32_t>& w = tape->words;
  if (w.size() < kHeaderWords || w[0] != kMagic || w[1] != kVersion || w[2] != kOpCount)
    return "the tape's header does not fit these kernels; run: npm run build";
  int64_t arena = long_word(&w[6]);
  if (w[3] < 0 || w[4] < 0 || w[5] < 0 || arena < 0 || arena > kMaxBytes) return "the tape's counts are out of range";
  tape->symbols = w[3];
  // An address may have 32 bits.
  if ((uint64_t)arena > (size_t)-1) return "cannot allocate " + std::to_string(arena) + " bytes for temporaries";
  tape->arena_bytes = (size_t)arena;
  size_t at = kHeaderWords;
  if ((uint64_t)w[4] * kSlotWords > w.size() - at) return "the tape ends within its tensor table";
  std::string problem = parse_slots(*tape, (size_t)w[4], &at);
  for (int i = 0; i < w[5] && problem.empty(); i++) {
    problem = parse_instruction(*tape, &at);
    if (!problem.empty()) return "instruction " + std::to_string(i) + " of the tape " + problem;
  }
  if (problem.empty() && at != w.size()) problem = "the tape has words after its last instruction";
  return problem;
}

}  // namespace steelyard
