// Some rows times a matrix whose columns lie along k (a short text through a linear layer): B is read once, where it lies, and
// dot products run along k. Packing it, as taller products do, would take longer than the product.
#pragma once
#if defined(__AVX2__) && !defined(__AVX512F__)
#include "matmul_short_eight.h"
#else
#include "matmul_short_block.h"
#endif

namespace heed {
namespace HEED_TIER {
namespace product {

template <class Product> inline void multiply_short(const ShortRows& p, int64_t from, int64_t to) {
  if (p.b.type == BF16) multiply_short_type<Product, BF16>(p, from, to);
  else if (p.b.type == F16) multiply_short_type<Product, F16>(p, from, to);
  else multiply_short_type<Product, F32>(p, from, to);
}

// Whether this is the faster way. Vectors of four lanes convert short numbers one by one: not again for every block.
inline bool has_short_path(int64_t m, int64_t n, int64_t k, const Source& b) {
  const int64_t most_rows = lanes >= 8 ? short_rows : b.type == F32 ? 32 : 0;
  return m > 2 && m <= most_rows && n >= short_across && b.k_stride == 1 && m * n * k > alone_work;
}

template <class Product> inline int64_t short_row(int64_t k) {
  constexpr int64_t reach = lanes * Product::depth * (lanes == 8 ? 2 : 1);  // eight lanes read two vectors at a time
  return ((k + reach - 1) / reach * (lanes == 8 ? 2 : 1) | 1) * lanes;  // an odd number of cache lines: rows lie in different parts of the cache
}
template <class Product> inline int64_t short_words(int64_t m, int64_t k) {
  return (m + short_down - 1) / short_down * short_down * short_row<Product>(k);
}

// Columns of one chunk of parallel work: about 32 KiB of B, or as many as sums are kept for.
inline int64_t short_chunk(int64_t k, const Source& b) {
  if constexpr (lanes == 8) return chunk_columns;
  const int64_t columns = 32768 / (k * element_bytes(b.type)) / short_across * short_across;
  return columns < short_across ? short_across : columns;
}

template <class Product, int Type> inline void pack_short_type(float* to, int64_t m, int64_t k, const Source& a) {
  constexpr int64_t reach = lanes * Product::depth;
  const int64_t row = short_row<Product>(k);
  for (int64_t i = 0; i < (m + short_down - 1) / short_down * short_down; i++) {  // the last row again where rows do not fill a block
    const Source from = a.from(i < m ? i : m - 1, 0);
    for (int64_t j = 0; j < (lanes == 8 ? row : k); j += reach) {
      const int64_t count = k - j < reach ? k - j : reach;
      float numbers[lanes * 2] = {};
      if (a.k_stride != 1)
        for (int64_t s = 0; s < count; s++) numbers[s] = element_of<Type>(from.data, (j + s) * a.k_stride);
      const Lanes words = a.k_stride == 1 ? load_words<Product, Type>(from.data, j, count) : load_words<Product, F32>(numbers, 0, count);
      store_lanes(to + i * row + j / Product::depth, words);
    }
  }
}

// Whether A's rows are words as they lie, whole blocks of them, in different parts of the cache.
template <class Product> inline bool are_short_rows(int64_t m, int64_t k, const Source& a) {
  const bool whole = m % short_down == 0 && k % (2 * lanes) == 0;
  return lanes == 8 && Product::depth == 1 && a.type == F32 && a.k_stride == 1 && whole && a.outer_stride % 1024 != 0;
}

// A's rows as words; to: short_words.
template <class Product> inline void pack_short(float* to, int64_t m, int64_t k, const Source& a) {
  if (a.type == BF16) pack_short_type<Product, BF16>(to, m, k, a);
  else if (a.type == F16) pack_short_type<Product, F16>(to, m, k, a);
  else pack_short_type<Product, F32>(to, m, k, a);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
