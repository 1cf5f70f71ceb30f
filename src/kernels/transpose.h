// Transposition of small square tiles in registers: 16 bytes a side, which every instruction set shuffles well.
#pragma once
#include "vector.h"

namespace heed {
namespace HEED_TIER {

// 4 × 4 elements of 4 bytes or 8 × 8 of 2: rows of `from` (stride in) become columns of `to` (stride out).
template <class T> HEED_INLINE void transpose_tile(T* to, const T* from, int64_t in, int64_t out) {
  if constexpr (sizeof(T) == 4) {
    typedef int32_t V __attribute__((vector_size(16)));
    V a[4], b[4];
    for (int i = 0; i < 4; i++) std::memcpy(&a[i], from + i * in, 16);
    b[0] = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
    b[1] = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
    b[2] = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
    b[3] = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
    a[0] = __builtin_shufflevector(b[0], b[2], 0, 1, 4, 5);
    a[1] = __builtin_shufflevector(b[0], b[2], 2, 3, 6, 7);
    a[2] = __builtin_shufflevector(b[1], b[3], 0, 1, 4, 5);
    a[3] = __builtin_shufflevector(b[1], b[3], 2, 3, 6, 7);
    for (int i = 0; i < 4; i++) std::memcpy(to + i * out, &a[i], 16);
  } else {
    typedef int16_t V __attribute__((vector_size(16)));
    V a[8], b[8];
    for (int i = 0; i < 8; i++) std::memcpy(&a[i], from + i * in, 16);
    // three rounds of interleaving a row with the row half of them away turn rows into columns
    const auto round = [](V* y, const V* x) {
      for (int i = 0; i < 4; i++) {
        y[2 * i] = __builtin_shufflevector(x[i], x[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
        y[2 * i + 1] = __builtin_shufflevector(x[i], x[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
      }
    };
    round(b, a);
    round(a, b);
    round(b, a);
    for (int i = 0; i < 8; i++) std::memcpy(to + i * out, &b[i], 16);
  }
}

}  // namespace HEED_TIER
}  // namespace heed
