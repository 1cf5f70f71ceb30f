// What a reduction does with lanes: merge a block into running lanes, fold rows of lanes into one, combine parts, write the result.
#pragma once
#include "generated/table.h"
#include "machine_operand.h"

namespace heed {
namespace HEED_TIER {
namespace reduction {

template <class V> struct WordOf;
template <> struct WordOf<vf> {
  using Word = float;
};
template <> struct WordOf<vi> {
  using Word = int32_t;
};

// Each operation: its neutral element, and the step on lanes, numbers and doubles. Any and All count 1 for what is not 0.
struct Sum {
  static constexpr double neutral = 0;
  static vf step(vf a, vf x) { return a + x; }
  static vi step(vi a, vi x) { return (vi)((vu)a + (vu)x); }
  static float step(float a, float x) { return a + x; }
  static double step(double a, double x) { return a + x; }
  static int32_t step(int32_t a, int32_t x) { return int32_t(uint32_t(a) + uint32_t(x)); }
};
struct Prod {
  static constexpr double neutral = 1;
  static vf step(vf a, vf x) { return a * x; }
  static vi step(vi a, vi x) { return (vi)((vu)a * (vu)x); }
  static float step(float a, float x) { return a * x; }
  static double step(double a, double x) { return a * x; }
  static int32_t step(int32_t a, int32_t x) { return int32_t(uint32_t(a) * uint32_t(x)); }
};
struct Max {
  static constexpr double neutral = -__builtin_inf();
  template <class V> static V step(V a, V x) {
    if constexpr (sizeof(V) == sizeof(vf)) return max(a, x);
    else return a > x || a != a ? a : x;
  }
};
struct Min {
  static constexpr double neutral = __builtin_inf();
  template <class V> static V step(V a, V x) {
    if constexpr (sizeof(V) == sizeof(vf)) return min(a, x);
    else return a < x || a != a ? a : x;
  }
};
struct Any {
  static constexpr double neutral = 0;
  static vf step(vf a, vf x) { return select((a != 0.0f) | (x != 0.0f), splat(1.0f), vf{}); }
  static vi step(vi a, vi x) { return to_bool((a | x) != 0); }
  template <class T> static T step(T a, T x) { return a != 0 || x != 0; }
};
struct All {
  static constexpr double neutral = 1;
  static vf step(vf a, vf x) { return select((a != 0.0f) & (x != 0.0f), splat(1.0f), vf{}); }
  static vi step(vi a, vi x) { return to_bool((a != 0) & (x != 0)); }
  template <class T> static T step(T a, T x) { return a != 0 && x != 0; }
};

inline void put_word(const reduce_args& a, int64_t at, double value, int32_t whole, bool floats) {
  if (a.outputType == I32) {
    a.output.i32()[at] = whole;
  } else if (a.outputType == F32) {
    a.output.f32()[at] = float(value);
  } else if (a.outputType == BOOL || a.outputType == U8) {
    a.output.u8()[at] = uint8_t(floats ? value != 0 : a.outputType == BOOL ? whole != 0 : whole);
  } else {
    const vf x = splat(float(value));
    a.output.u16()[at] = a.outputType == BF16 ? to_bf16(x)[0] : to_f16(x)[0];
  }
}
HEED_INLINE void put_value(const reduce_args& a, int64_t at, float value) {
  if (a.outputType == F32) a.output.f32()[at] = value;
  else put_word(a, at, value, a.outputType == I32 ? to_int(splat(value))[0] : 0, true);
}
HEED_INLINE void put_value(const reduce_args& a, int64_t at, double value) { put_value(a, at, float(value)); }
HEED_INLINE void put_value(const reduce_args& a, int64_t at, int32_t value) { put_word(a, at, value, value, false); }

// The reduction of nothing: the neutral element (0 for a place).
inline void put_empty(const reduce_args& a) {
  constexpr double neutral[] = {0, -__builtin_inf(), __builtin_inf(), 1, 0, 0, 0, 1};
  const double value = a.kind >= 0 && a.kind < 8 ? neutral[a.kind] : 0;
  const int32_t whole = value > 2147483647.0 ? 2147483647 : value < -2147483648.0 ? -2147483647 - 1 : int32_t(value);
  for (int64_t at = 0; at < a.outer * a.inner; at++) put_word(a, at, value, whole, false);
}

HEED_INLINE vf broadcast(vf, float x) { return splat(x); }
HEED_INLINE vi broadcast(vi, int32_t x) { return splat(x); }

// Values only.
template <class V, class Operation> struct Fold {
  using Word = typename WordOf<V>::Word;
  static constexpr bool places = false;

  static constexpr Word neutral() {
    if constexpr (std::is_same_v<Word, float>) return float(Operation::neutral);
    else return Operation::neutral > 2e9 ? 2147483647 : Operation::neutral < -2e9 ? -2147483647 - 1 : Word(Operation::neutral);
  }

  static void merge(Word* total, int32_t*, const Word* block, const int32_t*, int32_t, int64_t lanes, bool first) {
    if (first) {
      std::memcpy(total, block, size_t(lanes) * 4);
      return;
    }
    int64_t i = 0;
    for (; i + W <= lanes; i += W) store(total + i, Operation::step(load(total + i), load(block + i)));
    for (; i < lanes; i++) total[i] = Operation::step(total[i], block[i]);
  }

  // rows × width lanes into width results, handed to put(i, value, 0).
  template <class Put> static void fold(const Word* x, const int32_t*, int64_t rows, int64_t width, Put put) {
    if (width == 1) return put(int64_t(0), fold_run(x, rows), 0);
    int64_t i = 0;
    for (; i + W <= width; i += W) {
      V total = broadcast(V{}, neutral());
      for (int64_t j = 0; j < rows; j++) total = Operation::step(total, load(x + j * width + i));
      for (int k = 0; k < W; k++) put(i + k, Word(total[k]), 0);
    }
    for (; i < width; i++) {
      Word total = neutral();
      for (int64_t j = 0; j < rows; j++) total = Operation::step(total, x[j * width + i]);
      put(i, total, 0);
    }
  }

  static Word fold_run(const Word* x, int64_t n) {
    V total[4];
    HEED_UNROLL for (int k = 0; k < 4; k++) total[k] = broadcast(V{}, neutral());
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W)
      HEED_UNROLL for (int k = 0; k < 4; k++) total[k] = Operation::step(total[k], load(x + i + k * W));
    for (; i + W <= n; i += W) total[0] = Operation::step(total[0], load(x + i));
    if (i < n) {
      const V last = load_partial(x + i, int(n - i));
      total[1] = Operation::step(total[1], lane_numbers() < int(n - i) ? last : broadcast(V{}, neutral()));
    }
    const V one = Operation::step(Operation::step(total[0], total[1]), Operation::step(total[2], total[3]));
    Word lane[W];
    store(lane, one);
    for (int half = W / 2; half > 0; half /= 2)
      for (int k = 0; k < half; k++) lane[k] = Operation::step(lane[k], lane[k + half]);
    return lane[0];
  }

