// The thread pool under a race detector: random jobs on random numbers of threads, from two callers at once. Every chunk
// runs just once, and sees all that the steps before it wrote. Run by scripts/test-races.mjs.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "../../kernels/thread-pool.h"

namespace {

using steelyard::Job;
using steelyard::ThreadPool;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "thread-pool: %s\n", what);
  std::exit(1);
}

// Step s adds s + 1 to cells by chunks; plain memory, so that a missing order shows as a race.
class Adding final : public Job {
 public:
  Adding(std::vector<int> steps, int threads) : steps_(std::move(steps)), threads_(threads), cells_(4096) {}

  int next_step() override {
    if (open_ > 0)
      for (int chunk = 0; chunk < steps_[open_ - 1]; chunk++)
        if (cells_[chunk] < open_) fail("a step was closed before its chunks were done");
    return open_ < (int)steps_.size() ? steps_[open_++] : 0;
  }
  void run_chunk(int chunk, int thread) override {
    if (chunk < 0 || chunk >= steps_[open_ - 1]) fail("a chunk that the step does not have");
    if (thread < 0 || thread >= threads_) fail("a thread beyond the run's");
    cells_[chunk] += open_;
  }
  void check() const {
    std::vector<int> wanted(cells_.size());
    for (int step = 0; step < (int)steps_.size(); step++)
      for (int chunk = 0; chunk < steps_[step]; chunk++) wanted[chunk] += step + 1;
    if (wanted != cells_) fail("chunks ran more or less than once");
  }

 private:
  std::vector<int> steps_;
  int threads_;
  std::vector<int> cells_;
  int open_ = 0;
};

void many_jobs(unsigned seed) {
  std::mt19937 random(seed);
  auto draw = [&](int low, int high) { return low + (int)(random() % (unsigned)(high - low + 1)); };
  for (int i = 0; i < 300; i++) {
    std::vector<int> steps(draw(0, 40));
    for (int& chunks : steps) chunks = draw(0, 3) == 0 ? draw(1, 200) : draw(1, 4);
    const int threads = draw(1, 6);
    Adding job(std::move(steps), threads);
    ThreadPool::instance().run(threads, job);
    job.check();
    // Long enough now and then for workers to park.
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

int main() {
  std::thread other(many_jobs, 2);
  many_jobs(1);
  other.join();
  return 0;
}
