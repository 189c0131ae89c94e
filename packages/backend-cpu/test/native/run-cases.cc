// Runs cases that test/record-cases.ts has recorded, on one level of the kernels and on several numbers of threads, and
// compares with the reference's results that stand beside them. For machines without Node (cross-compiled, under an
// emulator), and under sanitizers.
//
//   run-cases FILE LEVEL [THREADS...]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "dispatch.h"
#include "executor.h"

namespace {

using namespace steelyard;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "run-cases: %s\n", what.c_str());
  std::exit(2);
}

std::vector<int32_t> read_words(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (!file) fail(std::string("cannot open ") + path);
  std::vector<int32_t> words;
  int32_t part[4096];
  for (size_t n; (n = std::fread(part, 4, 4096, file)) > 0;) words.insert(words.end(), part, part + n);
  std::fclose(file);
  return words;
}

// The file is 32-bit words; lists begin with their length.
class Reader {
 public:
  explicit Reader(std::vector<int32_t> words) : words_(std::move(words)) {}
  bool done() const { return at_ == words_.size(); }
  int32_t word() {
    if (done()) fail("the file is cut off");
    return words_[at_++];
  }
  std::vector<int32_t> list() {
    const size_t n = (size_t)word();
    if (n > words_.size() - at_) fail("the file is cut off");
    at_ += n;
    return {words_.begin() + (at_ - n), words_.begin() + at_};
  }
  std::vector<std::vector<int32_t>> lists() {
    std::vector<std::vector<int32_t>> result((size_t)word());
    for (std::vector<int32_t>& each : result) each = list();
    return result;
  }

 private:
  std::vector<int32_t> words_;
  size_t at_ = 0;
};

