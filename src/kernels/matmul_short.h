// Some rows times a matrix whose columns lie along k (a short text through a linear layer): B is read once, where it lies, and
// dot products run along k. Packing it, as taller products do, would take longer than the product.
#pragma once
#if defined(__AVX2__) && !defined(__AVX512F__)
#include "matmul_short_eight.h"
#else
#include "matmul_short_block.h"
#endif
#include "matmul_short_lanes.h"

namespace heed {
namespace HEED_TIER {
namespace product {

// Whether this is the faster way. Vectors of four lanes convert short numbers one by one: not again for every block.
inline bool has_short_path(int64_t m, int64_t n, int64_t k, const Source& b) {
  const int64_t most_rows = lanes >= 8 ? short_rows : b.type == F32 ? 32 : 0;
  return m > 2 && m <= most_rows && n >= short_across && b.k_stride == 1 && m * n * k > alone_work;
}

template <class Product> inline int64_t short_row(int64_t k) {
  constexpr int64_t reach = lanes * Product::depth * (lanes == 8 ? 2 : 1);  // eight lanes read two vectors at a time
  return ((k + reach - 1) / reach * (lanes == 8 ? 2 : 1) | 1) * lanes;  // an odd number of cache lines: rows lie in different parts of the cache
}

// Columns of one chunk of parallel work: about 32 KiB of B, or as many as sums are kept for.
inline int64_t short_chunk(int64_t m, int64_t n, int64_t k, const Source& b) {
  if constexpr (lanes == 8) return chunk_columns;
  const int64_t across = rows_in_lanes(m, n) > 0 ? lane_columns : short_across;
  const int64_t columns = 32768 / (k * element_bytes(b.type)) / across * across;
  return columns < across ? across : columns;
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

// A's rows as words; to: short_row for each, in whole blocks.
template <class Product> inline void pack_short(float* to, int64_t m, int64_t k, const Source& a) {
  if (a.type == BF16) pack_short_type<Product, BF16>(to, m, k, a);
  else if (a.type == F16) pack_short_type<Product, F16>(to, m, k, a);
  else pack_short_type<Product, F32>(to, m, k, a);
}

// Words that a product's rows need.
template <class Product> inline int64_t short_words(int64_t m, int64_t n, int64_t k) {
  const int64_t in_lanes = rows_in_lanes(m, n), rest = most_of(m - in_lanes, 0), steps = (k + Product::depth - 1) / Product::depth;
  return in_lanes * steps + (rest + short_down - 1) / short_down * short_down * short_row<Product>(k);
}

// A product whose rows of A are ready: the first ones as panels for lanes, the rest for dot products.
struct ShortProduct {
  const float* panels;
  ShortRows whole, rest;
};

// The product `whole` (without x) of rows a; to: short_words.
template <class Product> inline ShortProduct prepare_short(const ShortRows& whole, const Source& a, float* to) {
  ShortProduct p{nullptr, whole, whole};
  const int64_t in_lanes = rows_in_lanes(whole.m, whole.n), steps = (whole.k + Product::depth - 1) / Product::depth;
  p.rest.m -= in_lanes;
  if constexpr (lanes == 16) {
    if (in_lanes > 0) {
      pack_panels<Product, lanes>(to, steps * lanes, a, least_of(in_lanes, whole.m), whole.k);
      p.panels = to;
    }
  }
  if (p.rest.m <= 0) return p;
  const Source rows = a.from(in_lanes, 0);
  p.rest.finish.c = static_cast<char*>(whole.finish.c) + in_lanes * whole.finish.c_row * element_bytes(whole.finish.c_type);
  if (are_short_rows<Product>(p.rest.m, whole.k, rows)) {
    p.rest.x = static_cast<const float*>(rows.data);
    p.rest.x_row = rows.outer_stride;
    return p;
  }
  float* x = to + in_lanes * steps;
  pack_short<Product>(x, p.rest.m, whole.k, rows);
  p.rest.x = x;
  p.rest.x_row = short_row<Product>(whole.k);
  return p;
}

template <class Product, int Type> inline void multiply_short_of(const ShortProduct& p, int64_t from, int64_t to) {
  if (p.panels) multiply_lanes<Product, Type>(p.whole, p.panels, from, to);
  if (p.rest.m > 0) multiply_short_type<Product, Type>(p.rest, from, to);
}
template <class Product> inline void multiply_short(const ShortProduct& p, int64_t from, int64_t to) {
  if (p.whole.b.type == BF16) multiply_short_of<Product, BF16>(p, from, to);
  else if (p.whole.b.type == F16) multiply_short_of<Product, F16>(p, from, to);
  else multiply_short_of<Product, F32>(p, from, to);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
