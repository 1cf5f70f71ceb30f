// The register tile of a matrix product: R rows × V vectors of C stay in registers while packed panels of A and B stream by.
// Panels hold 32-bit words, one per (step, row) or (step, column): an fp32 number, or two bf16 numbers of neighbouring k.
#pragma once
#include <cstring>
#include <utility>

#include "kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm__)
#include <wasm_simd128.h>
#endif

namespace heed {
namespace HEED_TIER {
namespace product {

#if defined(__AVX512F__)
constexpr int lanes = 16, tile_rows = 12, tile_vectors = 2;
#elif defined(__AVX2__)
constexpr int lanes = 8, tile_rows = 6, tile_vectors = 2;
#elif defined(__aarch64__)
constexpr int lanes = 4, tile_rows = 8, tile_vectors = 3;
#else
constexpr int lanes = 4, tile_rows = 6, tile_vectors = 2;
#endif
constexpr int tile_columns = lanes * tile_vectors;

#if defined(__AVX512BF16__)
constexpr bool has_bf16 = true;
#else
constexpr bool has_bf16 = false;
#endif

typedef float Lanes __attribute__((vector_size(lanes * 4)));

inline Lanes load_lanes(const void* from) {
  Lanes x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <int N = lanes> inline void store_lanes(void* to, Lanes x) {
  if constexpr (N >= lanes) {
    std::memcpy(to, &x, sizeof x);
  } else {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, __mmask16((1u << N) - 1), (__m512)x);
#else
    std::memcpy(to, &x, N * 4);
#endif
  }
}

inline Lanes splat_lanes(float x) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_set1_ps(x);
#elif defined(__AVX2__)
  return (Lanes)_mm256_set1_ps(x);
#elif defined(__aarch64__)
  return (Lanes)vdupq_n_f32(x);
#elif defined(__wasm__)
  return (Lanes)wasm_f32x4_splat(x);
#else
  return Lanes{x, x, x, x};
#endif
}

inline Lanes splat_from(const float* x) {
#if defined(__wasm__)
  return (Lanes)wasm_v128_load32_splat(x);
#else
  return splat_lanes(*x);
#endif
}

inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Lanes)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__wasm_relaxed_simd__)
  return (Lanes)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#else
  return a * b + c;
#endif
}

// One step of a product: fp32 numbers, one k a step. step_word: one word of memory with all lanes of a.
struct Single {
  static constexpr int depth = 1;
  static Lanes step(Lanes a, Lanes b, Lanes c) { return multiply_add(a, b, c); }
  static Lanes step_word(Lanes a, const float* b, Lanes c) { return multiply_add(a, splat_from(b), c); }
};

// bf16 pairs, two k a step, fp32 sums.
struct Half {
  static constexpr int depth = 2;
  static Lanes step(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512BF16__)
    return (Lanes)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
#else
    return multiply_add(a, b, c);  // never chosen: see has_bf16
#endif
  }
  static Lanes step_word(Lanes a, const float* b, Lanes c) {
#if defined(__AVX512BF16__) && !defined(HEED_EMULATED)
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(c) : "v"(a), "m"(*b));  // one instruction; compilers make two, which take longer
    return c;
#else
    return step(a, splat_from(b), c);
#endif
  }
};

inline float float_of_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline uint32_t bits_of_float(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

inline float float_of_bf16(uint16_t x) { return float_of_bits(uint32_t(x) << 16); }

// Rounds to nearest even; NaN stays NaN.
inline uint16_t bf16_of_float(float x) {
  const uint32_t bits = bits_of_float(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

inline float float_of_f16(uint16_t x) {
  const uint32_t sign = uint32_t(x & 0x8000) << 16, rest = x & 0x7fff;
  if (rest >= 0x7c00) return float_of_bits(sign | 0x7f800000u | (rest & 0x3ff) << 13);
  if (rest < 0x400) {  // zero or subnormal: an integer times 2^-24
    const float magnitude = float(rest) * 5.9604644775390625e-8f;
    return float_of_bits(sign | bits_of_float(magnitude));
  }
  return float_of_bits(sign | (rest + (112u << 10)) << 13);
}

// Rounds to nearest even.
inline uint16_t f16_of_float(float x) {
  const uint32_t bits = bits_of_float(x), magnitude = bits & 0x7fffffffu;
  const uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000u) return uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000u) return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits
    const float shifted = float_of_bits(magnitude) + 0.5f;
    return uint16_t(sign | (bits_of_float(shifted) - 0x3f000000u));
  }
  return uint16_t(sign | (((magnitude + 0xfffu + (magnitude >> 13 & 1)) >> 13) - (112u << 10)));
}

