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

template <int Distance, int... I> inline Lanes swap_halves(Lanes x, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(x, x, (I ^ Distance)...);
}
template <int Distance = lanes / 2> inline float sum_of_lanes(Lanes x) {
  x = x + swap_halves<Distance>(x, std::make_integer_sequence<int, lanes>{});
  if constexpr (Distance > 1) return sum_of_lanes<Distance / 2>(x);
  return x[0];
}

// bf16 numbers come two to a 32-bit word: one shift gives those at even places, one mask those at odd places. x is laid out to
// match: in blocks of 2 · lanes, even places first.
constexpr int64_t block = 2 * lanes;
typedef uint32_t Words __attribute__((vector_size(lanes * 4)));
inline Lanes even_numbers(Lanes pairs) { return (Lanes)((Words)pairs << 16); }
inline Lanes odd_numbers(Lanes pairs) { return (Lanes)((Words)pairs & 0xffff0000u); }
inline Lanes load_pairs(const uint16_t* from, int64_t count) {
  if (count >= block) return load_lanes(from);
#if defined(__AVX512F__)
  return (Lanes)_mm512_maskz_loadu_epi16(__mmask32((1u << count) - 1), from);
#else
  uint16_t numbers[block] = {};
  for (int64_t i = 0; i < count; i++) numbers[i] = from[i];
  return load_lanes(numbers);
#endif
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
  const float* x[M];
  const int64_t bytes = element_bytes(Type), k = p.k;
  HEED_UNROLL for (int g = 0; g < G; g++) b[g] = static_cast<const char*>(p.b.data) + (column + g) * p.b.outer_stride * bytes;
  HEED_UNROLL for (int m = 0; m < M; m++) x[m] = p.x + m * p.x_row;
  const auto add_pairs = [&](int64_t i, int64_t count) {
    Lanes even[M], odd[M];
    HEED_UNROLL for (int m = 0; m < M; m++) {
      even[m] = load_lanes(x[m] + i);
      odd[m] = load_lanes(x[m] + i + lanes);
    }
    HEED_UNROLL for (int g = 0; g < G; g++) {
      const Lanes pairs = load_pairs(reinterpret_cast<const uint16_t*>(b[g]) + i, count), low = even_numbers(pairs), high = odd_numbers(pairs);
      HEED_UNROLL for (int m = 0; m < M; m++) sum[g][m] = multiply_add(odd[m], high, multiply_add(even[m], low, sum[g][m]));
    }
  };
  const auto add_numbers = [&](int64_t i, int64_t count) {
    Lanes row[M];
    HEED_UNROLL for (int m = 0; m < M; m++) row[m] = load_numbers<F32>(x[m], i, count);
    HEED_UNROLL for (int g = 0; g < G; g++) {
      const Lanes y = load_numbers<Type>(b[g], i, count);
      HEED_UNROLL for (int m = 0; m < M; m++) sum[g][m] = multiply_add(row[m], y, sum[g][m]);
    }
  };
  // The next columns, in the order of memory: G streams side by side would not be foreseen by the processor.
  const char* next = b[0] + G * p.b.outer_stride * bytes;
  const auto fetch = [&](int64_t i) {
    HEED_UNROLL for (int g = 0; g < G; g++) __builtin_prefetch(next + i * bytes * G + g * 64);
  };
  int64_t i = 0;
  if constexpr (Type == BF16) {
    for (; i + block <= k; i += block) {
      if constexpr (G > 1) fetch(i);
      add_pairs(i, block);
    }
    if (i < k) add_pairs(i, k - i);
  } else {
    for (; i + lanes <= k; i += lanes) {
      if constexpr (G > 1) fetch(i);
      add_numbers(i, lanes);
    }
    if (i < k) add_numbers(i, k - i);
  }
  HEED_UNROLL for (int g = 0; g < G; g++) {
    HEED_UNROLL for (int m = 0; m < M; m++) finish_one(p.finish, m, column + g, sum_of_lanes(sum[g][m]));
  }
}

template <int Type, int M> inline void dot_all(const FewRows& p, int64_t from, int64_t to) {
  constexpr int G = M == 1 ? 1 : lanes == 16 ? (M <= 4 ? 4 : 2) : M <= 4 ? 2 : 1;
  int64_t column = from;
  for (; column + G <= to; column += G) dot_rows<Type, M, G>(p, column);
  for (; column < to; column++) dot_rows<Type, M, 1>(p, column);
}

