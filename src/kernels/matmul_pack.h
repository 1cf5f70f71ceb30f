// Copies blocks of A and B into panels (see matmul_tile.h), converting to the arithmetic's type on the way. A's rows and B's
// columns are packed by the same code: `outer` is the index that becomes the panel's width, k the one it runs along.
#pragma once
#include "matmul_tile.h"

namespace heed {
namespace HEED_TIER {
namespace product {

// A matrix as packing sees it: element (outer, k) is data[outer · outer_stride + k · k_stride].
struct Source {
  const void* data;
  int64_t type, outer_stride, k_stride;
  Source from(int64_t outer, int64_t k) const {
    const int64_t at = outer * outer_stride + k * k_stride;
    return {static_cast<const char*>(data) + at * element_bytes(type), type, outer_stride, k_stride};
  }
};

// Stage `Distance` of a transpose within registers: swaps the off-diagonal blocks of that size.
template <int Distance, int... I>
inline void swap_blocks(Lanes& a, Lanes& b, std::integer_sequence<int, I...>) {
  const Lanes low = __builtin_shufflevector(a, b, ((I & Distance) ? (I - Distance) + lanes : I)...);
  const Lanes high = __builtin_shufflevector(a, b, ((I & Distance) ? I + lanes : I + Distance)...);
  a = low;
  b = high;
}
template <int Distance> inline void transpose_stage(Lanes (&x)[lanes]) {
  if constexpr (Distance < lanes) {
    HEED_UNROLL for (int i = 0; i < lanes; i++)
      if (!(i & Distance)) swap_blocks<Distance>(x[i], x[i + Distance], std::make_integer_sequence<int, lanes>{});
    transpose_stage<Distance * 2>(x);
  }
}
inline void transpose(Lanes (&x)[lanes]) { transpose_stage<1>(x); }

template <int Type> inline float element_of(const void* data, int64_t at) { return element(data, Type, at); }

// `count` <= lanes numbers as fp32, zeros after them.
template <int Type> inline Lanes load_numbers(const void* data, int64_t at, int64_t count) {
#if defined(__AVX512F__)
  const __mmask16 mask = count >= lanes ? __mmask16(0xffff) : __mmask16((1u << count) - 1);
  if constexpr (Type == F32) return (Lanes)_mm512_maskz_loadu_ps(mask, static_cast<const float*>(data) + at);
  const __m256i words = _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(data) + at);
  if constexpr (Type == F16) return (Lanes)_mm512_cvtph_ps(words);
  return (Lanes)_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16);
#else
  if (count >= lanes) {
    if constexpr (Type == F32) return load_lanes(static_cast<const float*>(data) + at);
#if defined(__AVX2__)
    const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const uint16_t*>(data) + at));
    if constexpr (Type == F16) return (Lanes)_mm256_cvtph_ps(words);
    return (Lanes)_mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 16);
#endif
  }
  float numbers[lanes] = {};
  for (int64_t i = 0; i < (count < lanes ? count : lanes); i++) numbers[i] = element_of<Type>(data, at + i);
  return load_lanes(numbers);
#endif
}

#if defined(__AVX512BF16__)
// `count` <= 16 numbers as bf16, zeros after them.
template <int Type> inline __m256i load_halves(const void* data, int64_t at, int64_t count) {
  if constexpr (Type == BF16) {
    const __mmask16 mask = count >= 16 ? __mmask16(0xffff) : count > 0 ? __mmask16((1u << count) - 1) : __mmask16(0);
    return _mm256_maskz_loadu_epi16(mask, static_cast<const uint16_t*>(data) + at);
  } else {
    return (__m256i)_mm512_cvtneps_pbh((__m512)load_numbers<Type>(data, at, count > 0 ? count : 0));
  }
}
#endif

// The words of `count` <= lanes · depth numbers that lie side by side along k.
template <class Product, int Type> inline Lanes load_words(const void* data, int64_t at, int64_t count) {
  if constexpr (Product::depth == 1) {
    return load_numbers<Type>(data, at, count);
  } else {
#if defined(__AVX512BF16__)
    const __m256i low = load_halves<Type>(data, at, count), high = load_halves<Type>(data, at + 16, count - 16);
    return (Lanes)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#else
    return Lanes{};
#endif
  }
}

// k is adjacent: squares of words are transposed in registers.
template <class Product, int Width, int Type, int First>
inline void pack_transposed(float* to, const Source& x, int64_t outer, int64_t k) {
  constexpr int keep = Width - First < lanes ? Width - First : lanes;
  constexpr int64_t reach = lanes * Product::depth;
  const int64_t steps = (k + Product::depth - 1) / Product::depth;
  for (int64_t s = 0; s < steps; s += lanes) {
    const int64_t from = s * Product::depth, count = k - from < reach ? k - from : reach;
    Lanes square[lanes];
    if constexpr (lanes >= 8) {  // the same place of the next panel: far apart in memory, so the processor does not foresee it
      const int64_t bytes = element_bytes(Type);
      const char* next = static_cast<const char*>(x.data) + ((Width + First) * x.outer_stride + from) * bytes;
      HEED_UNROLL for (int i = 0; i < keep; i++) {
        HEED_UNROLL for (int64_t line = 0; line < reach * bytes; line += 64) __builtin_prefetch(next + i * x.outer_stride * bytes + line);
      }
    }
    if (outer >= First + lanes && count == reach) {
      HEED_UNROLL for (int i = 0; i < lanes; i++)
        square[i] = load_words<Product, Type>(x.data, (First + i) * x.outer_stride + from, reach);
    } else {
      HEED_UNROLL for (int i = 0; i < lanes; i++)
        square[i] = First + i < outer && i < keep ? load_words<Product, Type>(x.data, (First + i) * x.outer_stride + from, count) : Lanes{};
    }
    transpose(square);
    float* row = to + s * Width + First;
    if (steps - s >= lanes) {
      HEED_UNROLL for (int i = 0; i < lanes; i++) store_lanes<keep>(row + i * Width, square[i]);
    } else {
      for (int64_t i = 0; i < steps - s; i++) store_lanes<keep>(row + i * Width, square[i]);
    }
  }
  if constexpr (First + lanes < Width) pack_transposed<Product, Width, Type, First + lanes>(to, x, outer, k);
}