  // The same column of `parts` rows that are `stride` apart, for width <= 64 columns; floats are added in double.
  template <class Put>
  static void combine(const Word* x, const int32_t*, int64_t parts, int64_t stride, int64_t width, Put put) {
    using Wide = std::conditional_t<std::is_same_v<Word, float>, double, Word>;
    Wide total[64];
    for (int64_t i = 0; i < width; i++) total[i] = x[i];
    for (int64_t j = 1; j < parts; j++)
      for (int64_t i = 0; i < width; i++) total[i] = Operation::step(total[i], Wide(x[j * stride + i]));
    for (int64_t i = 0; i < width; i++) put(i, total[i], 0);
  }

  template <class Value> static void put(const reduce_args& a, int64_t at, Value value, int32_t) {
    put_value(a, at, value);
  }
};

// Where the largest (or smallest) value is: the first of equals; NaN beats every number.
template <class V, bool Largest> struct Place {
  using Word = typename WordOf<V>::Word;
  static constexpr bool places = true;

  // x is better than what stood before it.
  template <class T> HEED_INLINE static auto better(T x, T best) {
    if constexpr (std::is_same_v<V, vf>) {
      if constexpr (sizeof(T) == sizeof(V)) return ((Largest ? x > best : x < best) | (x != x)) & (best == best);
      else return (Largest ? x > best : x < best) || (x != x && best == best);
    } else {
      return Largest ? x > best : x < best;
    }
  }
  static bool better(Word x, int32_t place, Word best, int32_t best_place) {
    return better(x, best) || (!better(best, x) && place < best_place);
  }

  static void merge(Word* total, int32_t* place, const Word* block, const int32_t* row_of, int32_t row, int64_t lanes, bool first) {
    for (int64_t i = 0; i < lanes; i += W) {
      const int n = lanes - i < W ? int(lanes - i) : W;
      const V x = load_partial(block + i, n);
      const vi rows = load(row_of + i) + row;
      if (first) {
        store_partial(total + i, x, n);
        store_partial(place + i, rows, n);
        continue;
      }
      const V best = load_partial(total + i, n);
      const vi mask = better(x, best);
      store_partial(total + i, select(mask, x, best), n);
      store_partial(place + i, select(mask, rows, load_partial(place + i, n)), n);
    }
  }

  // place: the rows that the lanes came from, or null for the lanes' own rows.
  template <class Put> static void fold(const Word* x, const int32_t* place, int64_t rows, int64_t width, Put put) {
    const auto row_at = [&](int64_t lane, int64_t row) { return place ? place[lane] : int32_t(row); };
    if (width == 1) {
      Word value[W];
      int32_t where[W];
      int64_t i = W;
      int lanes = W;
      if (rows < W) {
        lanes = int(rows);
        for (int k = 0; k < lanes; k++) value[k] = x[k], where[k] = row_at(k, k);
      } else {
        V best = load(x);
        vi at = place ? load(place) : lane_numbers();
        for (; i + W <= rows; i += W) {
          const V next = load(x + i);
          const vi next_at = place ? load(place + i) : lane_numbers() + int32_t(i);
          // equal values of later blocks can stand for earlier rows only when places are given
          const vi same = ~(better(next, best) | better(best, next)) & (next_at < at);
          const vi mask = better(next, best) | same;
          best = select(mask, next, best);
          at = select(mask, next_at, at);
        }
        store(value, best);
        store(where, at);
      }
      Word best = value[0];
      int32_t best_at = where[0];
      const auto offer = [&](Word candidate, int32_t at) {
        if (better(candidate, at, best, best_at)) best = candidate, best_at = at;
      };
      for (int k = 1; k < lanes; k++) offer(value[k], where[k]);
      if (lanes == W)
        for (; i < rows; i++) offer(x[i], row_at(i, i));
      return put(int64_t(0), best, best_at);
    }
    for (int64_t i = 0; i < width; i++) {
      Word best = x[i];
      int32_t best_at = row_at(i, 0);
      for (int64_t j = 1; j < rows; j++) {
        const int64_t lane = j * width + i;
        if (better(x[lane], row_at(lane, j), best, best_at)) best = x[lane], best_at = row_at(lane, j);
      }
      put(i, best, best_at);
    }
  }

  template <class Put>
  static void combine(const Word* x, const int32_t* place, int64_t parts, int64_t stride, int64_t width, Put put) {
    for (int64_t i = 0; i < width; i++) {
      int64_t best = i;
      for (int64_t j = 1; j < parts; j++)
        if (better(x[j * stride + i], x[best])) best = j * stride + i;
      put(i, x[best], place[best]);
    }
  }

  template <class Value> static void put(const reduce_args& a, int64_t at, Value, int32_t place) {
    put_value(a, at, place);
  }
};

}  // namespace reduction
}  // namespace HEED_TIER
}  // namespace heed
