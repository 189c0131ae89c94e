// The addon: handles to memory and executables, and runs off the event loop. Errors become JavaScript exceptions;
// nothing throws across the boundary.
#include <node_api.h>

#include <cstring>
#include <algorithm>
#include <memory>
#include <mutex>

#include "dispatch.h"
#include "executor.h"
#include "platform.h"

namespace steelyard {
namespace {

// A mapped file, a copied weight, or a state.
struct Pages {
  char* data = nullptr;
  size_t bytes = 0;
  bool mapped = false;

  ~Pages() {
    if (data && mapped) unmap_file(data, bytes);
    if (data && !mapped) free_pages(data, bytes);
  }
};

struct Program {
  Executable executable;
  // What its tape points into stays, even when JavaScript has released it too early.
  std::vector<std::shared_ptr<Pages>> pages;
  std::mutex one_run;
};

// What JavaScript's handles point to; null after release.
struct MemoryHandle {
  static constexpr uint32_t kTag = 0x4d454d31;
  uint32_t tag = kTag;
  std::shared_ptr<Pages> pages;
};
struct Compiled {
  static constexpr uint32_t kTag = 0x45584531;
  uint32_t tag = kTag;
  std::shared_ptr<Program> program;
};

void fail(napi_env env, const std::string& message) { napi_throw_error(env, nullptr, message.c_str()); }

template <size_t N>
bool arguments(napi_env env, napi_callback_info info, napi_value (&args)[N]) {
  size_t count = N;
  bool fits = napi_get_cb_info(env, info, &count, args, nullptr, nullptr) == napi_ok && count == N;
  if (!fits) fail(env, "expected " + std::to_string(N) + " arguments");
  return fits;
}

// The struct behind a handle of this addon; null, with an exception, for anything else.
template <class T>
T* handle(napi_env env, napi_value value) {
  void* p = nullptr;
  bool ours = napi_get_value_external(env, value, &p) == napi_ok && p && static_cast<T*>(p)->tag == T::kTag;
  if (!ours) fail(env, "the argument is not a handle of the right kind");
  return ours ? static_cast<T*>(p) : nullptr;
}

Pages* pages_of(napi_env env, napi_value value) {
  MemoryHandle* memory = handle<MemoryHandle>(env, value);
  if (memory && !memory->pages) fail(env, "the memory was released");
  return memory ? memory->pages.get() : nullptr;
}

Program* program_of(napi_env env, napi_value value) {
  Compiled* compiled = handle<Compiled>(env, value);
  if (compiled && !compiled->program) fail(env, "the executable was released");
  return compiled ? compiled->program.get() : nullptr;
}

template <class T>
napi_value external(napi_env env, std::unique_ptr<T> owned) {
  napi_value value = nullptr;
  napi_finalize drop = [](napi_env, void* p, void*) { delete static_cast<T*>(p); };
  if (napi_create_external(env, owned.get(), drop, nullptr, &value) == napi_ok) owned.release();
  return value;
}

std::string text(napi_env env, napi_value value) {
  size_t length = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string s(length, '\0');
  napi_get_value_string_utf8(env, value, s.data(), length + 1, &length);
  return s;
}

int64_t integer(napi_env env, napi_value value) {
  int64_t n = 0;
  napi_get_value_int64(env, value, &n);
  return n;
}

// Bytes of an array of 8-bit or 32-bit elements; none of anything else.
Buffer bytes_of(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0, offset = 0;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok) return {};
  size_t size = type == napi_uint8_array || type == napi_int8_array ? 1 : type == napi_int32_array || type == napi_float32_array ? 4 : 0;
  return {static_cast<char*>(data), length * size, false};
}

std::vector<int32_t> ints(napi_env env, napi_value value) {
  Buffer b = bytes_of(env, value);
  std::vector<int32_t> v(b.bytes / 4);
  if (b.bytes) std::memcpy(v.data(), b.data, v.size() * 4);
  return v;
}

// mapFile(path) -> handle
napi_value map_file_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!arguments(env, info, args)) return nullptr;
  std::string problem;
  auto pages = std::make_shared<Pages>();
  pages->mapped = true;
  pages->data = const_cast<char*>(map_file(text(env, args[0]).c_str(), &pages->bytes, &problem));
  if (!pages->data) {
    fail(env, problem);
    return nullptr;
  }
  return external(env, std::unique_ptr<MemoryHandle>(new MemoryHandle{MemoryHandle::kTag, std::move(pages)}));
}

// allocate(bytes) -> handle, zero-filled
napi_value allocate_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!arguments(env, info, args)) return nullptr;
  auto pages = std::make_shared<Pages>();
  pages->bytes = (size_t)std::max<int64_t>(1, integer(env, args[0]));
  pages->data = allocate_pages(pages->bytes);
  if (!pages->data) {
    fail(env, "cannot allocate " + std::to_string(pages->bytes) + " bytes");
    return nullptr;
  }
  return external(env, std::unique_ptr<MemoryHandle>(new MemoryHandle{MemoryHandle::kTag, std::move(pages)}));
}

