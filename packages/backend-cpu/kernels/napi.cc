// The addon: handles to memory and executables, and runs off the event loop. Errors become JavaScript exceptions;
// nothing throws across the boundary.
#include <node_api.h>

#include <cstring>
#include <algorithm>
#include <memory>

#include "executor.h"
#include "platform.h"

namespace steelyard {
namespace scalar {
extern const KernelTable kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
#endif
namespace {

// Bytes that JavaScript holds a handle to: a mapped file, a copied weight, or a state.
struct Memory {
  char* data = nullptr;
  size_t bytes = 0;
  bool mapped = false;

  void release() {
    if (data && mapped) unmap_file(data, bytes);
    if (data && !mapped) free_pages(data, bytes);
    data = nullptr;
    bytes = 0;
  }
};

struct Compiled {
  Executable executable;
};

void fail(napi_env env, const std::string& message) { napi_throw_error(env, nullptr, message.c_str()); }

template <size_t N>
bool arguments(napi_env env, napi_callback_info info, napi_value (&args)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, args, nullptr, nullptr) == napi_ok && count == N;
}

template <class T>
T* handle(napi_env env, napi_value value) {
  void* p = nullptr;
  napi_get_value_external(env, value, &p);
  return static_cast<T*>(p);
}

napi_value external(napi_env env, Memory* memory) {
  napi_value value = nullptr;
  napi_create_external(
      env, memory,
      [](napi_env, void* p, void*) {
        static_cast<Memory*>(p)->release();
        delete static_cast<Memory*>(p);
      },
      nullptr, &value);
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

// Bytes of a typed array.
Buffer bytes_of(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0, offset = 0;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok) return {};
  size_t size = type == napi_uint8_array || type == napi_int8_array ? 1 : 4;
  return {static_cast<char*>(data), length * size};
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
  auto memory = std::make_unique<Memory>();
  memory->mapped = true;
  memory->data = const_cast<char*>(map_file(text(env, args[0]).c_str(), &memory->bytes, &problem));
  if (!memory->data) {
    fail(env, problem);
    return nullptr;
  }
  return external(env, memory.release());
}

// allocate(bytes) -> handle, zero-filled
napi_value allocate_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!arguments(env, info, args)) return nullptr;
  auto memory = std::make_unique<Memory>();
  memory->bytes = (size_t)std::max<int64_t>(1, integer(env, args[0]));
  memory->data = allocate_pages(memory->bytes);
  if (!memory->data) {
    fail(env, "cannot allocate " + std::to_string(memory->bytes) + " bytes");
    return nullptr;
  }
  return external(env, memory.release());
}

// release(handle)
napi_value release_js(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (arguments(env, info, args)) handle<Memory>(env, args[0])->release();
  return nullptr;
}

bool inside(const Memory& memory, int64_t offset, size_t bytes) {
  return offset >= 0 && (size_t)offset <= memory.bytes && bytes <= memory.bytes - (size_t)offset;
}

// read(handle, offset, Uint8Array): copies out
napi_value read_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  Memory* memory = handle<Memory>(env, args[0]);
  int64_t offset = integer(env, args[1]);
  Buffer to = bytes_of(env, args[2]);
  if (!inside(*memory, offset, to.bytes)) fail(env, "the range lies outside the memory");
  else if (to.bytes) std::memcpy(to.data, memory->data + offset, to.bytes);
  return nullptr;
}

// write(handle, offset, Uint8Array): copies in
napi_value write_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  Memory* memory = handle<Memory>(env, args[0]);
  int64_t offset = integer(env, args[1]);
  Buffer from = bytes_of(env, args[2]);
  if (memory->mapped || !inside(*memory, offset, from.bytes)) fail(env, "the range cannot be written");
  else if (from.bytes) std::memcpy(memory->data + offset, from.data, from.bytes);
  return nullptr;
}

const KernelTable* table_of(const std::string& level) {
  CpuFeatures features = cpu_features();
#if defined(__x86_64__)
  if ((level.empty() || level == "avx512") && features.avx512) return &avx512::kTable;
  if ((level.empty() || level == "avx2") && features.avx2) return &avx2::kTable;
#endif
  (void)features;
  return level.empty() || level == "scalar" ? &scalar::kTable : nullptr;
}

// level(name) -> the level used for that name ('' for the best), undefined when the processor lacks it
napi_value level_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result = nullptr;
  if (!arguments(env, info, args)) return nullptr;
  const KernelTable* table = table_of(text(env, args[0]));
  if (table) napi_create_string_utf8(env, table->level, NAPI_AUTO_LENGTH, &result);
  return result;
}

// Handles and byte ranges: [handle, offset, bytes] flattened.
std::vector<Buffer> buffers(napi_env env, napi_value array) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length);
  std::vector<Buffer> result;
  for (uint32_t i = 0; i + 2 < length; i += 3) {
    napi_value h, offset, bytes;
    napi_get_element(env, array, i, &h);
    napi_get_element(env, array, i + 1, &offset);
    napi_get_element(env, array, i + 2, &bytes);
    Memory* memory = handle<Memory>(env, h);
    int64_t at = integer(env, offset);
    size_t size = (size_t)integer(env, bytes);
    result.push_back(memory && inside(*memory, at, size) ? Buffer{memory->data + at, size} : Buffer{});
  }
  return result;
}