inline float element(const void* data, int64_t type, int64_t at) {
  if (type == BF16) return float_of_bf16(static_cast<const uint16_t*>(data)[at]);
  if (type == F16) return float_of_f16(static_cast<const uint16_t*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

inline void set_element(void* data, int64_t type, int64_t at, float x) {
  if (type == BF16) static_cast<uint16_t*>(data)[at] = bf16_of_float(x);
  else if (type == F16) static_cast<uint16_t*>(data)[at] = f16_of_float(x);
  else static_cast<float*>(data)[at] = x;
}

inline int64_t element_bytes(int64_t type) { return type == F32 ? 4 : 2; }

// What happens to a finished tile: C = alpha · sums (+ bias) (+ add) (+ C).
struct Finish {
  float alpha;
  const float* bias;  // of the tile's first column, or null
  const float* add;   // fp32 partial sums at the tile's corner, or null
  int64_t add_row;
  void* c;
  int64_t c_row, c_type;
  bool accumulate;
};

// Any type and number of columns; sums: `rows` rows, `width` apart.
__attribute__((noinline)) inline void finish_slowly(const float* sums, int64_t rows, int64_t width, const Finish& f, int64_t columns) {
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t j = 0; j < columns; j++) {
      float x = sums[r * width + j] * f.alpha;
      if (f.bias) x += f.bias[j];
      if (f.add) x += f.add[r * f.add_row + j];
      const int64_t at = r * f.c_row + j;
      if (f.accumulate) x += element(f.c, f.c_type, at);
      set_element(f.c, f.c_type, at, x);
    }
  }
}

// The same for sums in registers: they are stored only here, so that elsewhere they never need an address.
template <int R, int V> __attribute__((always_inline)) inline void spill_and_finish(const Lanes (&sum)[R][V], const Finish& f, int64_t columns) {
  float stored[R * V * lanes];
  HEED_UNROLL for (int r = 0; r < R; r++) {
    HEED_UNROLL for (int v = 0; v < V; v++) store_lanes(stored + (r * V + v) * lanes, sum[r][v]);
  }
  finish_slowly(stored, R, V * lanes, f, columns < V * lanes ? columns : V * lanes);
}

#if defined(__AVX512BF16__)
template <int R, int V> __attribute__((always_inline)) inline void finish_tile(const Lanes (&sum)[R][V], const Finish& f, int64_t columns) {
  if (f.c_type == F16 || (f.accumulate && f.c_type != F32)) return spill_and_finish(sum, f, columns);
  const __m512 alpha = _mm512_set1_ps(f.alpha);
  __mmask16 mask[V];
  __m512 bias[V];
  HEED_UNROLL for (int v = 0; v < V; v++) {
    const int64_t left = columns - v * lanes;
    mask[v] = left >= lanes ? __mmask16(0xffff) : left > 0 ? __mmask16((1u << left) - 1) : __mmask16(0);
    bias[v] = f.bias ? _mm512_maskz_loadu_ps(mask[v], f.bias + v * lanes) : _mm512_setzero_ps();
  }
  HEED_UNROLL for (int r = 0; r < R; r++) {
    HEED_UNROLL for (int v = 0; v < V; v++) {
      __m512 x = _mm512_fmadd_ps((__m512)sum[r][v], alpha, bias[v]);
      if (f.add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask[v], f.add + r * f.add_row + v * lanes));
      if (f.c_type == F32) {
        float* c = static_cast<float*>(f.c) + r * f.c_row + v * lanes;
        if (f.accumulate) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask[v], c));
        _mm512_mask_storeu_ps(c, mask[v], x);
      } else {
        _mm256_mask_storeu_epi16(static_cast<uint16_t*>(f.c) + r * f.c_row + v * lanes, mask[v], (__m256i)_mm512_cvtneps_pbh(x));
      }
    }
  }
}
#else
template <int R, int V> __attribute__((always_inline)) inline void finish_tile(const Lanes (&sum)[R][V], const Finish& f, int64_t columns) {
  if (columns < V * lanes || f.c_type != F32) return spill_and_finish(sum, f, columns);
  const Lanes alpha = splat_lanes(f.alpha);
  HEED_UNROLL for (int r = 0; r < R; r++) {
    HEED_UNROLL for (int v = 0; v < V; v++) {
      Lanes x = sum[r][v] * alpha;
      if (f.bias) x = x + load_lanes(f.bias + v * lanes);
      if (f.add) x = x + load_lanes(f.add + r * f.add_row + v * lanes);
      float* c = static_cast<float*>(f.c) + r * f.c_row + v * lanes;
      if (f.accumulate) x = x + load_lanes(c);
      store_lanes(c, x);
    }
  }
}
#endif

