// What a query may see: visible ranges (causal, window, lengths), additive rows from bias and mask, and dropped weights.
// Scores are kept in units of log 2 (score · log2 e), so that exp is a bare power of two.
#pragma once
#include <utility>

#include "generated/table.h"
#include "vector.h"

namespace heed {
namespace HEED_TIER {
namespace streaming {

constexpr float log2e = 1.4426950408889634f, ln2 = 0.6931471805599453f;
constexpr float infinity = __builtin_inff();

using HEED_TIER::larger;
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

inline vu splat_bits(uint32_t x) { return vu{} + x; }

// Half-open range of keys.
struct Range {
  int64_t from, to;
  bool empty() const { return from >= to; }
};

// The arguments that the forward and the backward kernel share.
struct Problem {
  int64_t B, H, G, T, S, K, V;
  const int64_t *qStrides, *kStrides, *vStrides, *zStrides, *biasStrides, *maskStrides;
  const float* bias;
  const uint8_t* mask;
  const int32_t* lengths;
  int64_t offset, window;
  bool causal;
  float scale, cap;
  uint32_t dropped;  // a weight is dropped when its 24 random bits are below this; 0: none
  float kept;        // what kept weights are multiplied by
  uint32_t key[2], stream;

  template <class Arguments>
  explicit Problem(const Arguments& a)
      : B(a.B), H(a.H), G(a.G), T(a.T), S(a.S), K(a.K), V(a.V), qStrides(a.qStrides.data), kStrides(a.kStrides.data),
        vStrides(a.vStrides.data), zStrides(a.zStrides.data), biasStrides(a.biasStrides.data),
        maskStrides(a.maskStrides.data), bias(a.bias.f32()), mask(a.mask.u8()), lengths(a.lengths.i32()),
        offset(a.offset ? a.offset.i32()[0] : a.S - a.T), window(a.window), causal(a.causal != 0),
        scale(static_cast<float>(a.scale)), cap(static_cast<float>(a.cap)), dropped(0), kept(1), key{0, 0},
        stream(static_cast<uint32_t>(a.stream)) {
    if (a.dropout > 0 && a.key) {
      const double rate = static_cast<float>(a.dropout), bound = rate * 16777216.0;
      const uint32_t whole = static_cast<uint32_t>(bound < 16777216.0 ? bound : 16777216.0);
      dropped = whole + (whole < bound && whole < 16777216 ? 1 : 0);
      kept = rate < 1 ? static_cast<float>(1.0 / (1.0 - rate)) : 0.0f;
      key[0] = static_cast<uint32_t>(a.key.i32()[0]);
      key[1] = static_cast<uint32_t>(a.key.i32()[1]);
    }
  }

  bool additive() const { return bias != nullptr || mask != nullptr; }
  // Scores need more than a positive factor: they are rewritten before the softmax.
  bool rewritten() const { return additive() || cap != 0 || !(scale > 0); }