// compile(tape, weights, states, limits, threads, int8Activations, level) -> handle
napi_value compile_js(napi_env env, napi_callback_info info) {
  napi_value args[7], result = nullptr;
  if (!arguments(env, info, args)) return nullptr;
  CompileInput input;
  input.tape = ints(env, args[0]);
  input.weights = buffers(env, args[1]);
  input.states = buffers(env, args[2]);
  input.limits = ints(env, args[3]);
  input.threads = (int)integer(env, args[4]);
  napi_get_value_bool(env, args[5], &input.int8_activations);
  input.table = table_of(text(env, args[6]));
  if (!input.table) {
    fail(env, "this processor has no " + text(env, args[6]));
    return nullptr;
  }
  auto compiled = std::make_unique<Compiled>();
  std::string problem = compiled->executable.compile(std::move(input));
  if (!problem.empty()) {
    fail(env, problem);
    return nullptr;
  }
  napi_create_external(env, compiled.release(), [](napi_env, void* p, void*) { delete static_cast<Compiled*>(p); }, nullptr, &result);
  return result;
}

// temporaryBytes(executable) -> number
napi_value temporary_bytes_js(napi_env env, napi_callback_info info) {
  napi_value args[1], result = nullptr;
  if (arguments(env, info, args)) napi_create_int64(env, (int64_t)handle<Compiled>(env, args[0])->executable.temporary_bytes(), &result);
  return result;
}

// readArena(executable, offset, Float32Array): copies an output
napi_value read_arena_js(napi_env env, napi_callback_info info) {
  napi_value args[3];
  if (!arguments(env, info, args)) return nullptr;
  Buffer arena = handle<Compiled>(env, args[0])->executable.arena(), to = bytes_of(env, args[2]);
  int64_t offset = integer(env, args[1]);
  if (offset < 0 || (size_t)offset + to.bytes > arena.bytes) fail(env, "the output lies outside the arena");
  else std::memcpy(to.data, arena.data + offset, to.bytes);
  return nullptr;
}

struct RunJob {
  Compiled* compiled;
  std::vector<int32_t> dims;
  std::vector<Buffer> inputs;
  std::string problem;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  napi_ref keep = nullptr;
};

// run(executable, dims, inputs) -> Promise
napi_value run_js(napi_env env, napi_callback_info info) {
  napi_value args[3], promise = nullptr, name;
  if (!arguments(env, info, args)) return nullptr;
  auto job = std::make_unique<RunJob>();
  job->compiled = handle<Compiled>(env, args[0]);
  job->dims = ints(env, args[1]);
  uint32_t count = 0;
  napi_get_array_length(env, args[2], &count);
  for (uint32_t i = 0; i < count; i++) {
    napi_value input;
    napi_get_element(env, args[2], i, &input);
    job->inputs.push_back(bytes_of(env, input));
  }
  // The arguments hold executable and inputs: keep them until the run has ended.
  napi_value kept;
  napi_create_array_with_length(env, 2, &kept);
  napi_set_element(env, kept, 0, args[0]);
  napi_set_element(env, kept, 1, args[2]);
  napi_create_reference(env, kept, 1, &job->keep);
  napi_create_promise(env, &job->deferred, &promise);
  napi_create_string_utf8(env, "steelyard.run", NAPI_AUTO_LENGTH, &name);
  RunJob* raw = job.release();
  napi_create_async_work(
      env, nullptr, name, [](napi_env, void* p) { RunJob* j = static_cast<RunJob*>(p); j->problem = j->compiled->executable.run(j->dims, j->inputs); },
      [](napi_env env, napi_status, void* p) {
        std::unique_ptr<RunJob> j(static_cast<RunJob*>(p));
        napi_value value = nullptr, message = nullptr;
        if (j->problem.empty()) {
          napi_get_undefined(env, &value);
          napi_resolve_deferred(env, j->deferred, value);
        } else {
          napi_create_string_utf8(env, j->problem.c_str(), j->problem.size(), &message);
          napi_create_error(env, nullptr, message, &value);
          napi_reject_deferred(env, j->deferred, value);
        }
        napi_delete_reference(env, j->keep);
        napi_delete_async_work(env, j->work);
      },
      raw, &raw->work);
  napi_queue_async_work(env, raw->work);
  return promise;
}

napi_value init(napi_env env, napi_value exports) {
  const struct {
    const char* name;
    napi_callback fn;
  } functions[] = {
      {"mapFile", map_file_js}, {"allocate", allocate_js}, {"release", release_js}, {"read", read_js}, {"write", write_js}, {"level", level_js},
      {"compile", compile_js},  {"temporaryBytes", temporary_bytes_js}, {"readArena", read_arena_js}, {"run", run_js},
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
