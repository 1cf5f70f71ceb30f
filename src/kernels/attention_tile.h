// Small products of packed tiles, and packing. A unit is 32 bits: one float, or two neighbouring bf16 along the contraction;
// so the same tile serves fp32 and bf16 products. Widths are padded with zeros to whole vectors.
#pragma once
#include "attention_mask.h"

#if defined(__AVX512BF16__)
#define HEED_ATTENTION_HALF 1
#else
#define HEED_ATTENTION_HALF 0
#endif

namespace heed {
namespace HEED_TIER {
namespace streaming {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int ROWS = 8, COLUMNS = 3;  // C tile: rows × vectors
#elif defined(__AVX2__)
constexpr int ROWS = 4, COLUMNS = 3;
#else
constexpr int ROWS = 4, COLUMNS = 2;
#endif
constexpr int ROW_LANES = ROWS < W ? W : ROWS;  // room for one number per row, in whole vectors

// 2^y: 0 for -Infinity, NaN for NaN; relative error 1e-7, or 3e-6 when the result is rounded to bf16 anyway.
template <bool Half> inline vf power_of_two(vf y) {
#if defined(__AVX512DQ__)
  const vf f = reinterpret_cast<vf>(_mm512_reduce_ps(reinterpret_cast<__m512>(y), 0x09));  // y - floor(y)
#else
  constexpr float magic = 12582912.0f;  // adding it rounds to a whole number
  const vf whole = (y - 0.5f) + magic, f = y - (whole - magic);
#endif
  vf r;
  if constexpr (Half) {
    r = fma(splat(0.013426692225039005f), f, splat(0.052242461591959f));
    r = fma(r, f, splat(0.2412802129983902f));
    r = fma(r, f, splat(0.6930448412895203f));
  } else {
    r = fma(splat(0.0018671309808269143f), f, splat(0.009017027914524078f));
    r = fma(r, f, splat(0.05579991638660431f));
    r = fma(r, f, splat(0.24016444385051727f));
    r = fma(r, f, splat(0.6931512951850891f));
  }
  r = fma(r, f, splat(1.0f));
#if defined(__AVX512DQ__)
  return reinterpret_cast<vf>(_mm512_scalef_ps(reinterpret_cast<__m512>(r), reinterpret_cast<__m512>(y)));
#else
  const vf scaled = reinterpret_cast<vf>(reinterpret_cast<vu>(r) + (reinterpret_cast<vu>(whole) << 23));
  return y < -125.0f ? vf{} : y != y ? y : scaled;
#endif
}

// C = A · B, or C += A · B (Add): A is ROWS × steps units with unit (i, k) at a[i · A_ROW + k · A_STEP]; B has steps rows of
// NV vectors, `b_row` units apart.
template <bool Half, bool Add, int A_ROW, int A_STEP, int NV>
HEED_INLINE void tile(const uint32_t* a, const uint32_t* b, int64_t b_row, int64_t steps, float* c, int64_t c_row) {
  vf sum[ROWS][NV];
  HEED_UNROLL for (int i = 0; i < ROWS; i++)
    HEED_UNROLL for (int j = 0; j < NV; j++) sum[i][j] = Add ? read<vf>(c + i * c_row + j * W) : vf{};
  for (int64_t k = 0; k < steps; k++, a += A_STEP, b += b_row) {
    vu right[NV];
    HEED_UNROLL for (int j = 0; j < NV; j++) right[j] = read<vu>(b + j * W);
    HEED_UNROLL for (int i = 0; i < ROWS; i++) {
      const uint32_t left = a[i * A_ROW];
      HEED_UNROLL for (int j = 0; j < NV; j++) {
#if HEED_ATTENTION_HALF
        if constexpr (Half) {
          const __m512i x = _mm512_set1_epi32(static_cast<int>(left)), y = reinterpret_cast<__m512i>(right[j]);
          sum[i][j] = (vf)_mm512_dpbf16_ps((__m512)sum[i][j], (__m512bh)x, (__m512bh)y);
          continue;
        }
#endif
        sum[i][j] = fma(splat(read<float>(&left)), reinterpret_cast<vf>(right[j]), sum[i][j]);
      }
    }
  }
  HEED_UNROLL for (int i = 0; i < ROWS; i++)
    HEED_UNROLL for (int j = 0; j < NV; j++) write(c + i * c_row + j * W, sum[i][j]);
}

// The same over `vectors` vectors of columns.
template <bool Half, bool Add, int A_ROW, int A_STEP>
void multiply(const uint32_t* a, const uint32_t* b, int64_t b_row, int64_t steps, float* c, int64_t c_row,
              int64_t vectors) {
  for (int64_t panels = (vectors + COLUMNS - 1) / COLUMNS; panels > 0; panels--) {
    const int64_t width = (vectors + panels - 1) / panels;
    if (width == 1) tile<Half, Add, A_ROW, A_STEP, 1>(a, b, b_row, steps, c, c_row);
    if (width == 2) tile<Half, Add, A_ROW, A_STEP, 2>(a, b, b_row, steps, c, c_row);
    if constexpr (COLUMNS >= 3)
      if (width == 3) tile<Half, Add, A_ROW, A_STEP, 3>(a, b, b_row, steps, c, c_row);
    vectors -= width;
    b += width * W;
    c += width * W;
  }
}

// Rows × columns of f32 or bf16 in the caller's memory, the columns adjacent.
struct Source {
  const void* data;
  bool bf16;
  int64_t row_stride, rows, columns;

