// The same in vectors of eight lanes: sixteen registers hold twelve sums, three columns and a row, so k is cut to whole pairs of
// vectors and no block has an end of its own; see matmul_short.h.
#pragma once
#include "matmul_short_rows.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t sums_row = chunk_columns + lanes;  // places of a row of sums

// Sums of two places of x and of y in turn, half as many as there were.
inline Lanes add_neighbours(Lanes x, Lanes y) {
  return __builtin_shufflevector(x, y, 0, 8, 1, 9, 4, 12, 5, 13) + __builtin_shufflevector(x, y, 2, 10, 3, 11, 6, 14, 7, 15);
}
// One row of a block: the sums of the lanes of x, y, z and 0.
inline void store_sums(Lanes x, Lanes y, Lanes z, bool add, float* to) {
  const Lanes left = add_neighbours(x, y), right = add_neighbours(z, Lanes{});
  const Lanes both = __builtin_shufflevector(left, right, 0, 1, 8, 9, 4, 5, 12, 13) + __builtin_shufflevector(left, right, 2, 3, 10, 11, 6, 7, 14, 15);
  typedef float Four __attribute__((vector_size(16)));
  Four total = __builtin_shufflevector(both, both, 0, 1, 2, 3) + __builtin_shufflevector(both, both, 4, 5, 6, 7), before;
  std::memcpy(&before, to, sizeof before);
  if (add) total = total + before;
  std::memcpy(to, &total, sizeof total);
}

// dot_block for eight lanes and a multiple of sixteen k. sums: rows sums_row apart, with one place more than columns. Widen: columns
// are left in `wide` [short_across short_depth] as fp32. Lines: cache lines fetched every two steps, `pace` bytes further each time.
template <int Type, bool Widen, int Lines>
__attribute__((noinline)) void dot_eight(const float* x, int64_t x_row, const char* b, int64_t b_row, int64_t k, const char* ahead, int64_t pace,
                                         bool add, float* sums, float* wide) {
  constexpr int64_t bytes = Type == F32 ? 4 : 2, reach = 2 * lanes;
  Lanes sum[short_across][short_down] = {};
  b_row *= bytes;
  const auto step = [&](int64_t at) {
    Lanes y[short_across];
    HEED_UNROLL for (int j = 0; j < short_across; j++) {
      y[j] = load_numbers<Type>(b + j * b_row, at, lanes);
      if constexpr (Widen) store_lanes(wide + at + j * short_depth, y[j]);
    }
    HEED_UNROLL for (int r = 0; r < short_down; r++) {
      const Lanes row = load_lanes(x + at + r * x_row);
      HEED_UNROLL for (int j = 0; j < short_across; j++) sum[j][r] = multiply_add(row, y[j], sum[j][r]);
    }
  };
  for (const char* end = b + k * bytes; b < end; b += reach * bytes) {
    HEED_UNROLL for (int line = 0; line < Lines; line++) __builtin_prefetch(ahead + 64 * line, 0, 2);
    ahead += pace;
    step(0);
    step(lanes);
    x += reach;
    if constexpr (Widen) wide += reach;
  }
  HEED_UNROLL for (int r = 0; r < short_down; r++) store_sums(sum[0][r], sum[1][r], sum[2][r], add, sums + r * sums_row);
}

// `count` columns of C from its corner on.
inline void finish_columns(Finish f, const float* sums, int64_t rows, int64_t column, int64_t count) {
  if (f.bias) f.bias += column;
  f.c = static_cast<char*>(f.c) + column * element_bytes(f.c_type);
  if (count < chunk_columns || f.c_type != F32 || f.accumulate) return finish_slowly(sums, rows, sums_row, f, count);
  for (int64_t r = 0; r < rows; r++) {
    HEED_UNROLL for (int64_t j = 0; j < chunk_columns; j += lanes) {
      Lanes x = load_lanes(sums + r * sums_row + j) * splat_lanes(f.alpha);
      if (f.bias) x = x + load_lanes(f.bias + j);
      store_lanes(static_cast<float*>(f.c) + r * f.c_row + j, x);
    }
  }
}

// Columns from..to-1 of C, at most chunk_columns, for eight lanes.
template <int Type, int Lines> inline void multiply_eight(const ShortRows& p, int64_t pace, int64_t from, int64_t to) {
  constexpr int64_t bytes = Type == F32 ? 4 : 2, before = short_across - 1;
  constexpr bool widens = Type != F32;  // once for all rows
  constexpr int64_t reach = 2 * lanes;
  const int64_t blocks = (p.m + short_down - 1) / short_down;
  alignas(64) float sums[short_rows * sums_row], wide[widens ? short_across * short_depth : 1];
  for (int64_t column = from; column < to; column += short_across) {
    const int64_t first = least_of(column, p.n - short_across);  // at the edge some columns are computed again
    for (int64_t k_from = 0; k_from < p.k; k_from += short_depth) {
      const int64_t k = least_of(short_depth, p.k - k_from) / reach * reach, share = k * bytes * short_across / blocks;
      const char* b = static_cast<const char*>(p.b.from(first, k_from).data);
      // the next columns in the order of memory, a share in each block
      const char* ahead = static_cast<const char*>(p.b.from(first + short_across, 0).data) + k_from * bytes * short_across;
      for (int64_t row = 0; row < p.m; row += short_down, ahead += share) {
        const float* x = p.x + row * p.x_row + k_from;
        float* sum = sums + row * sums_row + first - from + before;
        if (widens && row > 0)
          dot_eight<F32, false, Lines>(x, p.x_row, reinterpret_cast<const char*>(wide), short_depth, k, ahead, pace, k_from > 0, sum, wide);
        else
          dot_eight<Type, widens, Lines>(x, p.x_row, b, p.b.outer_stride, k, ahead, pace, k_from > 0, sum, wide);
      }
    }
    if (const int64_t whole = p.k / reach * reach; whole < p.k) {  // the end of k, with zeros after it
      float last[short_across * reach];
      for (int64_t j = 0; j < short_across; j++)
        for (int64_t i = 0; i < reach; i += lanes)
          store_lanes(last + j * reach + i, load_numbers<Type>(p.b.from(first + j, whole).data, i, p.k - whole - i));
      const char* b = reinterpret_cast<const char*>(last);
      for (int64_t row = 0; row < p.m; row += short_down)
        dot_eight<F32, false, Lines>(p.x + row * p.x_row + whole, p.x_row, b, reach, reach, b, 0, true,
                                     sums + row * sums_row + first - from + before, wide);
    }
  }
  finish_columns(p.finish, sums + before, p.m, from, to - from);
}
template <class Product, int Type> inline void multiply_short_type(const ShortRows& p, int64_t from, int64_t to) {
  const int64_t blocks = (p.m + short_down - 1) / short_down, pace = 2 * lanes * element_bytes(Type) * short_across / blocks;
  if (pace > 64) multiply_eight<Type, short_across>(p, pace, from, to);
  else multiply_eight<Type, 1>(p, pace, from, to);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
