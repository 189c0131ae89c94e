// One pool for the whole process. A run is a list of steps, each so many chunks; whoever is free claims the next
// chunk, and who finishes a step's last chunk opens the next step. No thread waits for one that the operating system
// has put aside, unless that one holds a chunk.
#pragma once
#include <atomic>
#include <cstdint>

#if !defined(__wasm__)
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace steelyard {

// Work for a run.
class Job {
 public:
  // Opens the next step and says how many chunks it has, at least 1 and at most kMaxChunks; 0 after the last. Called
  // by one thread at a time, when all chunks of the step before are done.
  virtual int next_step() = 0;
  // Does chunk `chunk` of the open step on thread `thread`.
  virtual void run_chunk(int chunk, int thread) = 0;

 protected:
  ~Job() = default;
};

class ThreadPool {
 public:
  static constexpr int kMaxThreads = 255;
  static constexpr int kMaxChunks = 65535;

  static ThreadPool& instance();

  // Runs the job on up to `threads` threads, the caller being thread 0. One run at a time; others wait.
  void run(int threads, Job& job);

#if defined(__wasm__)
  // What a helper does until its thread is ended from outside: see wasm-pool.cc.
  void work(int thread);

 private:
  void tell(bool helpers);

  // Counts what parked threads wait for: steps and ends of runs.
  std::atomic<int32_t> news_{0};
  std::atomic<int> owner_parked_{0};
#else
  ~ThreadPool();

 private:
  void grow(int threads);
  void work(int thread);

  std::mutex run_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
  std::atomic<bool> stop_{false};
#endif

 private:
  // The open step in one word, so that a claim is for just what was read: a number that no other step has, the threads
  // that may take part, and the chunks that are left.
  struct Step {
    uint64_t word;
    int left() const { return (int)(word & 0xffff); }
    int threads() const { return (int)(word >> 16 & 0xff); }
    bool same_step(Step other) const { return word >> 24 == other.word >> 24; }
  };

  ThreadPool() = default;
  bool claim(Step& seen, int thread);
  void do_chunk(Step claimed, int thread);
  bool open_step(int threads);
  void wait_for_work(Step seen);
#if defined(__wasm__)
  void wait_for_end(Step seen);
#endif
  // Wakes who is parked: a step is open that others may take part in; the run is over.
  void step_opened();
  void run_finished();

  std::atomic<int> parked_{0};
  std::atomic<uint64_t> step_{0};
  std::atomic<int> undone_{0};
  std::atomic<bool> finished_{true};
  Job* job_ = nullptr;
  int chunks_ = 0;
};

}  // namespace steelyard