// release(handle): the memory goes when no executable needs it either
napi_value release_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  MemoryHandle* memory = arguments(env, info, args) ? handle<MemoryHandle>(env, args[0]) : nullptr;
  if (memory) memory->pages.reset();
  return nullptr;
}

// releaseExecutable(handle, arena): the executable goes when no run needs it; views of its arena have no elements then
napi_value release_executable_js(napi_env env, napi_callback_info info) {
  napi_value args[2];
  Compiled* compiled = arguments(env, info, args) ? handle<Compiled>(env, args[0]) : nullptr;
  if (!compiled) return nullptr;
  if (napi_detach_arraybuffer(env, args[1]) != napi_ok) return fail(env, "the argument is not an arena"), nullptr;
  compiled->program.reset();
  return nullptr;
}

bool inside(const Pages& pages, int64_t offset, size_t bytes) {
  return offset >= 0 && (size_t)offset <= pages.bytes && bytes <= pages.bytes - (size_t)offset;
}

// read(handle, offset, Uint8Array): copies out
napi_value read_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  Pages* pages = pages_of(env, args[0]);
  if (!pages) return nullptr;
  int64_t offset = integer(env, args[1]);
  Buffer to = bytes_of(env, args[2]);
  if (!inside(*pages, offset, to.bytes)) fail(env, "the range lies outside the memory");
  else if (to.bytes) std::memcpy(to.data, pages->data + offset, to.bytes);
  return nullptr;
}

// write(handle, offset, Uint8Array): copies in
napi_value write_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  Pages* pages = pages_of(env, args[0]);
  if (!pages) return nullptr;
  int64_t offset = integer(env, args[1]);
  Buffer from = bytes_of(env, args[2]);
  if (pages->mapped || !inside(*pages, offset, from.bytes)) fail(env, "the range cannot be written");
  else if (from.bytes) std::memcpy(pages->data + offset, from.data, from.bytes);
  return nullptr;
}

// level(name) -> the level used for that name ('' for the best), undefined when the processor lacks it
napi_value level_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result = nullptr;
  if (!arguments(env, info, args)) return nullptr;
  const KernelTable* table = table_of(text(env, args[0]));
  if (table) napi_create_string_utf8(env, table->level, NAPI_AUTO_LENGTH, &result);
  return result;
}

// features() -> names of the instruction sets that levels are chosen by
napi_value features_js(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  std::string names = cpu_features().names;
  napi_create_string_utf8(env, names.c_str(), names.size(), &result);
  return result;
}

// refused() -> what the processor has and the operating system does not give, and why; or ''
napi_value refused_js(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  std::string refused = cpu_features().refused;
  napi_create_string_utf8(env, refused.c_str(), refused.size(), &result);
  return result;
}

// A tensor's pieces: [handle, offset, bytes] flattened, mostly one. False, with an exception, when one is no good.
bool buffer(napi_env env, napi_value array, Buffer* result, std::vector<std::shared_ptr<Pages>>* owners) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length);
  for (uint32_t i = 0; i + 2 < length; i += 3) {
    napi_value h, offset, bytes;
    napi_get_element(env, array, i, &h);
    napi_get_element(env, array, i + 1, &offset);
    napi_get_element(env, array, i + 2, &bytes);
    Pages* pages = pages_of(env, h);
    if (!pages) return false;
    int64_t at = integer(env, offset);
    size_t size = (size_t)integer(env, bytes);
    if (!inside(*pages, at, size)) {
      fail(env, "a tensor lies outside its memory: bytes " + std::to_string(at) + " to " + std::to_string(at + (int64_t)size) + " of " + std::to_string(pages->bytes));
      return false;
    }
    if (i == 0) *result = {pages->data + at, size, pages->mapped};
    if (length > 3) result->parts.push_back(pages->data + at);
    result->bytes = std::min(result->bytes, size);
    // Pieces of a file are many, and neighbours share their pages.
    std::shared_ptr<Pages> owner = handle<MemoryHandle>(env, h)->pages;
    if (owners->empty() || owners->back() != owner) owners->push_back(std::move(owner));
  }
  return true;
}

// One list of pieces per tensor.
bool buffers(napi_env env, napi_value array, std::vector<Buffer>* result, std::vector<std::shared_ptr<Pages>>* owners) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value pieces;
    Buffer one;
    if (napi_get_element(env, array, i, &pieces) != napi_ok || !buffer(env, pieces, &one, owners)) return false;
    result->push_back(std::move(one));
  }
  return true;
}

