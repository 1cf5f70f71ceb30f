// Blocks of dot products in vectors of sixteen or four lanes; see matmul_short.h.
#pragma once
#include "matmul_short_rows.h"

namespace heed {
namespace HEED_TIER {
namespace product {

// Sums the lanes of each vector: lane i of the result is the sum of x[i].
template <int Distance = 1> inline Lanes sums_of_lanes(Lanes (&x)[lanes]) {
  if constexpr (Distance < lanes) {
    HEED_UNROLL for (int i = 0; i < lanes; i += 2 * Distance) {
      swap_blocks<Distance>(x[i], x[i + Distance], std::make_integer_sequence<int, lanes>{});
      x[i] = x[i] + x[i + Distance];
    }
    return sums_of_lanes<Distance * 2>(x);
  }
  return x[0];
}

// As many numbers as fill a vector of words.
template <class Product, int Type> inline Lanes load_whole_words(const void* data) {
  if constexpr (Product::depth == 2 && Type == BF16) return load_lanes(data);
  return load_words<Product, Type>(data, 0, lanes * Product::depth);
}

// One block of dot products: sums [short_down short_across], one row after another. x and b: first word and number of the first row and
// column; b_row: numbers from one column to the next. ahead: memory that is fetched meanwhile, `pace` lines a step.
template <class Product, int Type>
__attribute__((noinline)) void dot_block(const float* x, int64_t x_row, const char* b, int64_t b_row, int64_t k, const char* ahead, int pace, bool add, float* sums) {
  constexpr int64_t reach = lanes * Product::depth, bytes = Type == F32 ? 4 : 2;
  Lanes sum[short_across][short_down] = {};
  b_row *= bytes;
  int64_t left = k;
  const auto step = [&](auto&& words) {
    Lanes row[short_down];
    HEED_UNROLL for (int r = 0; r < short_down; r++) row[r] = load_lanes(x + r * x_row);
    HEED_UNROLL for (int j = 0; j < short_across; j++) {
      const Lanes column = words(b + j * b_row);
      HEED_UNROLL for (int r = 0; r < short_down; r++) sum[j][r] = Product::step(row[r], column, sum[j][r]);
    }
    x += lanes;
    b += reach * bytes;
  };
#pragma GCC unroll 2
  for (; left >= reach; left -= reach) {
    for (int line = 0; line < pace; line++) __builtin_prefetch(ahead + 64 * line, 0, 2);
    ahead += 64 * pace;
    step([](const char* column) { return load_whole_words<Product, Type>(column); });
  }
  if (left > 0) step([&](const char* column) { return load_words<Product, Type>(column, 0, left); });
  HEED_UNROLL for (int from = 0; from < short_sums; from += lanes) {
    Lanes square[lanes];
    HEED_UNROLL for (int s = 0; s < lanes; s++) square[s] = sum[(from + s) % short_across][(from + s) / short_across];
    const Lanes total = sums_of_lanes(square);
    store_lanes(sums + from, add ? load_lanes(sums + from) + total : total);
  }
}

typedef float Some __attribute__((vector_size(short_across * 4)));

// Stores `down` rows of sums, columns skip..short_across-1, from C's element (row, column) on.
inline void finish_block(const Finish& f, const float* sums, int64_t row, int64_t down, int64_t column, int64_t skip) {
  if (skip == 0 && f.c_type == F32 && !f.accumulate) {
    float* c = static_cast<float*>(f.c) + row * f.c_row + column;
    Some bias = {};
    if (f.bias) std::memcpy(&bias, f.bias + column, sizeof bias);
    for (int64_t r = 0; r < down; r++) {
      Some x;
      std::memcpy(&x, sums + r * short_across, sizeof x);
      x = x * f.alpha + bias;
      std::memcpy(c + r * f.c_row, &x, sizeof x);
    }
    return;
  }
  for (int64_t r = 0; r < down; r++)
    for (int64_t j = skip; j < short_across; j++) finish_one(f, row + r, column + j, sums[r * short_across + j]);
}

// Columns from..to-1 of C.
template <class Product, int Type> inline void multiply_short_type(const ShortRows& p, int64_t from, int64_t to) {
  constexpr int64_t reach = lanes * Product::depth, bytes = Type == F32 ? 4 : 2;
  const int64_t blocks = (p.m + short_down - 1) / short_down;
  // k in parts, so that a block's rows and columns lie in the first-level cache
  const int64_t parts = (p.k + short_depth * Product::depth - 1) / (short_depth * Product::depth);
  const int64_t depth = ((p.k + parts - 1) / parts + reach - 1) / reach * reach;
  const int pace = blocks == 1 ? 4 : 2;  // the memory wants more of it than are needed
  float sums[short_rows * short_across];
  for (int64_t column = from; column < to; column += short_across) {
    const int64_t first = least_of(column, p.n - short_across);  // at the edge some columns are computed again
    for (int64_t k_from = 0; k_from < p.k; k_from += depth) {
      const int64_t k = least_of(depth, p.k - k_from);
      const char* b = static_cast<const char*>(p.b.from(first, k_from).data);
      // the next columns but one in the order of memory, a share in each block
      const char* next = static_cast<const char*>(p.b.from(first + 2 * short_across, 0).data) + k_from * bytes * short_across;
      for (int64_t block = 0; block < blocks; block++) {
        const int64_t row = block * short_down;
        float* sum = sums + row * short_across;
        dot_block<Product, Type>(p.x + row * p.x_row + k_from / Product::depth, p.x_row, b, p.b.outer_stride, k,
                                 next + k * bytes * short_across / blocks * block, pace, k_from > 0, sum);
        if (k_from + k == p.k) finish_block(p.finish, sum, row, least_of(short_down, p.m - row), first, column - first);
      }
    }
  }
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
