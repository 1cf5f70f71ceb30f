// Sixteen rows of A in the lanes of a vector: a word of B, spread over all lanes where it lies, meets sixteen rows at once, so nothing
// is summed across lanes; see matmul_short.h.
#pragma once
#include "matmul_short_rows.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t lane_columns = 16;  // columns of C that are finished at a time
constexpr int lane_across = 4;        // columns of one block: as many lines of B as the nearest cache keeps of one place in it

// Rows of A that are multiplied this way, from the first on: whole vectors, and a last one where few lanes would idle.
inline int64_t rows_in_lanes(int64_t m, int64_t n) {
  if (lanes != 16 || n < lane_columns) return 0;
  const int64_t rest = m % lanes;
  return rest > lanes - short_down ? m - rest + lanes : m - rest;
}

// sums [lane_across lanes] of one panel [steps lanes] of A and the words of lane_across columns, `apart` from one to the next. ahead:
// memory that is fetched meanwhile, `pace` bytes every four steps.
template <class Product>
__attribute__((noinline)) void lane_block(const float* panel, const float* words, int64_t apart, int64_t steps, const char* ahead,
                                          int64_t pace, bool add, float* sums) {
  Lanes sum[2][lane_across];  // of even and of odd steps: one alone would wait for itself
  HEED_UNROLL for (int j = 0; j < lane_across; j++) {
    sum[0][j] = add ? load_lanes(sums + j * lanes) : Lanes{};
    sum[1][j] = Lanes{};
  }
  const float* column[lane_across];
  HEED_UNROLL for (int j = 0; j < lane_across; j++) column[j] = words + j * apart;
  const auto step = [&](int s, Lanes(&total)[lane_across]) {
    const Lanes rows = load_lanes(panel + s * lanes);
    HEED_UNROLL for (int j = 0; j < lane_across; j++) total[j] = Product::step_word(rows, column[j] + s, total[j]);
  };
  const auto go_on = [&](int count) {
    panel += count * lanes;
    HEED_UNROLL for (int j = 0; j < lane_across; j++) {
      column[j] += count;
      asm("" : "+r"(column[j]));  // four pointers: the compiler would keep sums of them in registers that are wanted elsewhere
    }
  };
  for (; steps >= 8; steps -= 8) {
    HEED_UNROLL for (int s = 0; s < 8; s += 2) {
      if (s % 4 == 0) {
        __builtin_prefetch(ahead, 0, 2);
        ahead += pace;
      }
      step(s, sum[0]);
      step(s + 1, sum[1]);
    }
    go_on(8);
  }
  for (; steps > 0; steps--) {
    step(0, sum[0]);
    go_on(1);
  }
  HEED_UNROLL for (int j = 0; j < lane_across; j++) store_lanes(sums + j * lanes, sum[0][j] + sum[1][j]);
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
  constexpr int64_t bytes = Type == F32 ? 4 : 2, reach = lanes * Product::depth;
  // B's words as they lie in memory: pairs of numbers begin at even places of each column
  const bool as_words = bytes * Product::depth == 4 && Type != F16 && p.k % Product::depth == 0 && p.b.outer_stride % Product::depth == 0;
  const int64_t count = rows_in_lanes(p.m, p.n) / lanes, steps = (p.k + Product::depth - 1) / Product::depth;
  const int64_t depth = short_depth * Product::depth, pace = 4 * bytes * Product::depth * lane_across / count;
  alignas(64) float sums[short_rows * lane_columns], copy[lane_across * short_depth];
  for (int64_t column = from; column < to; column += lane_columns) {
    const int64_t first = least_of(column, p.n - lane_columns);  // at the edge some columns are computed again
    const char* ahead = static_cast<const char*>(p.b.from(first + lane_columns, 0).data);  // the next columns, in the order of memory
    for (int64_t k_from = 0; k_from < p.k; k_from += depth) {
      const int64_t k = least_of(depth, p.k - k_from), here = (k + Product::depth - 1) / Product::depth;
      for (int64_t j = 0; j < lane_columns; j += lane_across) {
        const float* words = static_cast<const float*>(p.b.from(first + j, k_from).data);
        int64_t apart = p.b.outer_stride / Product::depth;
        if (!as_words) {
          apart = short_depth;
          for (int64_t i = 0; i < lane_across; i++)
            for (int64_t at = 0; at < k; at += reach)
              store_lanes(copy + i * apart + at / Product::depth,
                          load_words<Product, Type>(p.b.from(first + j + i, k_from).data, at, least_of(reach, k - at)));
          words = copy;
        }
        for (int64_t i = 0; i < count; i++) {
          lane_block<Product>(panels + (i * steps + k_from / Product::depth) * lanes, words, apart, here, ahead, pace, k_from > 0,
                              sums + (i * lane_columns + j) * lanes);
          ahead += k * bytes * lane_across / count;
        }
      }
    }
    for (int64_t i = 0; i < count; i++)
      finish_lanes(p.finish, sums + i * lanes * lane_columns, i * lanes, least_of(lanes, p.m - i * lanes), first, column - first);
  }
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
