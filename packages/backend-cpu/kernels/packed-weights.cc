#include "packed-weights.h"

#include <cstring>
#include <map>
#include <tuple>
#include <vector>

#include "platform.h"
#include "thread-pool.h"

#if !defined(__wasm__)
#include <mutex>
#endif

namespace steelyard {
namespace {

constexpr int64_t kPanelRows = 16;
// Panels that one chunk packs before their source is let go.
constexpr int64_t kSourceBytes = 4 << 20;

class PackJob final : public Job {
 public:
  PackJob(const KernelTable& table, const Tensor& w, char* to, bool mapped) : table_(table), w_(w), to_(to), mapped_(mapped) {
    const DTypeInfo& info = dtype_info(w.dtype);
    row_bytes_ = w.last() / info.block_size * info.block_bytes;
    panels_ = (w.rows() + kPanelRows - 1) / kPanelRows;
    panel_bytes_ = table.packed_bytes(w) / panels_;
    int64_t per_chunk = kSourceBytes / (row_bytes_ * kPanelRows);
    per_chunk_ = per_chunk < 1 ? 1 : per_chunk;
  }
  int next_step() override {
    if (opened_) return 0;
    opened_ = true;
    int64_t chunks = (panels_ + per_chunk_ - 1) / per_chunk_;
    if (chunks > ThreadPool::kMaxChunks) {
      chunks = ThreadPool::kMaxChunks;
      per_chunk_ = (panels_ + chunks - 1) / chunks;
      chunks = (panels_ + per_chunk_ - 1) / per_chunk_;
    }
    return (int)chunks;
  }
  void run_chunk(int chunk, int) override {
    int64_t begin = chunk * per_chunk_, end = begin + per_chunk_ < panels_ ? begin + per_chunk_ : panels_;
    for (int64_t panel = begin; panel < end; panel++) table_.pack_panel(w_, panel, to_ + panel * panel_bytes_);
    int64_t last = end * kPanelRows < w_.rows() ? end * kPanelRows : w_.rows();
    if (mapped_) drop_pages(w_.data + begin * kPanelRows * row_bytes_, (last - begin * kPanelRows) * row_bytes_);
  }

 private:
  const KernelTable& table_;
  const Tensor& w_;
  char* to_;
  bool mapped_, opened_ = false;
  int64_t row_bytes_, panels_, panel_bytes_, per_chunk_;
};

using Key = std::tuple<const KernelTable*, const char*, int, int64_t, int64_t>;

struct Cache {
#if !defined(__wasm__)
  std::mutex mutex;
#endif
  std::map<Key, std::weak_ptr<PackedWeight>> weights;
};

Cache& cache() {
  static Cache the_cache;
  return the_cache;
}

}  // namespace

std::shared_ptr<PackedWeight> reserve_panels(const KernelTable& table, const Tensor& w) {
  size_t bytes = table.packed_bytes(w);
  if (bytes == 0) return nullptr;
#if !defined(__wasm__)
  std::lock_guard<std::mutex> lock(cache().mutex);
#endif
  std::weak_ptr<PackedWeight>& known = cache().weights[{&table, w.data, (int)w.dtype, w.rows(), w.last()}];
  if (std::shared_ptr<PackedWeight> packed = known.lock()) return packed;
  auto packed = std::make_shared<PackedWeight>();
  if (!packed->memory.allocate(bytes, true)) return nullptr;
  packed->data = packed->memory.data();
  known = packed;
  return packed;
}

void make_panels(const KernelTable& table, const Tensor& w, bool mapped, int threads, PackedWeight& packed) {
#if !defined(__wasm__)
  std::lock_guard<std::mutex> lock(cache().mutex);
#endif
  if (packed.made) return;
  PackJob job(table, w, packed.memory.data(), mapped);
  ThreadPool::instance().run(threads, job);
  packed.made = true;
}

// From the last panel to the first, as a packed panel is never smaller: it only covers rows that are packed already.
std::shared_ptr<PackedWeight> pack_in_place(const KernelTable& table, const Tensor& w, OwnWeight& own) {
  const size_t bytes = table.packed_bytes(w);
  const DTypeInfo& info = dtype_info(w.dtype);
  const int64_t row_bytes = w.last() / info.block_size * info.block_bytes, panels = (w.rows() + kPanelRows - 1) / kPanelRows;
  std::vector<char> published(row_bytes * kPanelRows);
  Tensor rows = w;
  rows.data = published.data();
  for (int64_t panel = own.packed ? -1 : panels - 1; panel >= 0; panel--) {
    const int64_t left = w.rows() - panel * kPanelRows;
    rows.dims[0] = left < kPanelRows ? left : kPanelRows;
    std::memcpy(rows.data, w.data + panel * kPanelRows * row_bytes, rows.dims[0] * row_bytes);
    table.pack_panel(rows, 0, w.data + panel * (bytes / panels));
  }
  own.packed = true;
  auto packed = std::make_shared<PackedWeight>();
  packed->data = w.data;
  packed->made = true;
  return packed;
}

}  // namespace steelyard
