#include "memory.h"

#include "platform.h"

namespace steelyard {

Memory::~Memory() { free_pages(data_, size_); }
bool Memory::allocate(size_t bytes, bool whole) {
  data_ = bytes == 0 ? nullptr : allocate_pages(bytes, whole);
  size_ = data_ ? bytes : 0;
  return bytes == 0 || data_ != nullptr;
}

}  // namespace steelyard
