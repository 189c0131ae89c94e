// llama.cpp measured through its own C interface, without JavaScript: loads a model, then answers lines of standard input
// with lines of milliseconds, so that a benchmark can take turns with it.
//
//   llama-cpp MODEL.gguf THREADS CONTEXT BACKENDS_DIRECTORY
//   prefill N       N tokens in one go from an empty cache, logits of the last
//   decode AT N     N tokens one at a time from position AT on (filled on first use), total
//   streams S AT N  N steps of S sequences, one token each, every sequence AT tokens long at first, total
//
// Compiled by bench/peers/llama-cpp.mjs with the headers of the source bundle that node-llama-cpp carries, against the
// libraries that it carries.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

[[noreturn]] void stop(const char* what) {
  std::fprintf(stderr, "llama-cpp: %s\n", what);
  std::exit(1);
}

struct Bench {
  llama_context* context;
  int vocab;
  llama_batch batch;
  int filled = 0;  // positions of sequence 0 in the cache

  int token(int i) const { return (int)((i * 7919ll + 13) % (vocab < 30000 ? vocab : 30000)); }
  void add(int position, int sequence, bool wanted) {
    int i = batch.n_tokens++;
    batch.token[i] = token(position + sequence);
    batch.pos[i] = position;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = sequence;
    batch.logits[i] = wanted;
  }
  void decode() {
    if (llama_decode(context, batch) != 0) stop("llama_decode failed");
    batch.n_tokens = 0;
  }
  void clear() {
    llama_memory_clear(llama_get_memory(context), true);
    filled = 0;
  }
  double prefill(int n) {
    clear();
    auto start = Clock::now();
    const int step = (int)llama_n_batch(context);
    for (int at = 0; at < n; at += step) {
      for (int i = at; i < std::min(n, at + step); i++) add(i, 0, i == n - 1);
      decode();
    }
    filled = n;
    return since(start);
  }
  double generate(int at, int n) {
    if (filled != at) prefill(at);
    auto start = Clock::now();
    for (int i = 0; i < n; i++) {
      add(at + i, 0, true);
      decode();
    }
    double ms = since(start);
    // Back to where the next measurement begins.
    llama_memory_seq_rm(llama_get_memory(context), 0, at, -1);
    return ms;
  }
  double streams(int count, int at, int n) {
    clear();
    for (int s = 0; s < count; s++) {
      for (int i = 0; i < at; i++) add(i, s, false);
      decode();
    }
    auto start = Clock::now();
    for (int i = 0; i < n; i++) {
      for (int s = 0; s < count; s++) add(at + i, s, true);
      decode();
    }
    double ms = since(start);
    clear();
    return ms;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) stop("usage: llama-cpp MODEL THREADS CONTEXT f16|q8_0 BACKENDS");
  const int threads = std::atoi(argv[2]), length = std::atoi(argv[3]), most = 64;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all_from_path(argv[5]);
  llama_backend_init();
  llama_model_params model_params = llama_model_default_params();
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (!model) stop("the model does not load");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = length;
  if (std::strcmp(argv[4], "q8_0") == 0) params.type_k = params.type_v = GGML_TYPE_Q8_0;
  params.n_batch = 2048;
  params.n_ubatch = 512;
  params.n_seq_max = most;
  params.kv_unified = true;
  params.n_threads = threads;
  params.n_threads_batch = threads;
  llama_context* context = llama_init_from_model(model, params);
  if (!context) stop("no context");
  Bench bench = {context, llama_vocab_n_tokens(llama_model_get_vocab(model)), llama_batch_init(2048, 0, 1)};
  std::printf("ready %s\n", llama_print_system_info());
  std::fflush(stdout);
  char line[256];
  while (std::fgets(line, sizeof line, stdin)) {
    int a = 0, b = 0, c = 0;
    double ms;
    if (std::sscanf(line, "prefill %d", &a) == 1) ms = bench.prefill(a);
    else if (std::sscanf(line, "decode %d %d", &a, &b) == 2) ms = bench.generate(a, b);
    else if (std::sscanf(line, "streams %d %d %d", &a, &b, &c) == 3) ms = bench.streams(a, b, c);
    else stop("unknown command");
    std::printf("%.4f\n", ms);
    std::fflush(stdout);
  }
  return 0;
}
