// Writing the keys and values of tokens to their slots of the paged cache.
#include <algorithm>

#include "cache-pages.h"

namespace steelyard::SY_LEVEL {
namespace {

// Values encoded at once: whole blocks.
constexpr int64_t kEncoded = 64;

// T: what the cache holds. Values become that a vector at a time, and by column go where their slots are.
template <class T>
void write_slots(const Call& call) {
  const Tensor &cache = *call.out[0], &x = *call.in[Kvwrite::x], &slots = *call.in[Kvwrite::slots];
  const int64_t heads = cache.dims[1], page_size = cache.dims[2], dim = cache.dims[3];
  const bool by_column = Kvwrite::read(call.attrs).byColumn;
  Range mine = share(call, x.rows());
  for (int64_t t = mine.begin; t < mine.end; t++) {
    const int64_t slot = slots.i32()[t];
    if (slot < 0) continue;
    for (int64_t h = 0; h < heads; h++) {
      const int64_t within = slot % page_size;
      char* page = cache.data + (slot / page_size * heads + h) * page_bytes<T>(page_size * dim);
      const float* from = x.f32(t) + h * dim;
      for (int64_t i = 0; i < dim; i += kEncoded) {
        T values[kEncoded];
        const int64_t n = std::min(kEncoded, dim - i);
        if constexpr (kInBlocks<T>) {
          uint16_t* scales = (uint16_t*)(page + page_size * dim);
          for (int64_t j = 0; j < n; j += 32) scales[(i + j) / 32 * page_size + within] = store_block(from + i + j, values + j);
        } else {
          store_values(from + i, values, n);
        }
        if (by_column)
          for (int64_t j = 0; j < n; j++) ((T*)page)[(i + j) * page_size + within] = values[j];
        else std::memcpy((T*)page + within * dim + i, values, n * sizeof(T));
      }
    }
  }
}

}  // namespace

void op_kvwrite(const Call& call) {
  with_cache_type(call.out[0]->dtype, [&](auto value) { write_slots<decltype(value)>(call); });
}

}  // namespace steelyard::SY_LEVEL
