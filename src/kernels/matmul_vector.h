// A few rows times a matrix (decoding one token at a time): B is read once, in the order it lies in memory, without packing,
// so the product runs at the speed of memory. Products and sums are fp32 whatever the storage.
#pragma once
#include "matmul_pack.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t few_rows = 8;

// x [m k] fp32 with `x_row` between rows; b is B as packing sees it (outer: columns of C).
struct FewRows {
  const float* x;
  int64_t x_row, m, n, k;
  Source b;
  Finish finish;  // at C's first element; bias at column 0
};

inline float sum_of_lanes(Lanes x) {
  float part[lanes];
  store_lanes(part, x);
  HEED_UNROLL for (int width = lanes / 2; width > 0; width /= 2) {
    HEED_UNROLL for (int i = 0; i < width; i++) part[i] += part[i + width];
  }
  return part[0];
}

inline void finish_one(const Finish& f, int64_t row, int64_t column, float sum) {
  float x = sum * f.alpha;
  if (f.bias) x += f.bias[column];
  const int64_t at = row * f.c_row + column;
  if (f.accumulate) x += element(f.c, f.c_type, at);
  set_element(f.c, f.c_type, at, x);
}

// G columns of C, each a row of b, for M rows of x.
template <int Type, int M, int G> inline void dot_rows(const FewRows& p, int64_t column) {
  Lanes sum[G][M] = {};
  const char* b[G];
  HEED_UNROLL for (int g = 0; g < G; g++)
    b[g] = static_cast<const char*>(p.b.data) + (column + g) * p.b.outer_stride * element_bytes(Type);
  int64_t i = 0;
  for (; i + lanes <= p.k; i += lanes) {
    Lanes x[M];
    HEED_UNROLL for (int m = 0; m < M; m++) x[m] = load_lanes(p.x + m * p.x_row + i);
    HEED_UNROLL for (int g = 0; g < G; g++) {
      const Lanes y = load_numbers<Type>(b[g], i, lanes);
      HEED_UNROLL for (int m = 0; m < M; m++) sum[g][m] = multiply_add(x[m], y, sum[g][m]);
    }
  }
  if (i < p.k) {
    HEED_UNROLL for (int g = 0; g < G; g++) {
      const Lanes y = load_numbers<Type>(b[g], i, p.k - i);
      HEED_UNROLL for (int m = 0; m < M; m++)
        sum[g][m] = multiply_add(load_numbers<F32>(p.x, m * p.x_row + i, p.k - i), y, sum[g][m]);
    }
  }
  HEED_UNROLL for (int g = 0; g < G; g++) {
    HEED_UNROLL for (int m = 0; m < M; m++) finish_one(p.finish, m, column + g, sum_of_lanes(sum[g][m]));
  }
}

template <int Type, int M> inline void dot_all(const FewRows& p, int64_t from, int64_t to) {
  constexpr int G = lanes == 16 ? (M <= 4 ? 4 : 2) : (M <= 2 ? 4 : M <= 4 ? 2 : 1);
  int64_t column = from;
  for (; column + G <= to; column += G) dot_rows<Type, M, G>(p, column);
  for (; column < to; column++) dot_rows<Type, M, 1>(p, column);
}

// Columns from..to-1 when B's columns are adjacent: C's sums stay in `sums` while eight rows of B at a time stream by.
template <int Type> inline void add_rows(const FewRows& p, int64_t from, int64_t to, float* sums) {
  constexpr int64_t at_once = 8;
  const int64_t width = (to - from + lanes - 1) / lanes * lanes;
  std::memset(sums, 0, size_t(width * p.m) * 4);
  for (int64_t i = 0; i < p.k; i += at_once) {
    const int64_t rows = p.k - i < at_once ? p.k - i : at_once;
    const char* b = static_cast<const char*>(p.b.data) + (i * p.b.k_stride + from) * element_bytes(Type);
    for (int64_t j = 0; j < to - from; j += lanes) {
      Lanes y[at_once];
      if (rows == at_once && to - from - j >= lanes) {
        HEED_UNROLL for (int r = 0; r < at_once; r++) y[r] = load_numbers<Type>(b, r * p.b.k_stride + j, lanes);
      } else {
        HEED_UNROLL for (int r = 0; r < at_once; r++)
          y[r] = r < rows ? load_numbers<Type>(b, r * p.b.k_stride + j, to - from - j) : Lanes{};
      }
      for (int64_t m = 0; m < p.m; m++) {
        const float* x = p.x + m * p.x_row + i;
        float* to_sum = sums + m * width + j;
        Lanes sum = load_lanes(to_sum);
        if (rows == at_once) {
          HEED_UNROLL for (int r = 0; r < at_once; r++) sum = multiply_add(splat_lanes(x[r]), y[r], sum);
        } else {
          for (int r = 0; r < rows; r++) sum = multiply_add(splat_lanes(x[r]), y[r], sum);
        }
        store_lanes(to_sum, sum);
      }
    }
  }
  for (int64_t m = 0; m < p.m; m++)
    for (int64_t j = 0; j < to - from; j++) finish_one(p.finish, m, from + j, sums[m * width + j]);
}

inline bool has_few_rows_path(int64_t m, const Source& b) { return m <= few_rows && (b.k_stride == 1 || b.outer_stride == 1); }

// Most columns that one call of multiply_few_rows takes when B's columns are adjacent.
constexpr int64_t few_rows_columns = 2048;
inline size_t few_rows_scratch(int64_t m, const Source& b) { return b.k_stride == 1 ? 0 : size_t(m * few_rows_columns) * 4; }

template <int Type> inline void few_rows_type(const FewRows& p, int64_t from, int64_t to, float* sums) {
  if (p.b.k_stride != 1) {
    for (int64_t j = from; j < to; j += few_rows_columns)
      add_rows<Type>(p, j, to - j < few_rows_columns ? to : j + few_rows_columns, sums);
    return;
  }
  switch (p.m) {
    case 1: return dot_all<Type, 1>(p, from, to);
    case 2: return dot_all<Type, 2>(p, from, to);
    case 3: return dot_all<Type, 3>(p, from, to);
    case 4: return dot_all<Type, 4>(p, from, to);
    case 5: return dot_all<Type, 5>(p, from, to);
    case 6: return dot_all<Type, 6>(p, from, to);
    case 7: return dot_all<Type, 7>(p, from, to);
    default: return dot_all<Type, 8>(p, from, to);
  }
}

// Columns from..to-1 of C; sums: few_rows_scratch bytes.
inline void multiply_few_rows(const FewRows& p, int64_t from, int64_t to, float* sums) {
  if (p.b.type == BF16) few_rows_type<BF16>(p, from, to, sums);
  else if (p.b.type == F16) few_rows_type<F16>(p, from, to, sums);
  else few_rows_type<F32>(p, from, to, sums);
}

// Columns of one chunk of parallel work: about 64 KiB of B, a whole number of cache lines.
inline int64_t few_rows_chunk(int64_t k, int64_t type) {
  int64_t columns = 65536 / ((k > 0 ? k : 1) * element_bytes(type));
  columns = (columns + 63) / 64 * 64;
  return columns < 64 ? 64 : columns > few_rows_columns ? few_rows_columns : columns;
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
