#include "thread-pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace steelyard {
ThreadPool& ThreadPool::instance() {
  static ThreadPool pool;
  return pool;
}

// Takes a chunk of the open step, unless none is left or it is not for this thread.
bool ThreadPool::claim(Step& seen, int thread) {
  seen.word = step_.load(std::memory_order_acquire);
  while (seen.left() > 0 && thread < seen.threads())
    if (step_.compare_exchange_weak(seen.word, seen.word - 1, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
  return false;
}

// What the step is about may be read only between a claim and its end here: until then the step cannot close.
void ThreadPool::do_chunk(Step claimed, int thread) {
  int threads = claimed.threads();
  job_->run_chunk(chunks_ - claimed.left(), thread);
  if (undone_.fetch_sub(1, std::memory_order_acq_rel) != 1 || open_step(threads)) return;
  finished_.store(true, std::memory_order_release);
  run_finished();
}

// False when the job has no further step.
bool ThreadPool::open_step(int threads) {
  int chunks = job_->next_step();
  if (chunks == 0) return false;
  chunks_ = chunks;
  undone_.store(chunks, std::memory_order_relaxed);
  uint64_t number = (step_.load(std::memory_order_relaxed) >> 24) + 1;
  step_.store(number << 24 | (uint64_t)threads << 16 | (uint64_t)chunks);
  // Who opens a step of one chunk is there to do it.
  if (threads > 1 && chunks > 1) step_opened();
  return true;
}

#if !defined(__wasm__)

namespace {

// About 200 microseconds of spinning: longer than JavaScript takes from one step of a model to the next.
constexpr int kSpins = 10000;

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

void ThreadPool::step_opened() {
  if (parked_.load() == 0) return;
  std::lock_guard<std::mutex> lock(mutex_);
  wake_.notify_all();
}

// The run's owner does not park.
void ThreadPool::run_finished() {}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::grow(int threads) {
  while ((int)workers_.size() < threads - 1) {
    int thread = (int)workers_.size() + 1;
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

void ThreadPool::run(int threads, Job& job) {
  std::lock_guard<std::mutex> one_run(run_mutex_);
  threads = threads < kMaxThreads ? threads : kMaxThreads;
  grow(threads);
  job_ = &job;
  finished_.store(false, std::memory_order_relaxed);
  if (!open_step(threads)) return;
  Step seen;
  for (int spins = 0; !finished_.load(std::memory_order_acquire);) {
    if (claim(seen, 0)) {
      do_chunk(seen, 0);
      spins = 0;
    } else if (spins++ < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::work(int thread) {
  Step seen;
  for (int spins = 0; !stop_.load(std::memory_order_relaxed);) {
    if (claim(seen, thread)) {
      do_chunk(seen, thread);
      spins = 0;
    } else if (spins++ < kSpins) {
      pause();
    } else {
      wait_for_work(seen);
      spins = 0;
    }
  }
}

// Parks until another step is open than the one seen. Whoever opens a step looks at parked_ after storing the step, and
// this thread looks at the step after counting itself in: one of them sees the other.
void ThreadPool::wait_for_work(Step seen) {
  std::unique_lock<std::mutex> lock(mutex_);
  parked_.fetch_add(1);
  wake_.wait(lock, [&] { return stop_ || !seen.same_step(Step{step_.load()}); });
  parked_.fetch_sub(1);
}

#endif

}  // namespace steelyard
