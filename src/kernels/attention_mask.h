// What a query may see: visible ranges (causal, window, lengths, sparse patterns), additive rows from bias and mask, and dropped weights.
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

// The arguments that the forward and the backward kernel share. A pattern may look at every `step`-th position only: `phase`
// gives the problem of one residue, whose rows and keys are then counted from 0 without gaps.
struct Problem {
  using Four = int64_t[4];
  int64_t B, H, G, T, S, K, V, allT, allS;
  int64_t queryStart, queryStep, keyStart, keyStep;
  Four qStrides{}, kStrides{}, vStrides{}, zStrides{}, biasStrides{}, maskStrides{};
  const float* bias;
  const uint8_t *mask, *marks;
  const int32_t* lengths;
  int64_t offset, window, segment, divide, block;
  List<int64_t> spans;
  const int32_t* marked = nullptr;  // [B allS + 1]: how many marked positions, then these in order
  bool causal, accumulate;
  float scale, cap;
  uint32_t dropped;  // a weight is dropped when its 24 random bits are below this; 0: none
  float kept;        // what kept weights are multiplied by
  uint32_t key[2], stream;

  template <class Arguments>
  explicit Problem(const Arguments& a)
      : B(a.B), H(a.H), G(a.G), T(a.T), S(a.S), K(a.K), V(a.V), allT(a.T), allS(a.S), queryStart(0), queryStep(a.queryStep),
        keyStart(a.keyStart), keyStep(a.keyStep), bias(a.bias.f32()), mask(a.mask.u8()), marks(a.marks.u8()),
        lengths(a.lengths.i32()), offset((a.offset ? a.offset.i32()[0] : a.S - a.T) + a.shift), window(a.window),
        segment(a.segment), divide(a.divide), block(a.block), spans(a.spans), causal(a.causal != 0),
        accumulate(a.accumulate != 0), scale(static_cast<float>(a.scale)), cap(static_cast<float>(a.cap)), dropped(0), kept(1),
        key{0, 0}, stream(static_cast<uint32_t>(a.stream)) {
    const auto copy = [](Four& to, const List<int64_t>& from) {
      for (int64_t i = 0; i < from.size && i < 4; i++) to[i] = from[i];
    };
    copy(qStrides, a.qStrides), copy(kStrides, a.kStrides), copy(vStrides, a.vStrides), copy(zStrides, a.zStrides);
    copy(biasStrides, a.biasStrides), copy(maskStrides, a.maskStrides);
    if (a.dropout > 0 && a.key) {
      const double rate = static_cast<float>(a.dropout), bound = rate * 16777216.0;
      const uint32_t whole = static_cast<uint32_t>(bound < 16777216.0 ? bound : 16777216.0);
      dropped = whole + (whole < bound && whole < 16777216 ? 1 : 0);
      kept = rate < 1 ? static_cast<float>(1.0 / (1.0 - rate)) : 0.0f;
      key[0] = static_cast<uint32_t>(a.key.i32()[0]);
      key[1] = static_cast<uint32_t>(a.key.i32()[1]);
    }
    narrow();
  }

  int64_t phases() const { return queryStep; }
  // The problem of queries r, r + step, … (with more than one phase: and of the keys of the same residue).
  Problem phase(int64_t r) const {
    Problem p = *this;
    p.queryStart = r;
    if (queryStep > 1) p.keyStart += r;
    p.narrow();
    return p;
  }

  // Where a row of this problem lies in memory whose positions are `stride` apart.
  int64_t query_at(int64_t t, int64_t stride) const { return (queryStart + t * queryStep) * stride; }
  int64_t key_at(int64_t s, int64_t stride) const { return (keyStart + s * keyStep) * stride; }
  int64_t logsumexp_at(int64_t b, int64_t h, int64_t t) const { return (b * H + h) * allT + query_at(t, 1); }

  bool additive() const { return bias != nullptr || mask != nullptr; }
  // Scores need more than a positive factor: they are rewritten before the softmax.
  bool rewritten() const { return additive() || cap != 0 || !(scale > 0); }

