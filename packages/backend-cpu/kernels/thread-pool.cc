#include "thread-pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace steelyard {
namespace {

// About 20 microseconds of spinning before a yield, or a park.
constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool pool;
  return pool;
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    generation_++;
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

void ThreadPool::run(int threads, void (*fn)(void*, int), void* context) {
  std::lock_guard<std::mutex> one_run(run_mutex_);
  if (threads > 1) {
    std::lock_guard<std::mutex> lock(mutex_);
    fn_ = fn;
    context_ = context;
    threads_ = threads;
    arrived_ = 0;
    left_ = threads - 1;
    generation_++;
    grow(threads);
    wake_.notify_all();
  } else {
    // Workers that wake late look at it.
    std::lock_guard<std::mutex> lock(mutex_);
    threads_ = 1;
  }
  fn(context, 0);
  for (int spins = 0; left_.load(std::memory_order_acquire) > 0; spins++) {
    if (spins < kSpins) pause();
    else std::this_thread::yield();
  }
}

void ThreadPool::barrier() {
  if (threads_ == 1) return;
  uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    return;
  }
  for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; spins++) {
    if (spins < kSpins) pause();
    else std::this_thread::yield();
  }
}

void ThreadPool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    for (int spins = 0; generation_.load(std::memory_order_acquire) == seen && spins < kSpins; spins++) pause();
    void (*fn)(void*, int);
    void* context;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return generation_ != seen; });
      if (stop_) return;
      seen = generation_;
      // A thread beyond this run's count, or one that woke after the run had ended, has no share in it.
      if (thread >= threads_ || left_ == 0) continue;
      fn = fn_;
      context = context_;
    }
    fn(context, thread);
    left_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace steelyard