// The panel's width is adjacent.
template <class Product, int Width, int Type> inline void pack_straight(float* to, const Source& x, int64_t outer, int64_t k) {
  if constexpr (Product::depth == 1) {
    if (outer == Width) {
      for (int64_t s = 0; s < k; s++) {
        const int64_t at = s * x.k_stride;
        if constexpr (Type == F32) std::memcpy(to + s * Width, static_cast<const float*>(x.data) + at, Width * 4);
        else
          for (int i = 0; i < Width; i++) to[s * Width + i] = element_of<Type>(x.data, at + i);
      }
    } else {
      for (int64_t s = 0; s < k; s++)
        for (int i = 0; i < Width; i++) to[s * Width + i] = i < outer ? element_of<Type>(x.data, s * x.k_stride + i) : 0;
    }
  } else {
#if defined(__AVX512BF16__)
    for (int64_t s = 0; s < k; s += 2) {
      const int64_t at = s * x.k_stride;
      HEED_UNROLL for (int i = 0; i < Width; i += lanes) {
        constexpr int last = Width % lanes;
        const int64_t limit = Width - i < lanes ? last : lanes, count = outer - i < limit ? outer - i : limit;
        const __m256i even = load_halves<Type>(x.data, at + i, count);
        const __m256i odd = s + 1 < k ? load_halves<Type>(x.data, at + x.k_stride + i, count) : _mm256_setzero_si256();
        const __m512i words = _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
        float* row = to + (s / 2) * Width + i;
        if (Width - i < lanes) store_lanes<(last > 0 ? last : lanes)>(row, (Lanes)words);
        else store_lanes(row, (Lanes)words);
      }
    }
#endif
  }
}

// Any strides.
template <class Product, int Width, int Type> inline void pack_slowly(float* to, const Source& x, int64_t outer, int64_t k) {
  const int64_t steps = (k + Product::depth - 1) / Product::depth;
  for (int64_t s = 0; s < steps; s++) {
    for (int64_t i = 0; i < Width; i++) {
      const int64_t at = i * x.outer_stride + s * Product::depth * x.k_stride;
      if constexpr (Product::depth == 1) {
        to[s * Width + i] = i < outer ? element_of<Type>(x.data, at) : 0;
      } else {
        const uint32_t low = i < outer ? bf16_of_float(element_of<Type>(x.data, at)) : 0;
        const uint32_t high = i < outer && 2 * s + 1 < k ? bf16_of_float(element_of<Type>(x.data, at + x.k_stride)) : 0;
        to[s * Width + i] = float_of_bits(low | high << 16);
      }
    }
  }
}

// Panels of `Width`, `apart` words from one to the next, of a source with `outer` rows (or columns; zeros fill the last panel) over k numbers.
template <class Product, int Width, int Type> inline void pack_panels_of(float* to, int64_t apart, const Source& x, int64_t outer, int64_t k) {
  const int64_t panels = (outer + Width - 1) / Width;
  if (x.k_stride == 1) {
    for (int64_t i = 0; i < panels; i++) {
      const int64_t left = outer - i * Width;
      pack_transposed<Product, Width, Type, 0>(to + i * apart, x.from(i * Width, 0), left < Width ? left : Width, k);
    }
    return;
  }
  // Few k at a time for all panels, so that the source is read along its cache lines and pages.
  constexpr int64_t at_once = 8 * Product::depth;
  for (int64_t from = 0; from < k; from += at_once) {
    const int64_t count = k - from < at_once ? k - from : at_once;
    if (x.outer_stride == 1) {
      for (int64_t r = from + at_once; r < from + 2 * at_once && r < k; r++) {
        const char* row = static_cast<const char*>(x.data) + r * x.k_stride * element_bytes(Type);
        for (int64_t line = 0; line < outer * element_bytes(Type); line += 64) __builtin_prefetch(row + line);
      }
    }
    for (int64_t i = 0; i < panels; i++) {
      const int64_t left = outer - i * Width, here = left < Width ? left : Width;
      float* panel = to + i * apart + from / Product::depth * Width;
      if (x.outer_stride == 1) pack_straight<Product, Width, Type>(panel, x.from(i * Width, from), here, count);
      else pack_slowly<Product, Width, Type>(panel, x.from(i * Width, from), here, count);
    }
  }
}

template <class Product, int Width> inline void pack_panels(float* to, int64_t apart, const Source& x, int64_t outer, int64_t k) {
  if (x.type == BF16) pack_panels_of<Product, Width, BF16>(to, apart, x, outer, k);
  else if (x.type == F16) pack_panels_of<Product, Width, F16>(to, apart, x, outer, k);
  else pack_panels_of<Product, Width, F32>(to, apart, x, outer, k);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