  // Keys that query t of batch b sees by causality, window and length; both ends grow with t.
  Range keys(int64_t b, int64_t t) const {
    const int64_t position = offset + t;
    Range r{0, lengths ? larger(0, smaller(S, lengths[b])) : S};
    if (causal) r.to = smaller(r.to, position + 1);
    if (window > 0) {
      r.from = larger(0, position - window + 1);
      if (!causal) r.to = smaller(r.to, position + window);
    }
    return r;
  }
  // All keys that some query of from..to-1 sees.
  Range keys(int64_t b, int64_t from, int64_t to) const { return {keys(b, from).from, keys(b, to - 1).to}; }
};

// Writes bias + (mask ? 0 : -Infinity), in units of log 2, for one query and keys from..from+count-1.
inline void additive_row(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t from, int64_t count, float* out) {
  if (p.bias) {
    const int64_t* s = p.biasStrides;
    const float* row = p.bias + b * s[0] + h * s[1] + t * s[2] + from * s[3];
    if (s[3] == 1)
      for (int64_t j = 0; j < count; j++) out[j] = row[j] * log2e;
    else
      for (int64_t j = 0; j < count; j++) out[j] = row[j * s[3]] * log2e;
  } else {
    for (int64_t j = 0; j < count; j++) out[j] = 0;
  }
  if (!p.mask) return;
  const int64_t* s = p.maskStrides;
  const uint8_t* row = p.mask + b * s[0] + h * s[1] + t * s[2] + from * s[3];
  if (s[3] == 1)
    for (int64_t j = 0; j < count; j++) out[j] = row[j] ? out[j] : -infinity;
  else
    for (int64_t j = 0; j < count; j++) out[j] = row[j * s[3]] ? out[j] : -infinity;
}

// Whether mask and bias leave any of these queries any of these keys.
inline bool any_visible(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t rows, Range keys) {
  const int64_t count = keys.to - keys.from;
  const auto seen = [&](auto* base, const int64_t* s, auto visible) {
    const int64_t last = s[2] == 0 ? 1 : rows, most = s[3] == 0 ? 1 : count;
    for (int64_t i = 0; i < last; i++) {
      const auto* row = base + b * s[0] + h * s[1] + (t + i) * s[2] + keys.from * s[3];
      for (int64_t j = 0; j < most; j++)
        if (visible(row[j * s[3]])) return true;
    }
    return false;
  };
  if (p.mask && !seen(p.mask, p.maskStrides, [](uint8_t x) { return x != 0; })) return false;
  return !p.bias || seen(p.bias, p.biasStrides, [](float x) { return !(x == -infinity); });
}

// A value at an address of any alignment.
template <class T> struct __attribute__((packed, may_alias)) Anywhere {
  T value;
};
template <class T> HEED_INLINE T read(const void* at) { return static_cast<const Anywhere<T>*>(at)->value; }
template <class T> HEED_INLINE void write(void* at, T x) { static_cast<Anywhere<T>*>(at)->value = x; }

// Lanes of a and b in turn: of their low halves, of their high halves.
template <size_t... I> HEED_INLINE vu weave_low(vu a, vu b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 ? W + I / 2 : I / 2)...);
}
template <size_t... I> HEED_INLINE vu weave_high(vu a, vu b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 ? W + W / 2 + I / 2 : W / 2 + I / 2)...);
}
HEED_INLINE vu weave_low(vu a, vu b) { return weave_low(a, b, std::make_index_sequence<W>()); }
HEED_INLINE vu weave_high(vu a, vu b) { return weave_high(a, b, std::make_index_sequence<W>()); }

// High and low halves of 32 × 32 bit products.
inline void multiply_wide(vu a, uint32_t b, vu& high, vu& low) {
#if defined(__AVX512F__)
  const __m512i x = reinterpret_cast<__m512i>(a), y = _mm512_set1_epi32(static_cast<int>(b));
  const __m512i even = _mm512_mul_epu32(x, y), odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), y);
  high = reinterpret_cast<vu>(_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd));
  low = reinterpret_cast<vu>(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)));
#else
  for (int i = 0; i < W; i++) {
    const uint64_t product = static_cast<uint64_t>(a[i]) * b;
    high[i] = static_cast<uint32_t>(product >> 32);
    low[i] = static_cast<uint32_t>(product);
  }
#endif
}

// Random bits of keys from..from+count-1 of one query: Philox-4x32-10 (Salmon et al., 2011) of the weight's position among
// all [B H T S] weights. `out` has room for round_up(count + 3, 4 W) words; the result starts where the return value points.
inline const uint32_t* random_row(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t from, int64_t count,
                                  uint32_t* out) {
  const uint64_t first = static_cast<uint64_t>(((b * p.H + h) * p.T + t) * p.S + from);
  const int64_t skipped = static_cast<int64_t>(first & 3), groups = (skipped + count + 3) / 4;
  for (int64_t g = 0; g < groups; g += W) {
    const uint32_t group = static_cast<uint32_t>(first / 4 + static_cast<uint64_t>(g));
    vu c0 = reinterpret_cast<vu>(lane_numbers()) + group, c1 = splat_bits(p.stream), c2{}, c3{};
    uint32_t k0 = p.key[0], k1 = p.key[1];
    for (int round = 0; round < 10; round++) {
      vu high0, low0, high1, low1;
      multiply_wide(c0, 0xd2511f53u, high0, low0);
      multiply_wide(c2, 0xcd9e8d57u, high1, low1);
      c0 = high1 ^ c1 ^ k0;
      c2 = high0 ^ c3 ^ k1;
      c1 = low1;
      c3 = low0;
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
    uint32_t* at = out + g * 4;
    const vu even0 = weave_low(c0, c2), even1 = weave_high(c0, c2), odd0 = weave_low(c1, c3), odd1 = weave_high(c1, c3);
    write(at, weave_low(even0, odd0));
    write(at + W, weave_high(even0, odd0));
    write(at + 2 * W, weave_low(even1, odd1));
    write(at + 3 * W, weave_high(even1, odd1));
  }
  return out + skipped;
}

}  // namespace streaming
}  // namespace HEED_TIER
}  // namespace heed