// Work off the event loop that settles a promise.
struct AsyncJob {
  virtual ~AsyncJob() = default;
  // Empty on success, else what is wrong.
  virtual std::string execute() = 0;
  // What the promise resolves to.
  virtual napi_value result(napi_env env) = 0;

  std::string problem;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
};

void finish(napi_env env, napi_status status, void* p) {
  std::unique_ptr<AsyncJob> job(static_cast<AsyncJob*>(p));
  napi_value value = nullptr, message = nullptr;
  if (status != napi_ok) job->problem = "the work was cancelled";
  if (job->problem.empty()) {
    napi_resolve_deferred(env, job->deferred, job->result(env));
  } else {
    napi_create_string_utf8(env, job->problem.c_str(), job->problem.size(), &message);
    napi_create_error(env, nullptr, message, &value);
    napi_reject_deferred(env, job->deferred, value);
  }
  napi_delete_async_work(env, job->work);
}

napi_value start(napi_env env, const char* label, std::unique_ptr<AsyncJob> job) {
  napi_value promise = nullptr, name;
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, label, NAPI_AUTO_LENGTH, &name);
  AsyncJob* raw = job.release();
  auto execute = [](napi_env, void* p) {
    AsyncJob* job = static_cast<AsyncJob*>(p);
    job->problem = job->execute();
  };
  bool queued = napi_create_async_work(env, nullptr, name, execute, finish, raw, &raw->work) == napi_ok && napi_queue_async_work(env, raw->work) == napi_ok;
  if (!queued) finish(env, napi_cancelled, raw);
  return promise;
}

struct CompileJob final : AsyncJob {
  std::shared_ptr<Program> program = std::make_shared<Program>();
  CompileInput input;

  std::string execute() override { return program->executable.compile(std::move(input)); }
  napi_value result(napi_env env) override { return external(env, std::unique_ptr<Compiled>(new Compiled{Compiled::kTag, std::move(program)})); }
};

// compile(tape, weights, states, limits, threads, integerActivations, level, poison, expertsOnDisk) -> Promise of a handle
napi_value compile_js(napi_env env, napi_callback_info info) {
  napi_value args[9];
  if (!arguments(env, info, args)) return nullptr;
  auto job = std::make_unique<CompileJob>();
  CompileInput& input = job->input;
  input.tape = ints(env, args[0]);
  std::vector<std::shared_ptr<Pages>>* owners = &job->program->pages;
  if (!buffers(env, args[1], &input.weights, owners) || !buffers(env, args[2], &input.states, owners)) return nullptr;
  input.limits = ints(env, args[3]);
  input.threads = (int)integer(env, args[4]);
  napi_get_value_bool(env, args[5], &input.integer_activations);
  input.table = table_of(text(env, args[6]));
  napi_get_value_bool(env, args[7], &input.poison);
  napi_get_value_bool(env, args[8], &input.experts_on_disk);
  if (!input.table) {
    fail(env, "this processor has no " + text(env, args[6]));
    return nullptr;
  }
  return start(env, "steelyard.compile", std::move(job));
}

// Work on a program, of which nothing comes back.
struct ProgramJob : AsyncJob {
  std::shared_ptr<Program> program;

  napi_value result(napi_env env) override {
    napi_value nothing = nullptr;
    napi_get_undefined(env, &nothing);
    return nothing;
  }
};

struct RepackJob final : ProgramJob {
  std::string execute() override {
    std::lock_guard<std::mutex> lock(program->one_run);
    program->executable.make_weights();
    return "";
  }
};

// repack(executable) -> Promise: the panels of weights, which the first run leaves to the second
napi_value repack_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!arguments(env, info, args) || !program_of(env, args[0])) return nullptr;
  auto job = std::make_unique<RepackJob>();
  job->program = handle<Compiled>(env, args[0])->program;
  return start(env, "steelyard.repack", std::move(job));
}

// temporaryBytes(executable) -> number
napi_value temporary_bytes_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result = nullptr;
  Program* program = arguments(env, info, args) ? program_of(env, args[0]) : nullptr;
  if (program) napi_create_int64(env, (int64_t)program->executable.temporary_bytes(), &result);
  return result;
}

// arena(executable) -> ArrayBuffer of the memory itself
napi_value arena_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result = nullptr;
  if (!arguments(env, info, args) || !program_of(env, args[0])) return nullptr;
  // The memory stays as long as the buffer does.
  auto owner = std::make_unique<std::shared_ptr<Program>>(handle<Compiled>(env, args[0])->program);
  Buffer arena = (*owner)->executable.arena();
  napi_finalize drop = [](napi_env, void*, void* p) { delete static_cast<std::shared_ptr<Program>*>(p); };
  if (napi_create_external_arraybuffer(env, arena.data, arena.bytes, drop, owner.get(), &result) == napi_ok) owner.release();
  else fail(env, "this runtime has no array buffers of memory of others");
  return result;
}

