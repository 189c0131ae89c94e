// The pool in WebAssembly: a helper is another thread's instance of the module over the same memory, made and ended by
// JavaScript. Threads park on a word of that memory. The caller of `run` alone allocates; where it has helpers it waits,
// which a page's main thread may not.
#include "thread-pool.h"

namespace steelyard {
namespace {

// Some tens of microseconds. There is no instruction for a pause.
constexpr int kSpins = 4000;
constexpr int64_t kForever = -1;

}  // namespace

// After what is told was stored, as a waiter looks at that after counting itself in: one of them sees the other.
void ThreadPool::tell(bool helpers) {
  news_.fetch_add(1);
  if (owner_parked_.load() > 0 || (helpers && parked_.load() > 0)) __builtin_wasm_memory_atomic_notify((int32_t*)&news_, ~0u);
}

void ThreadPool::step_opened() { tell(true); }
void ThreadPool::run_finished() { tell(false); }

// One run at a time: the module has one caller.
void ThreadPool::run(int threads, Job& job) {
  threads = threads < kMaxThreads ? threads : kMaxThreads;
  job_ = &job;
  finished_.store(false);
  if (!open_step(threads)) return;
  Step seen;
  for (int spins = 0; !finished_.load(std::memory_order_acquire);) {
    if (claim(seen, 0)) {
      do_chunk(seen, 0);
      spins = 0;
    } else if (spins++ >= kSpins) {
      wait_for_end(seen);
      spins = 0;
    }
  }
}

void ThreadPool::work(int thread) {
  Step seen;
  for (int spins = 0;;) {
    if (claim(seen, thread)) {
      do_chunk(seen, thread);
      spins = 0;
    } else if (spins++ >= kSpins) {
      wait_for_work(seen);
      spins = 0;
    }
  }
}

void ThreadPool::wait_for_work(Step seen) {
  const int32_t news = news_.load();
  parked_.fetch_add(1);
  if (seen.same_step(Step{step_.load()})) __builtin_wasm_memory_atomic_wait32((int32_t*)&news_, news, kForever);
  parked_.fetch_sub(1);
}

// The same for the caller of a run.
void ThreadPool::wait_for_end(Step seen) {
  const int32_t news = news_.load();
  owner_parked_.fetch_add(1);
  if (seen.same_step(Step{step_.load()}) && !finished_.load()) __builtin_wasm_memory_atomic_wait32((int32_t*)&news_, news, kForever);
  owner_parked_.fetch_sub(1);
}

}  // namespace steelyard
