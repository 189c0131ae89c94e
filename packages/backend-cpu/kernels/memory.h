// Bytes that kernels work on: somebody else's, or pages of one's own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace steelyard {

// A weight, matrices of one size, in memory that has room for either layout, repacked where it lies when an executable only
// needs the packed one.
struct OwnWeight {
  int32_t dtype;
  int64_t matrices, rows, columns;
  bool packed = false;
  // Held by the executables that read it as published.
  std::weak_ptr<void> readers = {};
};

// Bytes that something else owns.
struct Buffer {
  char* data = nullptr;
  size_t bytes = 0;
  // Of a mapped file: its pages come back from there when they were dropped.
  bool mapped = false;
  // A weight in several pieces, each the same number of rows (dim 0): where they lie, of `bytes` each. Then data is null.
  std::vector<const char*> parts = {};
  // Null where the bytes must stay as they are.
  std::shared_ptr<OwnWeight> own = nullptr;
};

// Memory that pages in when touched, zeros.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();
  // whole: see allocate_pages.
  bool allocate(size_t bytes, bool whole = false);
  char* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace steelyard
