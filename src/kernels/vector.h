// A vector of W lanes of 32 bits, W chosen by the instruction tier: compiler vector extensions for arithmetic, intrinsics only
// where the language has no word for it. Operators (+ - * / & | ^ < == ...) work on vf and vi as in C; a comparison gives a vi
// mask of 0 or -1 per lane. Functions are the same on every tier; sums over lanes have one fixed order per tier.
#pragma once
#include <cstdint>
#include <cstring>

#include "kernel.h"

#if defined(__x86_64__) || defined(__i386__)
#if defined(__GNUC__) && !defined(__clang__)
// gcc 12 warns of its own header's deliberately undefined values
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#endif

#if defined(__clang__)
#pragma clang fp contract(off)
#endif

#define HEED_INLINE inline __attribute__((always_inline))

namespace heed {
namespace HEED_TIER {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
typedef uint16_t vh __attribute__((vector_size(W * 2)));
typedef uint8_t vb __attribute__((vector_size(W)));

// ---- lanes from one number; the same bits seen as another type

HEED_INLINE vf splat(float x) { return x - vf{}; }
HEED_INLINE vi splat(int32_t x) { return x - vi{}; }
HEED_INLINE vf as_float(vi x) { return (vf)x; }
HEED_INLINE vi as_int(vf x) { return (vi)x; }
// 0, 1, 2, ...
HEED_INLINE vi lane_numbers() {
  vi x;
  for (int i = 0; i < W; i++) x[i] = i;
  return x;
}

// ---- memory; addresses need only the alignment of an element

template <class V, class T> HEED_INLINE V load_lanes_of(const T* from) {
  V x;
  std::memcpy(&x, from, sizeof x);
  return x;
}
// The first n elements (0 <= n <= W), zeros after them; nothing beyond them is touched.
template <class V, class T> HEED_INLINE V load_lanes_of(const T* from, int n) {
  T x[W] = {};
  for (int i = 0; i < n; i++) x[i] = from[i];
  return load_lanes_of<V>(x);
}
template <class V, class T> HEED_INLINE void store_lanes_of(T* to, V x, int n) {
  T kept[W];
  std::memcpy(kept, &x, sizeof x);
  for (int i = 0; i < n; i++) to[i] = kept[i];
}

HEED_INLINE vf load(const float* from) { return load_lanes_of<vf>(from); }
HEED_INLINE vi load(const int32_t* from) { return load_lanes_of<vi>(from); }
HEED_INLINE void store(float* to, vf x) { std::memcpy(to, &x, sizeof x); }
HEED_INLINE void store(int32_t* to, vi x) { std::memcpy(to, &x, sizeof x); }
#if defined(__AVX512F__)
HEED_INLINE __mmask16 first_lanes(int n) { return __mmask16((1u << n) - 1); }
HEED_INLINE vf load_partial(const float* from, int n) { return (vf)_mm512_maskz_loadu_ps(first_lanes(n), from); }
HEED_INLINE vi load_partial(const int32_t* from, int n) { return (vi)_mm512_maskz_loadu_epi32(first_lanes(n), from); }
HEED_INLINE void store_partial(float* to, vf x, int n) { _mm512_mask_storeu_ps(to, first_lanes(n), (__m512)x); }
HEED_INLINE void store_partial(int32_t* to, vi x, int n) { _mm512_mask_storeu_epi32(to, first_lanes(n), (__m512i)x); }
#elif defined(__AVX2__)
HEED_INLINE __m256i first_lanes(int n) { return (__m256i)(lane_numbers() < n); }
HEED_INLINE vf load_partial(const float* from, int n) { return (vf)_mm256_maskload_ps(from, first_lanes(n)); }
HEED_INLINE vi load_partial(const int32_t* from, int n) { return (vi)_mm256_maskload_epi32(from, first_lanes(n)); }
HEED_INLINE void store_partial(float* to, vf x, int n) { _mm256_maskstore_ps(to, first_lanes(n), (__m256)x); }
HEED_INLINE void store_partial(int32_t* to, vi x, int n) { _mm256_maskstore_epi32(to, first_lanes(n), (__m256i)x); }
#else
HEED_INLINE vf load_partial(const float* from, int n) { return load_lanes_of<vf>(from, n); }
HEED_INLINE vi load_partial(const int32_t* from, int n) { return load_lanes_of<vi>(from, n); }
HEED_INLINE void store_partial(float* to, vf x, int n) { store_lanes_of(to, x, n); }
HEED_INLINE void store_partial(int32_t* to, vi x, int n) { store_lanes_of(to, x, n); }
#endif

// ---- arithmetic the operators do not have

HEED_INLINE vi convert(vh x) { return __builtin_convertvector(x, vi); }
HEED_INLINE vi convert(vb x) { return __builtin_convertvector(x, vi); }
HEED_INLINE vf to_float(vi x) { return __builtin_convertvector(x, vf); }

HEED_INLINE vf select(vi mask, vf a, vf b) { return mask ? a : b; }
HEED_INLINE vi select(vi mask, vi a, vi b) { return mask ? a : b; }
// Mask -> 1 or 0.
HEED_INLINE vi to_bool(vi mask) { return mask & 1; }

// a · b + c, rounded once where the machine can.
HEED_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__wasm_relaxed_simd__)
  return (vf)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#else
  return a * b + c;
#endif
}
HEED_INLINE vf fma(vf a, float b, vf c) { return fma(a, splat(b), c); }
HEED_INLINE vf fma(vf a, vf b, float c) { return fma(a, b, splat(c)); }
HEED_INLINE vf fma(vf a, float b, float c) { return fma(a, splat(b), splat(c)); }

