// One pool for the whole process. A run takes all its threads; they spin briefly for the next, then park.
#pragma once
#if defined(__wasm__)

namespace steelyard {

// The WebAssembly build has one thread, the caller's.
class ThreadPool {
 public:
  static ThreadPool& instance() {
    static ThreadPool pool;
    return pool;
  }
  void run(int, void (*fn)(void*, int), void* context) { fn(context, 0); }
  void barrier() {}
};

}  // namespace steelyard

#else

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace steelyard {

class ThreadPool {
 public:
  static ThreadPool& instance();
  ~ThreadPool();

  // Calls fn(context, thread) on `threads` threads, the caller being thread 0. One run at a time; others wait.
  void run(int threads, void (*fn)(void*, int), void* context);

  // To be called by every thread of the run.
  void barrier();

 private:
  ThreadPool() = default;
  void work(int thread);
  void grow(int threads);

  std::mutex run_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> left_{0};
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> phase_{0};
  void (*fn_)(void*, int) = nullptr;
  void* context_ = nullptr;
  int threads_ = 1;
  bool stop_ = false;
};

}  // namespace steelyard

#endif