  // Asks for rows from..to-1 ahead of their use: rows far apart are beyond what the machine foresees.
  void prefetch(int64_t from, int64_t to) const {
    const int64_t size = bf16 ? 2 : 4;
    for (int64_t row = from; row < smaller(to, rows); row++) {
      const char* at = static_cast<const char*>(data) + row * row_stride * size;
      for (int64_t i = 0; i < columns * size; i += 64) __builtin_prefetch(at + i, 0, 2);
    }
  }
  Source from_row(int64_t row, int64_t count) const {
    return {static_cast<const char*>(data) + row * row_stride * (bf16 ? 2 : 4), bf16, row_stride, count, columns};
  }
  // W numbers of one row; zeros outside.
  vf floats(int64_t row, int64_t column) const {
    const int64_t n = row < rows ? smaller(columns - column, W) : 0;
    if (n <= 0) return vf{};
    if (!bf16) {
      const float* at = static_cast<const float*>(data) + row * row_stride + column;
      if (n == W) return read<vf>(at);
      float part[W] = {};
      std::memcpy(part, at, static_cast<size_t>(n) * 4);
      return read<vf>(part);
    }
    const uint16_t* at = static_cast<const uint16_t*>(data) + row * row_stride + column;
    uint16_t part[W] = {};
    if (n == W)
      std::memcpy(part, at, sizeof part);
    else
      std::memcpy(part, at, static_cast<size_t>(n) * 2);
    using Short = uint16_t __attribute__((vector_size(W * 2)));
    return reinterpret_cast<vf>(__builtin_convertvector(read<Short>(part), vu) << 16);
  }
};

#if HEED_ATTENTION_HALF
// bf16 of a (low lanes) and b (high lanes).
inline __m512i halves(vf a, vf b) {
  return (__m512i)_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(a));
}
// Units (a[i], b[i]) of two rows.
inline vu pairs(vf a, vf b) {
  alignas(64) static constexpr uint16_t woven[32] = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
                                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return reinterpret_cast<vu>(_mm512_permutexvar_epi16(_mm512_load_si512(woven), halves(a, b)));
}
#endif

// W units of one row along the contraction.
template <bool Half> inline vu row_units(const Source& s, int64_t row, int64_t unit) {
#if HEED_ATTENTION_HALF
  if constexpr (Half) {
    if (row >= s.rows) return vu{};
    if (s.bf16 && 2 * (unit + W) <= s.columns)
      return read<vu>(static_cast<const uint16_t*>(s.data) + row * s.row_stride + 2 * unit);
    return reinterpret_cast<vu>(halves(s.floats(row, 2 * unit), s.floats(row, 2 * unit + W)));
  }
#endif
  return reinterpret_cast<vu>(s.floats(row, unit));
}

// Rows and columns of W × W units change places: log2(W) rounds of perfect shuffles.
inline void transpose(vu (&r)[W]) {
  HEED_UNROLL for (int round = 1; round < W; round *= 2) {
    vu next[W];
    HEED_UNROLL for (int i = 0; i < W / 2; i++) {
      next[2 * i] = weave_low(r[i], r[i + W / 2]);
      next[2 * i + 1] = weave_high(r[i], r[i + W / 2]);
    }
    HEED_UNROLL for (int i = 0; i < W; i++) r[i] = next[i];
  }
}

// Number of units that hold `n` numbers along the contraction.
template <bool Half> constexpr int64_t units(int64_t n) { return Half ? (n + 1) / 2 : n; }

// out[unit][row]: source rows become columns; `rows` (whole vectors) and `width` numbers (whole vectors) are written.
template <bool Half> void pack_transposed(const Source& s, int64_t rows, int64_t width, uint32_t* out, int64_t out_row) {
  for (int64_t row = 0; row < rows; row += W)
    for (int64_t unit = 0, count = units<Half>(width); unit < count; unit += W) {
      vu r[W];
      for (int i = 0; i < W; i++) r[i] = row_units<Half>(s, row + i, unit);
      transpose(r);
      for (int i = 0; i < W && unit + i < count; i++) write(out + (unit + i) * out_row + row, r[i]);
    }
}

// Strips of ROWS rows: out[strip][unit][row in strip].
template <bool Half> void pack_strips(const Source& s, int64_t rows, int64_t width, uint32_t* out) {
  const int64_t count = units<Half>(width);
  constexpr int piece = ROWS < W ? ROWS : W;
  for (int64_t row = 0; row < rows; row += W)
    for (int64_t unit = 0; unit < count; unit += W) {
      vu r[W];
      for (int i = 0; i < W; i++) r[i] = row_units<Half>(s, row + i, unit);
      transpose(r);
      for (int i = 0; i < W && unit + i < count; i++)
        for (int at = 0; at < W && row + at < rows; at += piece) {
          const int64_t strip = (row + at) / ROWS, inside = (row + at) % ROWS;
          const char* from = reinterpret_cast<const char*>(&r[i]) + at * 4;
          std::memcpy(out + (strip * count + unit + i) * ROWS + inside, from, piece * 4);
        }
    }
}

// out[unit of rows][column]: as they lie, or pairs of rows woven together.
template <bool Half> void pack_natural(const Source& s, int64_t rows, int64_t width, uint32_t* out) {
#if HEED_ATTENTION_HALF
  if constexpr (Half) {
    for (int64_t row = 0; row < rows; row += 2, out += width)
      for (int64_t column = 0; column < width; column += W)
        write(out + column, pairs(s.floats(row, column), s.floats(row + 1, column)));
    return;
  }
#endif
  for (int64_t row = 0; row < rows; row++, out += width)
    for (int64_t column = 0; column < width; column += W) write(out + column, s.floats(row, column));
}

// Asks for memory that write_row will soon write.
inline void prefetch_row(const float* to, int64_t columns) {
  for (int64_t i = 0; i < columns; i += 16) __builtin_prefetch(to + i, 1, 2);
}

// Writes `columns` numbers of x · factor to a row of the caller's memory.
inline void write_row(float* to, const float* x, float factor, int64_t columns) {
  int64_t j = 0;
  for (; j + W <= columns; j += W) write(to + j, read<vf>(x + j) * factor);
  for (; j < columns; j++) to[j] = x[j] * factor;
}

// Adds them to what the row holds.
inline void add_row(float* to, const float* x, float factor, int64_t columns) {
  for (int64_t j = 0; j < columns; j++) to[j] += x[j] * factor;
}

inline float most_of(vf x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(x));
#else
  float best = x[0];
  for (int i = 1; i < W; i++) best = x[i] > best ? x[i] : best;
  return best;
#endif
}

// Scratch memory handed out piece by piece, each on its own cache lines.
struct Pieces {
  char* next;
  template <class T> T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next);
    next += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }
};