HEED_INLINE vf sqrt(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (vf)_mm_sqrt_ps((__m128)x);
#elif defined(__aarch64__)
  return (vf)vsqrtq_f32((float32x4_t)x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_sqrt((v128_t)x);
#else
  for (int i = 0; i < W; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// a where a > b, else b: one instruction, gives b when either is NaN.
HEED_INLINE vf larger(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
#else
  return a > b ? a : b;
#endif
}
// a where a < b, else b: one instruction, gives b when either is NaN.
HEED_INLINE vf smaller(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_pmin((v128_t)b, (v128_t)a);
#else
  return a < b ? a : b;
#endif
}
// NaN where either is NaN.
HEED_INLINE vf max(vf a, vf b) { return select(a != a, a, larger(a, b)); }
HEED_INLINE vf min(vf a, vf b) { return select(a != a, a, smaller(a, b)); }
HEED_INLINE vi max(vi a, vi b) { return a > b ? a : b; }
HEED_INLINE vi min(vi a, vi b) { return a < b ? a : b; }

HEED_INLINE vf abs(vf x) { return as_float(as_int(x) & 0x7fffffff); }
// i32 wraps around, as in the reference device: signed overflow would be undefined.
HEED_INLINE vi wrapping_add(vi a, vi b) { return (vi)((vu)a + (vu)b); }
HEED_INLINE vi wrapping_sub(vi a, vi b) { return (vi)((vu)a - (vu)b); }
HEED_INLINE vi wrapping_mul(vi a, vi b) { return (vi)((vu)a * (vu)b); }
HEED_INLINE vi wrapping_neg(vi x) { return (vi)(-(vu)x); }
HEED_INLINE vi abs(vi x) { return x < 0 ? (vi)(-(vu)x) : x; }
// |x| with the sign of s.
HEED_INLINE vf copysign(vf x, vf s) {
  return as_float((as_int(x) & 0x7fffffff) | (as_int(s) & (int32_t)0x80000000));
}
// -1, 0 or 1; keeps NaN and the sign of zero.
HEED_INLINE vf sign(vf x) { return select(abs(x) > 0, copysign(splat(1.0f), x), x); }
HEED_INLINE vi sign(vi x) { return (x < 0) - (x > 0); }
// max(x, 0); keeps NaN.
HEED_INLINE vf relu(vf x) { return larger(vf{}, x); }
HEED_INLINE vi relu(vi x) { return x > 0 ? x : 0; }

// To the nearest whole number, halves to even.
HEED_INLINE vf round(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
  return (vf)vrndnq_f32((float32x4_t)x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_nearest((v128_t)x);
#else
  // adding 2^23 leaves no bits for a fraction
  vf magic = splat(8388608.0f), size = abs(x);
  vf whole = copysign((size + magic) - magic, x);
  return select(size < magic, whole, x);
#endif
}
// Largest whole number <= x.
HEED_INLINE vf floor(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif defined(__aarch64__)
  return (vf)vrndmq_f32((float32x4_t)x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_floor((v128_t)x);
#else
  vf near = round(x);
  return select(near > x, near - 1.0f, near);
#endif
}

// Cut towards zero: one instruction; lanes outside int32 are some number, the same only within a tier.
HEED_INLINE vi truncate(vf x) {
#if defined(__AVX512F__)
  return (vi)_mm512_cvttps_epi32((__m512)x);
#elif defined(__AVX2__)
  return (vi)_mm256_cvttps_epi32((__m256)x);
#elif defined(__SSE2__)
  return (vi)_mm_cvttps_epi32((__m128)x);
#elif defined(__aarch64__)
  return (vi)vcvtq_s32_f32((float32x4_t)x);
#elif defined(__wasm_simd128__)
  return (vi)wasm_i32x4_trunc_sat_f32x4((v128_t)x);
#else
  return __builtin_convertvector(x, vi);
#endif
}
// Cut towards zero; beyond int32 the nearest int32, NaN gives 0; the same on every tier.
HEED_INLINE vi to_int(vf x) {
#if defined(__aarch64__) || defined(__wasm_simd128__)
  return truncate(x);
#else
  vi cut = select(x >= 2147483648.0f, splat(int32_t(0x7fffffff)), truncate(x));
  return select(x == x, cut, vi{});
#endif
}

// ---- over the lanes of one vector, always in the same order

HEED_INLINE float sum(vf x) {
#if defined(__AVX512F__)
  __m256 y = _mm512_castps512_ps256((__m512)x) + _mm256_castpd_ps(_mm512_extractf64x4_pd((__m512d)x, 1));
#elif defined(__AVX2__)
  __m256 y = (__m256)x;
#endif
#if defined(__AVX2__)
  __m128 z = _mm256_castps256_ps128(y) + _mm256_extractf128_ps(y, 1);
  return (z[0] + z[2]) + (z[1] + z[3]);
#else
  return (x[0] + x[2]) + (x[1] + x[3]);
#endif
}
// NaN when any lane is NaN.
HEED_INLINE float max(vf x) {
#if defined(__AVX512F__)
  if (_mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q)) return __builtin_nanf("");
  return _mm512_reduce_max_ps((__m512)x);
#else
  float best = x[0];
  for (int i = 1; i < W; i++) best = x[i] > best || x[i] != x[i] ? x[i] : best;
  return best;
#endif
}
HEED_INLINE float min(vf x) { return -max(-x); }
HEED_INLINE int32_t sum(vi x) {
  uint32_t total = 0;
  for (int i = 0; i < W; i++) total += (uint32_t)x[i];
  return (int32_t)total;
}
// Whether any lane of a mask is set.
HEED_INLINE bool any(vi mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#elif defined(__SSE2__)
  return _mm_movemask_epi8((__m128i)mask) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32((uint32x4_t)mask) != 0;
#elif defined(__wasm_simd128__)
  return wasm_v128_any_true((v128_t)mask);
#else
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

// ---- half precision in memory

HEED_INLINE vf from_bf16(vh x) { return as_float(convert(x) << 16); }
// To the nearest bf16, halves to even; NaN stays NaN.
HEED_INLINE vh to_bf16(vf x) {
  vu bits = (vu)x;
  vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  vu nan = (bits >> 16) | 0x40;
  return __builtin_convertvector(x == x ? rounded : nan, vh);
}
HEED_INLINE vf load_bf16(const uint16_t* from) { return from_bf16(load_lanes_of<vh>(from)); }
HEED_INLINE vf load_bf16_partial(const uint16_t* from, int n) { return from_bf16(load_lanes_of<vh>(from, n)); }
HEED_INLINE void store_bf16(uint16_t* to, vf x) {
  vh half = to_bf16(x);
  std::memcpy(to, &half, sizeof half);
}
HEED_INLINE void store_bf16_partial(uint16_t* to, vf x, int n) { store_lanes_of(to, to_bf16(x), n); }

HEED_INLINE vf from_f16(vh x) {
#if defined(__AVX512F__)
  return (vf)_mm512_cvtph_ps((__m256i)x);
#elif defined(__F16C__) && defined(__AVX2__)
  return (vf)_mm256_cvtph_ps((__m128i)x);
#else
  vi bits = convert(x), magnitude = (bits & 0x7fff) << 13;
  // exponents differ by 112; multiplying also makes denormals right, infinity and NaN keep their exponent full
  vf value = as_float(magnitude) * as_float(splat(int32_t(0x77800000)));
  value = select((bits & 0x7c00) == 0x7c00, as_float(magnitude | 0x7f800000), value);
  return as_float(as_int(value) | ((bits & 0x8000) << 16));
#endif
}
HEED_INLINE vh to_f16(vf x) {
#if defined(__AVX512F__)
  return (vh)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__) && defined(__AVX2__)
  return (vh)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
#else
  vi bits = as_int(x), sign_bit = (bits >> 16) & 0x8000, size = bits & 0x7fffffff;
  vi normal = (size - (112 << 23) + 0xfff + ((size >> 13) & 1)) >> 13;
  // below 2^-14 the sum with 0.5 has the half's last bit at the right place
  vi small = as_int(as_float(size) + 0.5f) - 0x3f000000;
  vi half = select(size < (113 << 23), small, select(size >= 0x477ff000, splat(int32_t(0x7c00)), normal));
  half = select(size > 0x7f800000, ((size >> 13) & 0x3ff) | 0x7e00, half);
  return __builtin_convertvector((vu)(half | sign_bit), vh);
#endif
}
HEED_INLINE vf load_f16(const uint16_t* from) { return from_f16(load_lanes_of<vh>(from)); }
HEED_INLINE vf load_f16_partial(const uint16_t* from, int n) { return from_f16(load_lanes_of<vh>(from, n)); }
HEED_INLINE void store_f16(uint16_t* to, vf x) {
  vh half = to_f16(x);
  std::memcpy(to, &half, sizeof half);
}
HEED_INLINE void store_f16_partial(uint16_t* to, vf x, int n) { store_lanes_of(to, to_f16(x), n); }

// Bytes (bool, u8) as int32 lanes.
HEED_INLINE vi load_u8(const uint8_t* from) { return convert(load_lanes_of<vb>(from)); }
HEED_INLINE vi load_u8_partial(const uint8_t* from, int n) { return convert(load_lanes_of<vb>(from, n)); }
HEED_INLINE void store_u8(uint8_t* to, vi x) {
  vb bytes = __builtin_convertvector((vu)x, vb);
  std::memcpy(to, &bytes, sizeof bytes);
}
HEED_INLINE void store_u8_partial(uint8_t* to, vi x, int n) { store_lanes_of(to, __builtin_convertvector((vu)x, vb), n); }

}  // namespace HEED_TIER
}  // namespace heed

#include "vector_math.h"
