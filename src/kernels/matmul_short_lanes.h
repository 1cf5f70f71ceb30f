// Sixteen rows of A in the lanes of a vector: a number of B, spread over all lanes, meets sixteen rows at once, so nothing is summed
// across lanes; see matmul_short.h.
#pragma once
#include "matmul_short_rows.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t lane_columns = 16;  // of one block: as many sums in registers

// Rows of A that are multiplied this way, from the first on: whole vectors, and a last one where few lanes would idle.
inline int64_t rows_in_lanes(int64_t m, int64_t n) {
  if (lanes != 16 || n < lane_columns) return 0;
  const int64_t rest = m % lanes;
  return rest > lanes - short_down ? m - rest + lanes : m - rest;
}

// sums [lane_columns lanes] of one panel [steps lanes] of A and lane_columns columns of B over k numbers; b_row: bytes from one column
// to the next. A square of B is copied while the one before is multiplied: columns lie so far apart that they would push one another
// out of the nearest cache. ahead: memory that is fetched meanwhile, `pace` bytes every step.
template <class Product, int Type>
__attribute__((noinline)) void lane_block(const float* panel, const char* b, int64_t b_row, int64_t k, const char* ahead, int64_t pace,
                                          bool add, float* sums) {
  constexpr int64_t reach = lanes * Product::depth, bytes = Type == F32 ? 4 : 2, far = bytes * Product::depth > 4 ? 64 : 0;
  alignas(64) float squares[2][lane_columns * lanes];
  float *square = squares[0], *next = squares[1];
  Lanes sum[lane_columns];
  HEED_UNROLL for (int j = 0; j < lane_columns; j++) sum[j] = add ? load_lanes(sums + j * lanes) : Lanes{};
  const auto multiply = [&](const float* rows_at, const float* column_at) {
    const Lanes rows = load_lanes(rows_at);
    HEED_UNROLL for (int j = 0; j < lane_columns; j++) sum[j] = Product::step_word(rows, column_at + j * lanes, sum[j]);
  };
  for (int j = 0; j < lane_columns; j++) store_lanes(square + j * lanes, load_words<Product, Type>(b + j * b_row, 0, k));
  int64_t left = k;
  for (; left > reach; left -= reach) {
    b += reach * bytes;
    const char* column = b;
    const auto turn = [&](int step, auto&& words) {
      __builtin_prefetch(ahead, 0, 2);
      if constexpr (far > 0) __builtin_prefetch(ahead + far, 0, 2);
      ahead += pace;
      store_lanes(next + step * lanes, words(column));
      column += b_row;
      multiply(panel + step * lanes, square + step);
    };
    if (left >= 2 * reach) {
#pragma GCC unroll 4
      for (int step = 0; step < lanes; step++) turn(step, load_whole_words<Product, Type>);
    } else {
      for (int step = 0; step < lanes; step++) turn(step, [&](const char* from) { return load_words<Product, Type>(from, 0, left - reach); });
    }
    panel += lanes * lanes;
    float* free = square;
    square = next;
    next = free;
  }
  for (int step = 0; step < (left + Product::depth - 1) / Product::depth; step++) multiply(panel + step * lanes, square + step);
  HEED_UNROLL for (int j = 0; j < lane_columns; j++) store_lanes(sums + j * lanes, sum[j]);
}

// Stores `down` rows of sums [lane_columns lanes], columns skip..lane_columns-1, from C's element (row, column) on.
inline void finish_lanes(const Finish& f, const float* sums, int64_t row, int64_t down, int64_t column, int64_t skip) {
  if constexpr (lanes == lane_columns) {
    Lanes square[lanes];
    HEED_UNROLL for (int j = 0; j < lanes; j++) square[j] = load_lanes(sums + j * lanes);
    transpose(square);
    if (skip == 0 && f.c_type == F32 && !f.accumulate) {
      const Lanes bias = f.bias ? load_lanes(f.bias + column) : Lanes{};
      float* c = static_cast<float*>(f.c) + row * f.c_row + column;
      for (int64_t r = 0; r < down; r++) store_lanes(c + r * f.c_row, square[r] * f.alpha + bias);
      return;
    }
    for (int64_t r = 0; r < down; r++)
      for (int64_t j = skip; j < lane_columns; j++) finish_one(f, row + r, column + j, square[r][j]);
  }
}

// Columns from..to-1 of C, rows 0..rows_in_lanes-1. panels: those rows of A, [panels steps lanes] words.
template <class Product, int Type> inline void multiply_lanes(const ShortRows& p, const float* panels, int64_t from, int64_t to) {
  constexpr int64_t bytes = Type == F32 ? 4 : 2;
  const int64_t count = rows_in_lanes(p.m, p.n) / lanes, steps = (p.k + Product::depth - 1) / Product::depth;
  const int64_t depth = short_depth * Product::depth, pace = bytes * Product::depth * lane_columns / count;
  alignas(64) float sums[short_rows * lane_columns];
  for (int64_t column = from; column < to; column += lane_columns) {
    const int64_t first = least_of(column, p.n - lane_columns);  // at the edge some columns are computed again
    const char* ahead = static_cast<const char*>(p.b.from(first + lane_columns, 0).data);  // the next columns, in the order of memory
    for (int64_t k_from = 0; k_from < p.k; k_from += depth) {
      const int64_t k = least_of(depth, p.k - k_from);
      const char* b = static_cast<const char*>(p.b.from(first, k_from).data);
      for (int64_t i = 0; i < count; i++) {
        lane_block<Product, Type>(panels + (i * steps + k_from / Product::depth) * lanes, b, p.b.outer_stride * bytes, k, ahead, pace,
                                  k_from > 0, sums + i * lanes * lane_columns);
        ahead += k * bytes * lane_columns / count;
      }
    }
    for (int64_t i = 0; i < count; i++)
      finish_lanes(p.finish, sums + i * lanes * lane_columns, i * lanes, least_of(lanes, p.m - i * lanes), first, column - first);
  }
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