// Raw products of one query become scores: scale, cap, bias and mask, in units of log 2; `block` (whole vectors) counts
// from key `at`.
inline void rewrite(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t at, Range block, float* row, float* added) {
  const int64_t count = smaller(block.to, p.S - at) - block.from;
  if (p.additive()) additive_row(p, b, h, t, at + block.from, count, added + block.from);
  for (int64_t j = block.from; j < block.to; j += W) {
    vf x = read<vf>(row + j) * p.scale;
    if (p.cap != 0) x = tanh(x / p.cap) * p.cap;
    x *= log2e;
    if (p.additive()) {
      const vf more = read<vf>(added + j);
      x = more == -infinity ? more : x + more;
    }
    write(row + j, x);
  }
}

// Hides keys outside of `seen` in the vector whose first key is `at`.
inline vf hide(vf x, int64_t at, Range seen) {
  if (at >= seen.from && at + W <= seen.to) return x;
  const vi index = lane_numbers() + static_cast<int32_t>(at);
  return select((index >= static_cast<int32_t>(seen.from)) & (index < static_cast<int32_t>(seen.to)), x, splat(-infinity));
}

inline Range clip(Range r, int64_t at, int64_t keys) { return {larger(r.from - at, 0), smaller(r.to - at, keys)}; }