  int64_t position(int64_t t) const { return offset + t / divide; }
  // Keys that query t of batch b may see by causality and length.
  Range limits(int64_t b, int64_t t) const {
    Range r{0, S};
    if (lengths) r.to = larger(0, smaller(S, (lengths[b] - keyStart + keyStep - 1) / keyStep));
    if (causal) r.to = smaller(r.to, position(t) + 1);
    return r;
  }
  // Keys that query t of batch b sees by causality, window, segment and length; both ends grow with t.
  Range keys(int64_t b, int64_t t) const {
    const int64_t at = position(t);
    Range r = limits(b, t);
    if (window > 0) {
      r.from = larger(0, at - window + 1);
      if (!causal) r.to = smaller(r.to, at + window);
    }
    if (segment > 0) {
      r.from = larger(r.from, at / segment * segment);
      r.to = smaller(r.to, (at / segment + 1) * segment);
    }
    return r;
  }
  // All keys that some query of from..to-1 sees.
  Range keys(int64_t b, int64_t from, int64_t to) const { return {keys(b, from).from, keys(b, to - 1).to}; }
  Range limits(int64_t b, int64_t from, int64_t to) const { return {limits(b, from).from, limits(b, to - 1).to}; }

  // Queries that may see some of the keys from..to-1 by causality, window and segment; no fewer than there are.
  Range queries(int64_t from, int64_t to) const {
    Range r{0, T};
    if (divide != 1) return {causal ? larger(0, (from - offset) * divide) : 0, T};
    if (causal) r.from = larger(r.from, from - offset);
    if (window > 0) {
      if (!causal) r.from = larger(r.from, from - window + 1 - offset);
      r.to = smaller(r.to, to - 1 + window - offset);
    }
    if (segment > 0) {
      r.from = larger(r.from, from / segment * segment - offset);
      r.to = smaller(r.to, ((to - 1) / segment + 1) * segment - offset);
    }
    return r;
  }