float as_float(int32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// Where a result lies; the numbers are the recorder's.
enum class Place { floats = 0, integers = 1, half_state = 2, float_state = 3, byte_state = 4 };

struct Result {
  Place place;
  // Bytes into the arena, or the state's number.
  int64_t at;
  std::vector<int32_t> wanted;  // floats
  // Of a byte state: where each value's code lies, and its scale, a half.
  std::vector<int32_t> places;
};

struct Case {
  std::string name;
  std::vector<int32_t> tape, dims;
  std::vector<std::vector<int32_t>> weights, states, inputs;
  bool integer_activations;
  float bound;
  // The first result has the same bits as the one of the case before it has from this element on; or -1.
  int32_t same_from;
  std::vector<Result> results;
};

Case read_case(Reader& r) {
  Case c;
  for (int32_t letter : r.list()) c.name += (char)letter;
  c.tape = r.list();
  c.dims = r.list();
  c.weights = r.lists();
  c.states = r.lists();
  c.inputs = r.lists();
  c.integer_activations = r.word() != 0;
  c.bound = as_float(r.word());
  c.same_from = r.word();
  const int32_t count = r.word();
  for (int32_t i = 0; i < count; i++) {
    const Place place = (Place)r.word();
    const int32_t at = r.word();
    c.results.push_back({place, at, r.list(), {}});
    if (place == Place::byte_state) c.results.back().places = r.list();
  }
  return c;
}

std::vector<Buffer> buffers(std::vector<std::vector<int32_t>>& lists) {
  std::vector<Buffer> result;
  for (std::vector<int32_t>& list : lists) result.push_back({(char*)list.data(), list.size() * 4});
  return result;
}

float half(uint16_t h) {
  const float sign = h & 0x8000 ? -1.0f : 1.0f, fraction = (float)(h & 0x3ff);
  const int exponent = h >> 10 & 31;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

float value_at(const char* data, const Result& result, size_t i) {
  float f;
  int32_t n;
  uint16_t h;
  switch (result.place) {
    case Place::byte_state: std::memcpy(&h, data + result.places[2 * i + 1], 2); return (float)(int8_t)data[result.places[2 * i]] * half(h);
    case Place::half_state: std::memcpy(&h, data + 2 * i, 2); return half(h);
    case Place::integers: std::memcpy(&n, data + 4 * i, 4); return (float)n;
    default: std::memcpy(&f, data + 4 * i, 4); return f;
  }
}

// Every result of a case after a run on so many threads, of weights as published or repacked, or why there are none.
std::string run(Case c, const KernelTable& table, int threads, bool repacked, std::vector<std::vector<float>>* found) {
  Executable executable;
  CompileInput input;
  input.tape = c.tape;
  input.weights = buffers(c.weights);
  input.states = buffers(c.states);
  input.limits = c.dims;
  input.threads = threads;
  input.integer_activations = c.integer_activations;
  input.poison = true;
  input.table = &table;
  std::string problem = executable.compile(std::move(input));
  if (problem.empty() && repacked) executable.make_weights();
  if (problem.empty()) problem = executable.run(c.dims, buffers(c.inputs));
  if (!problem.empty()) return problem;
  for (const Result& result : c.results) {
    const bool state = result.place >= Place::half_state;
    const char* data = state ? (const char*)c.states[result.at].data() : executable.arena().data + result.at;
    std::vector<float> values(result.wanted.size());
    for (size_t i = 0; i < values.size(); i++) values[i] = value_at(data, result, i);
    found->push_back(std::move(values));
  }
  return "";
}

// The largest difference over the largest value, as the tests in TypeScript have it.
float worst_error(const std::vector<float>& got, const std::vector<int32_t>& wanted) {
  float size = 1e-6f, worst = 0;
  for (int32_t bits : wanted) size = std::fmax(size, std::fabs(as_float(bits)));
  for (size_t i = 0; i < got.size(); i++) {
    const float exact = as_float(wanted[i]);
    const float error = got[i] == exact ? 0 : std::fabs(got[i] - exact) / size;
    worst = std::isnan(error) ? INFINITY : std::fmax(worst, error);
  }
  return worst;
}

bool same_bits(const float* a, const float* b, size_t n) { return std::memcmp(a, b, n * 4) == 0; }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: run-cases FILE LEVEL [THREADS...]");
  const KernelTable* table = table_of(argv[2]);
  if (!table) fail(std::string("this processor has no ") + argv[2]);
  std::vector<int> threads = {1};
  for (int i = 3; i < argc; i++) threads.push_back(std::atoi(argv[i]));
  Reader reader(read_words(argv[1]));
  int count = 0, failures = 0;
  std::vector<float> before;
  auto complain = [&](const Case& c, const std::string& what) {
    failures++;
    std::fprintf(stderr, "%s: %s\n", c.name.c_str(), what.c_str());
  };
  while (!reader.done()) {
    const Case c = read_case(reader);
    count++;
    std::vector<std::vector<float>> first;
    for (int run_number = 0; run_number < 2 * (int)threads.size(); run_number++) {
      const int n = threads[run_number / 2];
      const bool repacked = run_number % 2 == 1;
      std::vector<std::vector<float>> found;
      const std::string problem = run(c, *table, n, repacked, &found);
      if (!problem.empty()) {
        complain(c, problem);
        continue;
      }
      if (run_number == 0) first = found;
      for (size_t i = 0; i < found.size(); i++) {
        const float error = worst_error(found[i], c.results[i].wanted);
        if (!(error < c.bound)) complain(c, "result " + std::to_string(i) + " is off by " + std::to_string(error) + ", bound " + std::to_string(c.bound));
        if (first.size() != found.size() || !same_bits(first[i].data(), found[i].data(), found[i].size())) complain(c, "other bits on " + std::to_string(n) + " threads" + (repacked ? ", repacked" : ""));
      }
    }
    if (first.empty()) continue;
    const bool fits = c.same_from < 0 || c.same_from + first[0].size() <= before.size();
    if (!fits || (c.same_from >= 0 && !same_bits(first[0].data(), before.data() + c.same_from, first[0].size()))) complain(c, "other bits than in the case before");
    if (c.same_from < 0) before = first[0];
  }
  std::printf("%s: %d cases, %d failures\n", table->level, count, failures);
  return failures > 0 || count == 0 ? 1 : 0;
}
