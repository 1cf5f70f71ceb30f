// The AVX-512 instructions of the kernels in plain loops, so that the widest tier can be tested on a machine without them: every
// intrinsic that src/kernels uses, lane by lane as Intel's manual defines it. See emulate-avx512.sh; never part of a build.
#pragma once
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512VL__ 1
#define __AVX512DQ__ 1
#define __AVX512BF16__ 1
#define HEED_EMULATED 1

namespace emulated {

// The lanes of a vector (or of memory) as T.
template <class T, class V> struct Lanes {
  static constexpr int count = sizeof(V) / sizeof(T);
  T x[count];
  explicit Lanes(const V& v) { std::memcpy(x, &v, sizeof v); }
  Lanes() : x{} {}
  operator V() const {
    V v;
    std::memcpy(&v, x, sizeof v);
    return v;
  }
};
template <class T, class V, class F> V each(F f) {
  Lanes<T, V> out;
  for (int i = 0; i < out.count; i++) out.x[i] = f(i);
  return out;
}
using Floats = Lanes<float, __m512>;
template <class F> __m512 floats(__m512 a, F f) {
  const Floats x(a);
  return each<float, __m512>([&](int i) { return f(x.x[i]); });
}
template <class F> __m512 floats(__m512 a, __m512 b, F f) {
  const Floats x(a), y(b);
  return each<float, __m512>([&](int i) { return f(x.x[i], y.x[i]); });
}

inline __m512 add_ps(__m512 a, __m512 b) { return floats(a, b, [](float x, float y) { return x + y; }); }
// The second operand when either is NaN.
inline __m512 max_ps(__m512 a, __m512 b) { return floats(a, b, [](float x, float y) { return x > y ? x : y; }); }
inline __m512 min_ps(__m512 a, __m512 b) { return floats(a, b, [](float x, float y) { return x < y ? x : y; }); }
inline __m512 sqrt_ps(__m512 a) { return floats(a, [](float x) { return std::sqrt(x); }); }
inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const Floats x(a), y(b), z(c);
  return each<float, __m512>([&](int i) { return std::fma(x.x[i], y.x[i], z.x[i]); });
}
inline __m512 roundscale_ps(__m512 a, int how) {
  return floats(a, [&](float x) { return (how & 3) == _MM_FROUND_TO_NEG_INF ? std::floor(x) : std::nearbyint(x); });
}
// x - floor(x); 0 for infinities.
inline __m512 reduce_ps(__m512 a, int) {
  return floats(a, [](float x) { return std::isinf(x) ? 0.0f : x - std::floor(x); });
}
// a · 2^floor(b)
inline __m512 scalef_ps(__m512 a, __m512 b) {
  return floats(a, b, [](float x, float y) {
    if (std::isnan(x) || std::isnan(y)) return x + y;
    if (std::isinf(y)) return y > 0 ? x * y : x * 0.0f;
    const float n = std::floor(y);
    return std::ldexp(x, n > 400 ? 400 : n < -400 ? -400 : int(n));
  });
}
inline float reduce_max_ps(__m512 a) {
  const Floats x(a);
  float best = x.x[0];
  for (float one : x.x) best = one > best ? one : best;
  return best;
}
inline __mmask16 cmp_ps_mask(__m512 a, __m512 b, int) {  // unordered only
  const Floats x(a), y(b);
  unsigned mask = 0;
  for (int i = 0; i < 16; i++) mask |= unsigned(std::isnan(x.x[i]) || std::isnan(y.x[i])) << i;
  return __mmask16(mask);
}
inline __m512 set1_ps(float x) { return each<float, __m512>([&](int) { return x; }); }
inline __m512 setzero_ps() { return set1_ps(0); }
inline __m512i set1_epi32(int x) { return each<int32_t, __m512i>([&](int) { return x; }); }
inline __m512i cvttps_epi32(__m512 a) {
  const Floats x(a);
  return each<int32_t, __m512i>([&](int i) { return x.x[i] >= -2147483648.0f && x.x[i] < 2147483648.0f ? int32_t(x.x[i]) : INT32_MIN; });
}

// ---- memory