  // Marked positions of a batch, in order; every query sees them, and they see every key.
  Range marks_in(int64_t b, int64_t from, int64_t to) const {  // places in the list
    const int32_t* list = marked + b * (allS + 1) + 1;
    const auto place = [&](int64_t x) {
      int64_t low = 0, high = list[-1];
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (list[middle] < x) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return {place(from), place(to)};
  }
  int64_t mark(int64_t b, int64_t place) const { return marked[b * (allS + 1) + 1 + place]; }

  // Calls fn with ranges of keys that cover what queries from..to-1 (of one block, where there are blocks) see.
  template <class F> void each_key_range(int64_t b, int64_t from, int64_t to, F&& fn) const {
    const Range near = keys(b, from, to);
    if (block > 0) return each_listed(from / block, near, fn);
    if (!marked) {
      if (!near.empty()) fn(near);
      return;
    }
    const Range all = limits(b, from, to);
    if (!marks_in(b, from, to).empty()) {
      if (!all.empty()) fn(all);
      return;
    }
    if (!near.empty()) fn(near);
    each_marked(b, Range{all.from, near.empty() ? all.to : smaller(all.to, near.from)}, fn);
    if (!near.empty()) each_marked(b, Range{larger(all.from, near.to), all.to}, fn);
  }
  // Calls fn with ranges of queries that cover those who see some of the keys from..to-1 (of one block).
  template <class F> void each_query_range(int64_t b, int64_t from, int64_t to, F&& fn) const {
    constexpr int64_t unit = 64;
    Range near = queries(from, to);
    near.from = near.from / unit * unit;
    if (marked) near.to = smaller(T, round_up(near.to, unit));
    if (block > 0) return each_listed(from / block, Range{0, T}, fn);
    if (marked && !marks_in(b, from, to).empty()) return fn(Range{0, T});
    if (!near.empty()) fn(near);
    if (!marked) return;
    int64_t done = 0;  // queries before it are dealt with
    const Range all = marks_in(b, 0, T);
    for (int64_t i = all.from; i < all.to; i++) {
      const int64_t at = mark(b, i) / unit * unit;
      if (at < done || (at >= near.from && at < near.to)) continue;
      fn(Range{at, smaller(T, at + unit)});
      done = at + unit;
    }
  }

 private:
  void narrow() {
    T = larger(0, (allT - queryStart + queryStep - 1) / queryStep);
    S = larger(0, (allS - keyStart + keyStep - 1) / keyStep);
  }
  template <class F> void each_listed(int64_t row, Range within, F&& fn) const {
    const int64_t rows = spans[0], *starts = spans.data + 1, *items = starts + rows + 1;
    if (row >= rows) return;
    for (int64_t i = starts[row]; i < starts[row + 1];) {
      int64_t end = i + 1;
      while (end < starts[row + 1] && items[end] == items[end - 1] + 1) end++;
      const Range run{larger(within.from, items[i] * block), smaller(within.to, (items[end - 1] + 1) * block)};
      if (!run.empty()) fn(run);
      i = end;
    }
  }
  template <class F> void each_marked(int64_t b, Range within, F&& fn) const {
    if (within.empty()) return;
    const Range places = marks_in(b, within.from, within.to);
    for (int64_t i = places.from; i < places.to;) {
      const int64_t first = mark(b, i);
      int64_t last = first;
      for (; i < places.to && mark(b, i) < first + 64; i++) last = mark(b, i);
      fn(Range{first, last + 1});
    }
  }
};

// Room that the list of marked positions needs, and the list.
inline size_t marks_bytes(const Problem& p) { return p.marks ? static_cast<size_t>(p.B * (p.allS + 1)) * 4 : 0; }
inline void list_marks(Problem& p, void* memory) {
  if (!p.marks) return;
  int32_t* list = static_cast<int32_t*>(memory);
  for (int64_t b = 0; b < p.B; b++) {
    int32_t* row = list + b * (p.allS + 1);
    int32_t count = 0;
    for (int64_t s = 0; s < p.allS; s++)
      if (p.marks[b * p.allS + s]) row[++count] = static_cast<int32_t>(s);
    row[0] = count;
  }
  p.marked = list;
}

// Writes bias + (mask ? 0 : -Infinity), in units of log 2, for one query and keys from..from+count-1.
inline void additive_row(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t from, int64_t count, float* out) {
  if (p.bias) {
    const int64_t* s = p.biasStrides;
    const float* row = p.bias + b * s[0] + h * s[1] + p.query_at(t, s[2]) + p.key_at(from, s[3]);
    const int64_t step = s[3] * p.keyStep;
    if (step == 1)
      for (int64_t j = 0; j < count; j++) out[j] = row[j] * log2e;
    else
      for (int64_t j = 0; j < count; j++) out[j] = row[j * step] * log2e;
  } else {
    for (int64_t j = 0; j < count; j++) out[j] = 0;
  }
  if (!p.mask) return;
  const int64_t* s = p.maskStrides;
  const uint8_t* row = p.mask + b * s[0] + h * s[1] + p.query_at(t, s[2]) + p.key_at(from, s[3]);
  const int64_t step = s[3] * p.keyStep;
  if (step == 1)
    for (int64_t j = 0; j < count; j++) out[j] = row[j] ? out[j] : -infinity;
  else
    for (int64_t j = 0; j < count; j++) out[j] = row[j * step] ? out[j] : -infinity;
}

// Whether mask and bias leave any of these queries any of these keys.
inline bool any_visible(const Problem& p, int64_t b, int64_t h, int64_t t, int64_t rows, Range keys) {
  const int64_t count = keys.to - keys.from;
  const auto seen = [&](auto* base, const int64_t* s, auto visible) {
    const int64_t last = s[2] == 0 ? 1 : rows, most = s[3] == 0 ? 1 : count;
    for (int64_t i = 0; i < last; i++) {
      const auto* row = base + b * s[0] + h * s[1] + p.query_at(t + i, s[2]) + p.key_at(keys.from, s[3]);
      for (int64_t j = 0; j < most; j++)
        if (visible(row[j * s[3] * p.keyStep])) return true;
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
