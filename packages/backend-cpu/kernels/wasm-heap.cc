// The heap of the WebAssembly module: blocks side by side from the end of its data to the end of its memory, which grows
// when none fits. A block is given at multiples of 64 bytes, after a header as long. One thread alone calls this.
#include <cstddef>
#include <cstdlib>

extern "C" char __heap_base;

namespace {

constexpr size_t kUnit = 64;
constexpr size_t kPage = 65536;

struct Block {
  size_t bytes;  // header included, in whole units
  Block* before;
  Block *next, *previous;  // among those that are free
  bool free;

  Block* after() { return (Block*)((char*)this + bytes); }
};
static_assert(sizeof(Block) <= kUnit);

Block* last_block;  // null before the first
Block* free_blocks;

void offer(Block* block) {
  block->free = true;
  block->previous = nullptr;
  block->next = free_blocks;
  if (free_blocks) free_blocks->previous = block;
  free_blocks = block;
}

void take(Block* block) {
  block->free = false;
  (block->previous ? block->previous->next : free_blocks) = block->next;
  if (block->next) block->next->previous = block->previous;
}

// Joins a block with the one after it, neither being offered.
void join(Block* block) {
  Block* gone = block->after();
  block->bytes += gone->bytes;
  if (gone == last_block) last_block = block;
  else block->after()->before = block;
}

// Cuts what is above `bytes` off, where it makes a block.
void cut(Block* block, size_t bytes) {
  if (block->bytes < bytes + 2 * kUnit) return;
  Block* rest = (Block*)((char*)block + bytes);
  rest->bytes = block->bytes - bytes;
  rest->before = block;
  if (block == last_block) last_block = rest;
  else block->after()->before = rest;
  block->bytes = bytes;
  offer(rest);
}

// The smallest of those that fit, so that large ones stay whole.
Block* best_fit(size_t bytes) {
  Block* best = nullptr;
  for (Block* block = free_blocks; block; block = block->next)
    if (block->bytes >= bytes && (!best || block->bytes < best->bytes)) best = block;
  if (best) take(best);
  return best;
}

// A block at the end of grown memory, joined with the last where that is free; null when memory does not grow.
Block* grow(size_t bytes) {
  const bool extend = last_block && last_block->free;
  const size_t missing = extend ? bytes - last_block->bytes : bytes, pages = (missing + kPage - 1) / kPage;
  const size_t end = __builtin_wasm_memory_grow(0, pages);
  if (end == (size_t)-1) return nullptr;
  Block* block = (Block*)(end * kPage);
  block->bytes = pages * kPage;
  block->before = last_block;
  last_block = block;
  if (!extend) return block;
  Block* before = block->before;
  take(before);
  join(before);
  return before;
}

// Memory that the module begins with.
void begin() {
  const size_t from = ((size_t)&__heap_base + kUnit - 1) / kUnit * kUnit;
  last_block = (Block*)from;
  last_block->bytes = __builtin_wasm_memory_size(0) * kPage - from;
  last_block->before = nullptr;
  offer(last_block);
}

}  // namespace

extern "C" void* malloc(size_t bytes) {
  if (!last_block) begin();
  if (bytes > (size_t)-1 - 2 * kUnit - kPage) return nullptr;
  bytes = (bytes + kUnit - 1) / kUnit * kUnit + kUnit;
  Block* block = best_fit(bytes);
  if (!block) block = grow(bytes);
  if (!block) return nullptr;
  block->free = false;
  cut(block, bytes);
  return (char*)block + kUnit;
}

extern "C" void free(void* p) {
  if (!p) return;
  Block* block = (Block*)((char*)p - kUnit);
  if (block != last_block && block->after()->free) {
    take(block->after());
    join(block);
  }
  if (block->before && block->before->free) {
    block = block->before;
    take(block);
    join(block);
  }
  offer(block);
}