template <class T, class V> V load_masked(unsigned mask, const void* from) {
  return each<T, V>([&](int i) {
    T x{};
    if (mask >> i & 1) std::memcpy(&x, static_cast<const T*>(from) + i, sizeof x);
    return x;
  });
}
template <class T, class V> void store_masked(void* to, unsigned mask, V v) {
  const Lanes<T, V> x(v);
  for (int i = 0; i < x.count; i++)
    if (mask >> i & 1) std::memcpy(static_cast<T*>(to) + i, &x.x[i], sizeof(T));
}
inline __m512 maskz_loadu_ps(__mmask16 mask, const void* from) { return load_masked<float, __m512>(mask, from); }
inline __m512i maskz_loadu_epi32(__mmask16 mask, const void* from) { return load_masked<int32_t, __m512i>(mask, from); }
inline __m512i maskz_loadu_epi16(__mmask32 mask, const void* from) { return load_masked<uint16_t, __m512i>(mask, from); }
inline __m256i maskz_loadu_epi16_256(__mmask16 mask, const void* from) { return load_masked<uint16_t, __m256i>(mask, from); }
inline void mask_storeu_ps(void* to, __mmask16 mask, __m512 x) { store_masked<float>(to, mask, x); }
inline void mask_storeu_epi32(void* to, __mmask16 mask, __m512i x) { store_masked<int32_t>(to, mask, x); }
inline void mask_storeu_epi16_256(void* to, __mmask16 mask, __m256i x) { store_masked<uint16_t>(to, mask, x); }
inline __m512i load_si512(const void* from) { return load_masked<int32_t, __m512i>(0xffff, from); }

// ---- integers and parts

inline __m512i or_si512(__m512i a, __m512i b) { return a | b; }
inline __m512i slli_epi32(__m512i a, int n) {
  const Lanes<uint32_t, __m512i> x(a);
  return each<uint32_t, __m512i>([&](int i) { return x.x[i] << n; });
}
inline __m512i slli_epi64(__m512i a, int n) {
  const Lanes<uint64_t, __m512i> x(a);
  return each<uint64_t, __m512i>([&](int i) { return x.x[i] << n; });
}
inline __m512i srli_epi64(__m512i a, int n) {
  const Lanes<uint64_t, __m512i> x(a);
  return each<uint64_t, __m512i>([&](int i) { return x.x[i] >> n; });
}
inline __m512i mul_epu32(__m512i a, __m512i b) {
  const Lanes<uint64_t, __m512i> x(a), y(b);
  return each<uint64_t, __m512i>([&](int i) { return (x.x[i] & 0xffffffff) * (y.x[i] & 0xffffffff); });
}
inline __m512i mask_blend_epi32(__mmask16 mask, __m512i a, __m512i b) {
  const Lanes<int32_t, __m512i> x(a), y(b);
  return each<int32_t, __m512i>([&](int i) { return mask >> i & 1 ? y.x[i] : x.x[i]; });
}
inline __mmask16 test_epi32_mask(__m512i a, __m512i b) {
  const Lanes<uint32_t, __m512i> x(a), y(b);
  unsigned mask = 0;
  for (int i = 0; i < 16; i++) mask |= unsigned((x.x[i] & y.x[i]) != 0) << i;
  return __mmask16(mask);
}
inline __m512i cvtepu16_epi32(__m256i a) {
  const Lanes<uint16_t, __m256i> x(a);
  return each<uint32_t, __m512i>([&](int i) { return uint32_t(x.x[i]); });
}
inline __m512i permutexvar_epi16(__m512i index, __m512i a) {
  const Lanes<uint16_t, __m512i> n(index), x(a);
  return each<uint16_t, __m512i>([&](int i) { return x.x[n.x[i] & 31]; });
}
template <class Half, class V> Half half_of(const V& v, int which) {
  Half half;
  std::memcpy(&half, reinterpret_cast<const char*>(&v) + 32 * which, 32);
  return half;
}
inline __m256 castps512_ps256(__m512 a) { return half_of<__m256>(a, 0); }
inline __m256i castsi512_si256(__m512i a) { return half_of<__m256i>(a, 0); }
inline __m256d extractf64x4_pd(__m512d a, int which) { return half_of<__m256d>(a, which); }
inline __m256i extracti64x4_epi64(__m512i a, int which) { return half_of<__m256i>(a, which); }
inline __m512i inserti64x4(__m512i a, __m256i half, int which) {
  std::memcpy(reinterpret_cast<char*>(&a) + 32 * which, &half, 32);
  return a;
}
inline __m512i castsi256_si512(__m256i a) { return inserti64x4(__m512i{}, a, 0); }

// ---- half precision