struct RunJob final : ProgramJob {
  std::vector<int32_t> dims;
  // Copies: JavaScript goes on while the run checks and reads them.
  std::vector<std::vector<int32_t>> inputs;

  std::string execute() override {
    std::vector<Buffer> buffers;
    for (std::vector<int32_t>& input : inputs) buffers.push_back({(char*)input.data(), input.size() * 4, false});
    std::lock_guard<std::mutex> lock(program->one_run);
    return program->executable.run(dims, buffers);
  }
};

// run(executable, dims, inputs) -> Promise
napi_value run_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  if (!program_of(env, args[0])) return nullptr;
  auto job = std::make_unique<RunJob>();
  job->program = handle<Compiled>(env, args[0])->program;
  job->dims = ints(env, args[1]);
  uint32_t count = 0;
  napi_get_array_length(env, args[2], &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value input;
    napi_get_element(env, args[2], i, &input);
    job->inputs.push_back(ints(env, input));
  }
  return start(env, "steelyard.run", std::move(job));
}

// A typed array of `type` where it lies; null, with an exception, for anything else.
template <class T>
T* elements(napi_env env, napi_value array, napi_typedarray_type type, size_t* count) {
  napi_typedarray_type actual;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, array, &actual, count, &data, nullptr, nullptr) == napi_ok && actual == type && data) return (T*)data;
  fail(env, "expected a typed array of another type");
  return nullptr;
}

// The kernels of the level in the first argument, and the row in the second.
const KernelTable* row_call(napi_env env, const napi_value* args, const float** row, size_t* count) {
  const KernelTable* table = table_of(text(env, args[0]));
  if (!table) fail(env, "unknown level");
  *row = elements<float>(env, args[1], napi_float32_array, count);
  return *row ? table : nullptr;
}

// argmax(level, row) -> index
napi_value argmax_js(napi_env env, napi_callback_info info) {
  napi_value args[2], result = nullptr;
  const float* row;
  size_t count;
  if (!arguments(env, info, args)) return nullptr;
  const KernelTable* table = row_call(env, args, &row, &count);
  if (!table) return nullptr;
  napi_create_int64(env, table->row_argmax(row, count), &result);
  return result;
}

// weigh(level, row, top, scale, weights, sums) -> total
napi_value weigh_js(napi_env env, napi_callback_info info) {
  napi_value args[6], result = nullptr;
  const float* row;
  size_t count, room, blocks;
  double top = 0, scale = 0;
  if (!arguments(env, info, args)) return nullptr;
  const KernelTable* table = row_call(env, args, &row, &count);
  double* weights = elements<double>(env, args[4], napi_float64_array, &room);
  double* sums = elements<double>(env, args[5], napi_float64_array, &blocks);
  if (!table || !weights || !sums) return nullptr;
  if (room < count || blocks * kRowBlock < count) return fail(env, "no room for the weights of a row"), nullptr;
  napi_get_value_double(env, args[2], &top);
  napi_get_value_double(env, args[3], &scale);
  napi_create_double(env, table->row_weigh(row, count, top, scale, weights, sums), &result);
  return result;
}

// atLeast(level, row, floor, ids) -> count
napi_value at_least_js(napi_env env, napi_callback_info info) {
  napi_value args[4], result = nullptr;
  const float* row;
  size_t count, room;
  double floor = 0;
  if (!arguments(env, info, args)) return nullptr;
  const KernelTable* table = row_call(env, args, &row, &count);
  uint32_t* ids = elements<uint32_t>(env, args[3], napi_uint32_array, &room);
  if (!table || !ids) return nullptr;
  if (room < count) return fail(env, "no room for the tokens of a row"), nullptr;
  napi_get_value_double(env, args[2], &floor);
  napi_create_int64(env, table->row_at_least(row, count, floor, ids), &result);
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback fn;
  } functions[] = {
      {"mapFile", map_file_js}, {"allocate", allocate_js}, {"release", release_js}, {"releaseExecutable", release_executable_js}, {"read", read_js}, {"write", write_js}, {"level", level_js}, {"features", features_js}, {"refused", refused_js},
      {"compile", compile_js},  {"temporaryBytes", temporary_bytes_js}, {"arena", arena_js}, {"run", run_js}, {"repack", repack_js}, {"argmax", argmax_js}, {"weigh", weigh_js}, {"atLeast", at_least_js},
  };
  for (const auto& f : functions) {
    napi_value fn;
    napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.fn, nullptr, &fn);
    napi_set_named_property(env, exports, f.name, fn);
  }
  return exports;
}

}  // namespace
}  // namespace steelyard

NAPI_MODULE(NODE_GYP_MODULE_NAME, steelyard::init)