// What one query sees of a block of keys: those in `near`, and marked ones in `all`.
struct Sight {
  Range near, all;
  const uint8_t* marks;  // of the block's keys; null: none
  bool whole(int64_t j) const { return j >= near.from && j + W <= near.to; }
  vf hide(vf x, int64_t j) const {
    if (!marks) return HEED_TIER::streaming::hide(x, j, near);
    vf far = splat(-infinity);
    for (int i = 0; i < W; i++)
      if (j + i < all.to && marks[j + i]) far[i] = x[i];
    if (near.empty()) return streaming::hide(far, j, all);
    const vi index = lane_numbers() + static_cast<int32_t>(j);
    const auto close = (index >= static_cast<int32_t>(near.from)) & (index < static_cast<int32_t>(near.to));
    return streaming::hide(select(close, x, far), j, all);
  }
};

inline Sight sight(const Problem& p, int64_t b, int64_t t, int64_t at, int64_t keys) {
  const Range near = clip(p.keys(b, t), at, keys);
  if (!p.marked) return {near, near, nullptr};
  const Range all = clip(p.limits(b, t), at, keys);
  const uint8_t* marks = p.marks + b * p.allS;
  return marks[p.position(t)] ? Sight{all, all, nullptr} : Sight{near, all, marks + at};
}

// Whether marks let queries from..to-1 see more of a block of keys than the window does.
inline bool far_sight(const Problem& p, int64_t b, int64_t from, int64_t to, int64_t at, int64_t keys) {
  return p.marked && (!p.marks_in(b, from, to).empty() || !p.marks_in(b, at, at + keys).empty());
}

// Keys of a block that some query of a strip may see.
inline Range sight_of_strip(const Problem& p, int64_t b, int64_t from, int64_t to, int64_t at, int64_t keys, bool far) {
  return clip(far ? p.limits(b, from, to) : p.keys(b, from, to), at, keys);
}

}  // namespace streaming
}  // namespace HEED_TIER
}  // namespace heed