inline __m512 cvtph_ps(__m256i a) {
  __m512 out;
  const __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(a)), high = _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1));
  std::memcpy(&out, &low, 32);
  std::memcpy(reinterpret_cast<char*>(&out) + 32, &high, 32);
  return out;
}
inline __m256i cvtps_ph(__m512 a, int) {
  return _mm256_set_m128i(_mm256_cvtps_ph(half_of<__m256>(a, 1), 0), _mm256_cvtps_ph(half_of<__m256>(a, 0), 0));
}
inline float without_denormals(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }
inline uint16_t short_of(float number) {
  const float x = without_denormals(number);
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if (std::isnan(x)) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float long_of(uint16_t x) {
  const uint32_t bits = uint32_t(x) << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return without_denormals(out);
}
inline __m256bh cvtneps_pbh(__m512 a) {
  const Floats x(a);
  return each<uint16_t, __m256bh>([&](int i) { return short_of(x.x[i]); });
}
inline __m512bh cvtne2ps_pbh(__m512 high, __m512 low) {
  const Floats x(high), y(low);
  return each<uint16_t, __m512bh>([&](int i) { return short_of(i < 16 ? y.x[i] : x.x[i - 16]); });
}
// The odd pair is added first.
inline __m512 dpbf16_ps(__m512 sums, __m512bh a, __m512bh b) {
  const Floats c(sums);
  const Lanes<uint16_t, __m512bh> x(a), y(b);
  return each<float, __m512>([&](int i) {
    const float odd = without_denormals(std::fma(long_of(x.x[2 * i + 1]), long_of(y.x[2 * i + 1]), without_denormals(c.x[i])));
    return without_denormals(std::fma(long_of(x.x[2 * i]), long_of(y.x[2 * i]), odd));
  });
}

}  // namespace emulated

#define _mm512_add_ps emulated::add_ps
#define _mm512_castps512_ps256 emulated::castps512_ps256
#define _mm512_castsi256_si512 emulated::castsi256_si512
#define _mm512_castsi512_si256 emulated::castsi512_si256
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask emulated::cmp_ps_mask
#define _mm512_cvtepu16_epi32 emulated::cvtepu16_epi32
#define _mm512_cvtne2ps_pbh emulated::cvtne2ps_pbh
#define _mm512_cvtneps_pbh emulated::cvtneps_pbh
#define _mm512_cvtph_ps emulated::cvtph_ps
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph emulated::cvtps_ph
#define _mm512_cvttps_epi32 emulated::cvttps_epi32
#define _mm512_dpbf16_ps emulated::dpbf16_ps
#undef _mm512_extractf64x4_pd
#define _mm512_extractf64x4_pd emulated::extractf64x4_pd
#undef _mm512_extracti64x4_epi64
#define _mm512_extracti64x4_epi64 emulated::extracti64x4_epi64
#define _mm512_fmadd_ps emulated::fmadd_ps
#undef _mm512_inserti64x4
#define _mm512_inserti64x4 emulated::inserti64x4
#define _mm512_load_si512 emulated::load_si512
#define _mm512_mask_blend_epi32 emulated::mask_blend_epi32
#define _mm512_mask_storeu_epi32 emulated::mask_storeu_epi32
#define _mm512_mask_storeu_ps emulated::mask_storeu_ps
#define _mm256_mask_storeu_epi16 emulated::mask_storeu_epi16_256
#define _mm512_maskz_loadu_epi16 emulated::maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16 emulated::maskz_loadu_epi16_256
#define _mm512_maskz_loadu_epi32 emulated::maskz_loadu_epi32
#define _mm512_maskz_loadu_ps emulated::maskz_loadu_ps
#define _mm512_max_ps emulated::max_ps
#define _mm512_min_ps emulated::min_ps
#define _mm512_mul_epu32 emulated::mul_epu32
#define _mm512_or_si512 emulated::or_si512
#define _mm512_permutexvar_epi16 emulated::permutexvar_epi16
#define _mm512_reduce_max_ps emulated::reduce_max_ps
#undef _mm512_reduce_ps
#define _mm512_reduce_ps emulated::reduce_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emulated::roundscale_ps
#define _mm512_scalef_ps emulated::scalef_ps
#define _mm512_set1_epi32 emulated::set1_epi32
#define _mm512_set1_ps emulated::set1_ps
#define _mm512_setzero_ps emulated::setzero_ps
#define _mm512_slli_epi32 emulated::slli_epi32
#define _mm512_slli_epi64 emulated::slli_epi64
#define _mm512_sqrt_ps emulated::sqrt_ps
#define _mm512_srli_epi64 emulated::srli_epi64
#define _mm512_test_epi32_mask emulated::test_epi32_mask
