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
  PackJob(const KernelTable& table, const std::vector<Tensor>& matrices, char* to, bool mapped) : table_(table), matrices_(matrices), to_(to), mapped_(mapped) {
    const Tensor& w = matrices[0];
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
    int64_t chunks = (total() + per_chunk_ - 1) / per_chunk_;
    if (chunks > ThreadPool::kMaxChunks) {
      chunks = ThreadPool::kMaxChunks;
      per_chunk_ = (total() + chunks - 1) / chunks;
      chunks = (total() + per_chunk_ - 1) / per_chunk_;
    }
    return (int)chunks;
  }
  void run_chunk(int chunk, int) override {
    int64_t begin = chunk * per_chunk_, end = begin + per_chunk_ < total() ? begin + per_chunk_ : total();
    for (int64_t i = begin / panels_; i * panels_ < end; i++) {
      int64_t first = begin > i * panels_ ? begin - i * panels_ : 0, last = end - i * panels_;
      pack(matrices_[i], first, last < panels_ ? last : panels_, to_ + i * panels_ * panel_bytes_);
    }
  }

 private:
  int64_t total() const { return panels_ * (int64_t)matrices_.size(); }
  void pack(const Tensor& w, int64_t begin, int64_t end, char* to) {
    for (int64_t panel = begin; panel < end; panel++) table_.pack_panel(w, panel, to + panel * panel_bytes_);
    int64_t last = end * kPanelRows < w.rows() ? end * kPanelRows : w.rows();
    if (mapped_) drop_pages(w.data + begin * kPanelRows * row_bytes_, (last - begin * kPanelRows) * row_bytes_);
  }

  const KernelTable& table_;
  const std::vector<Tensor>& matrices_;
  char* to_;
  bool mapped_, opened_ = false;
  int64_t row_bytes_, panels_, panel_bytes_, per_chunk_;
};

using Key = std::tuple<const KernelTable*, const char*, int, size_t, int64_t, int64_t>;

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

std::shared_ptr<PackedWeight> reserve_panels(const KernelTable& table, const std::vector<Tensor>& matrices) {
  const Tensor& w = matrices[0];
  size_t bytes = table.packed_bytes(w) * matrices.size();
  if (bytes == 0) return nullptr;
#if !defined(__wasm__)
  std::lock_guard<std::mutex> lock(cache().mutex);
#endif
  std::weak_ptr<PackedWeight>& known = cache().weights[{&table, w.data, (int)w.dtype, matrices.size(), w.rows(), w.last()}];
  if (std::shared_ptr<PackedWeight> packed = known.lock()) return packed;
  auto packed = std::make_shared<PackedWeight>();
  if (!packed->memory.allocate(bytes, true)) return nullptr;
  packed->data = packed->memory.data();
  known = packed;
  return packed;
}

void make_panels(const KernelTable& table, const std::vector<Tensor>& matrices, bool mapped, int threads, PackedWeight& packed) {
#if !defined(__wasm__)
  std::lock_guard<std::mutex> lock(cache().mutex);
#endif
  if (packed.made) return;
  PackJob job(table, matrices, packed.memory.data(), mapped);
  ThreadPool::instance().run(threads, job);
  packed.made = true;
}

// From the last panel to the first, as a packed panel is never smaller: it only covers rows that are packed already.
std::shared_ptr<PackedWeight> pack_in_place(const KernelTable& table, const std::vector<Tensor>& matrices, OwnWeight& own) {
  Tensor rows = matrices[0];
  char* const data = rows.data;
  const size_t bytes = table.packed_bytes(rows);
  const DTypeInfo& info = dtype_info(rows.dtype);
  const int64_t count = rows.rows(), row_bytes = rows.last() / info.block_size * info.block_bytes, panels = (count + kPanelRows - 1) / kPanelRows;
  std::vector<char> published(row_bytes * kPanelRows);
  rows.data = published.data();
  for (int64_t i = own.packed ? -1 : panels * (int64_t)matrices.size() - 1; i >= 0; i--) {
    const int64_t matrix = i / panels, first = i % panels * kPanelRows;
    rows.dims[0] = count - first < kPanelRows ? count - first : kPanelRows;
    std::memcpy(rows.data, matrices[matrix].data + first * row_bytes, rows.dims[0] * row_bytes);
    table.pack_panel(rows, 0, data + i * (bytes / panels));
  }
  own.packed = true;
  auto packed = std::make_shared<PackedWeight>();
  packed->data = data;
  packed->made = true;
  return packed;
}

}  // namespace steelyard
