// Some rows of A as words, and the blocks in which they meet columns of B; see matmul_short.h.
#pragma once
#include "matmul_vector.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t alone_work = 1 << 19;  // multiply-adds below which one thread is faster
constexpr int64_t short_rows = 64;
// Rows and columns of one block of C; of eight lanes, twelve sums, three columns and a row fill the sixteen registers.
constexpr int short_down = 4, short_across = lanes == 16 ? 4 : lanes == 8 ? 3 : 2;
constexpr int64_t short_depth = lanes == 4 ? 384 : 768;  // words of k that are multiplied at a time
constexpr int64_t chunk_columns = 24;                     // of one chunk of work where lanes are eight
constexpr int short_sums = short_down * short_across;

inline int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

// x: A's rows as words (see matmul_tile.h), `x_row` words apart, zeros after k; b is B as packing sees it (outer: columns of C).
struct ShortRows {
  const float* x;
  int64_t x_row, m, n, k;
  Source b;
  Finish finish;  // at C's first element; bias at column 0
};

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