// sums [m width] = x B for columns from..to-1 and k k_from..k_to-1 when B's columns are adjacent; width: to - from in whole vectors.
// Sums stay near while eight rows of B at a time stream by.
template <int Type> inline void add_rows(const FewRows& p, int64_t from, int64_t to, int64_t k_from, int64_t k_to, float* sums) {
  constexpr int64_t at_once = 8;
  const int64_t bytes = element_bytes(Type), width = (to - from + lanes - 1) / lanes * lanes;
  std::memset(sums, 0, size_t(width * p.m) * 4);
  for (int64_t i = k_from; i < k_to; i += at_once) {
    const int64_t rows = k_to - i < at_once ? k_to - i : at_once;
    const char* b = static_cast<const char*>(p.b.data) + (i * p.b.k_stride + from) * bytes;
    // The next eight rows are fetched ahead; whole rows in the order of memory, which the processor follows best.
    const char* next = b + at_once * p.b.k_stride * bytes;
    const bool whole = to - from == p.b.k_stride;
    for (int64_t j = 0; j < to - from; j += lanes) {
      Lanes y[at_once];
      if (j * bytes % 64 == 0) {
        const int64_t first = whole ? j * bytes * at_once : j * bytes, apart = whole ? 64 : p.b.k_stride * bytes;
        HEED_UNROLL for (int r = 0; r < at_once; r++) __builtin_prefetch(next + first + r * apart);
      }
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
}

inline bool has_few_rows_path(int64_t m, const Source& b) { return m <= few_rows && (b.k_stride == 1 || b.outer_stride == 1); }

// Most columns that one call of multiply_few_rows takes when B's columns are adjacent.
constexpr int64_t few_rows_columns = 2048;
inline size_t few_rows_scratch(int64_t m, const Source& b) { return b.k_stride == 1 ? 0 : size_t(m * few_rows_columns) * 4; }

template <int Type> inline void few_rows_type(const FewRows& p, int64_t from, int64_t to, float* sums) {
  if (p.b.k_stride != 1) {
    for (int64_t first = from; first < to; first += few_rows_columns) {
      const int64_t last = to - first < few_rows_columns ? to : first + few_rows_columns, width = (last - first + lanes - 1) / lanes * lanes;
      add_rows<Type>(p, first, last, 0, p.k, sums);
      for (int64_t m = 0; m < p.m; m++)
        for (int64_t j = first; j < last; j++) finish_one(p.finish, m, j, sums[m * width + j - first]);
    }
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

// Where B is [k n] with short rows, the work is cut along k, so that each thread reads one stretch of memory: rows of B of a
// chunk, about 64 KiB; 0 where columns are cut instead (their sums and rows of B would not fit the first-level cache).
inline int64_t few_rows_depth(int64_t m, int64_t n, int64_t k, const Source& b) {
  const int64_t row = n * element_bytes(b.type);
  if (b.k_stride == 1 || m > 2 || n > few_rows_columns || k * row < 131072) return 0;
  return (65536 / row + 7) / 8 * 8;
}
inline int64_t few_rows_parts(int64_t m, int64_t n, int64_t k, const Source& b) {
  const int64_t depth = few_rows_depth(m, n, k, b);
  return depth == 0 ? 0 : (k + depth - 1) / depth;
}
inline int64_t few_rows_width(int64_t n) { return (n + 15) / 16 * 16; }

// One chunk of such work: sums [m few_rows_width] of part `part`.
inline void multiply_few_rows_part(const FewRows& p, int64_t part, int64_t depth, float* sums) {
  const int64_t from = part * depth, to = p.k - from < depth ? p.k : from + depth;
  if (p.b.type == BF16) add_rows<BF16>(p, 0, p.n, from, to, sums);
  else if (p.b.type == F16) add_rows<F16>(p, 0, p.n, from, to, sums);
  else add_rows<F32>(p, 0, p.n, from, to, sums);
}

// Words for a copy of A's few rows, in the layout that the product wants.
inline int64_t few_rows_words(int64_t m, int64_t k) { return m * ((k + 31) / 32 * 32); }
inline FewRows few_rows_of(int64_t m, int64_t n, int64_t k, const Source& a, const Source& b, const Finish& finish, float* to) {
  const bool paired = b.type == BF16 && b.k_stride == 1;
  if (a.type == F32 && a.k_stride == 1 && !paired) return {static_cast<const float*>(a.data), a.outer_stride, m, n, k, b, finish};
  const int64_t row = (k + 31) / 32 * 32;
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < row; j++) {
      const int64_t at = !paired ? j : j / block * block + (j % 2 == 0 ? j % block / 2 : lanes + j % block / 2);
      to[i * row + at] = j < k ? element(a.data, a.type, i * a.outer_stride + j * a.k_stride) : 0;
    }
  }
  return {to, row, m, n, k, b, finish};
}

// Columns of one chunk of parallel work: about 64 KiB of B where its columns lie apart, else long runs of every row.
inline int64_t few_rows_chunk(int64_t n, int64_t k, const Source& b) {
  int64_t columns = 65536 / ((k > 0 ? k : 1) * element_bytes(b.type));
  if (b.k_stride != 1) {
    const int64_t chunks = n <= 1024 ? 2 : (n + 2047) / 2048 * 4;
    columns = (n + chunks - 1) / chunks;
  }
  columns = (columns + 31) / 32 * 32;
  return columns < 32 ? 32 : columns > few_rows_columns ? few_rows_columns : columns;
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