// Memory that will be wanted soon: a tile fetches some of it into the second-level cache, `pace` bytes further on every four steps.
struct Ahead {
  const char* from;
  int64_t pace;
};
constexpr int ahead_bytes = tile_columns * 4;        // fetched every four steps: whole lines
constexpr int64_t tiles_to_fetch = 4;                // as many tiles as fetch a panel of B

// steps: words of k; a: [steps tile_rows], b: [steps tile_columns] words; R rows and `columns` <= V · lanes columns of C are written.
template <class Product, int R, int V>
__attribute__((noinline)) void tile(int64_t steps, const float* a, const float* b, const Finish& f, int64_t columns, Ahead ahead) {
  Lanes sum[R][V];
  HEED_UNROLL for (int r = 0; r < R; r++) {
    HEED_UNROLL for (int v = 0; v < V; v++) sum[r][v] = Lanes{};
    const char* c = static_cast<const char*>(f.c) + r * f.c_row * element_bytes(f.c_type);
    __builtin_prefetch(c, 1);
    if (V * lanes > 16) __builtin_prefetch(c + 64, 1);
  }
  const auto step = [&] {
    Lanes column[V];
    HEED_UNROLL for (int v = 0; v < V; v++) column[v] = load_lanes(b + v * lanes);
    HEED_UNROLL for (int r = 0; r < R; r++) {
      const Lanes x = splat_from(a + r);
      HEED_UNROLL for (int v = 0; v < V; v++) sum[r][v] = Product::step(x, column[v], sum[r][v]);
    }
    a += tile_rows;
    b += tile_columns;
  };
#if defined(__x86_64__)
  for (; steps >= 4; steps -= 4) {
    HEED_UNROLL for (int line = 0; line < ahead_bytes; line += 64) __builtin_prefetch(ahead.from + line, 0, 2);
    ahead.from += ahead.pace;
    HEED_UNROLL for (int s = 0; s < 4; s++) step();
  }
#else
  (void)ahead;
#endif
#if defined(__clang__)
#pragma clang loop unroll_count(2)
#else
#pragma GCC unroll 4
#endif
  for (int64_t s = 0; s < steps; s++) step();
  finish_tile<R, V>(sum, f, columns);
}

using TileFunction = void (*)(int64_t, const float*, const float*, const Finish&, int64_t, Ahead);

template <class Product, int V, int... R> inline TileFunction choose_tile(int rows, std::integer_sequence<int, R...>) {
  static constexpr TileFunction functions[] = {tile<Product, R + 1, V>...};
  return functions[rows - 1];
}

// The tile function for that many rows and columns.
template <class Product> inline TileFunction tile_for(int rows, int64_t columns) {
  constexpr auto all = std::make_integer_sequence<int, tile_rows>{};
  if constexpr (tile_vectors == 3) {
    if (columns > 2 * lanes) return choose_tile<Product, 3>(rows, all);
  }
  return columns > lanes ? choose_tile<Product, 2>(rows, all) : choose_tile<Product, 1>(rows, all);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
