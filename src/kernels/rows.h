// Loops over the rows of [N C]: threads by groups of rows, vectors along a row, sums of a row in a fixed order.
#pragma once
#include "vector.h"

namespace heed {
namespace HEED_TIER {
namespace rows {

// n lanes, n <= W.
HEED_INLINE vf load(const float* from, int n) { return n == W ? HEED_TIER::load(from) : load_partial(from, n); }
HEED_INLINE void store(float* to, vf x, int n) {
  if (n == W) HEED_TIER::store(to, x);
  else store_partial(to, x, n);
}

// Rows of one chunk: enough numbers for a thread; `effort`: how many passes over a row the work is worth.
inline int64_t rows_together(int64_t rows, int64_t size, int64_t effort) {
  if (rows * size * effort <= 32768) return rows;
  const int64_t together = 16384 / (size * effort > 0 ? size * effort : 1);
  return together > 1 ? together : 1;
}

// body(row, thread) for every row.
template <class Body> HEED_INLINE void parallel(Context& context, int64_t rows, int64_t size, int64_t effort, Body body) {
  if (rows == 0) return;
  const int64_t together = rows_together(rows, size, effort);
  context.parallel_stretches((rows + together - 1) / together, [&](int64_t chunk, int thread) {
    const int64_t end = (chunk + 1) * together < rows ? (chunk + 1) * together : rows;
    for (int64_t row = chunk * together; row < end; row++) body(row, thread);
  });
}

// body(i, n) for every vector of a row: n lanes from i.
template <class Body> HEED_INLINE void each(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + W <= size; i += W) body(i, W);
  if (i < size) body(i, int(size - i));
}

HEED_INLINE vf keep_lanes(vf x, int n) { return select(lane_numbers() < n, x, vf{}); }

// Running sums of one row, kept short: 4 vectors, folded into a second level every 32 steps.
struct RunningSum {
  vf part[4] = {}, total{};
  int count = 0;
  HEED_INLINE void fold() {
    total += (part[0] + part[1]) + (part[2] + part[3]);
    part[0] = part[1] = part[2] = part[3] = vf{};
    count = 0;
  }
  HEED_INLINE float result() {
    fold();
    return HEED_TIER::sum(total);
  }
};

// Σ value(i, n) over a row.
template <class Value> HEED_INLINE float sum(int64_t size, Value value) {
  RunningSum running;
  int64_t i = 0;
  for (; i + 4 * W <= size; i += 4 * W) {
    HEED_UNROLL for (int k = 0; k < 4; k++) running.part[k] += value(i + k * W, W);
    if (++running.count == 32) running.fold();
  }
  for (; i + W <= size; i += W) running.part[0] += value(i, W);
  if (i < size) running.part[1] += keep_lanes(value(i, int(size - i)), int(size - i));
  return running.result();
}

// Two sums of a row in one pass: value(i, n) gives both as {first, second}.
struct Pair {
  vf first, second;
};
struct PairOfSums {
  float first, second;
};
template <class Value> HEED_INLINE PairOfSums sum_pairs(int64_t size, Value value) {
  RunningSum a, b;
  int64_t i = 0;
  for (; i + 4 * W <= size; i += 4 * W) {
    HEED_UNROLL for (int k = 0; k < 4; k++) {
      const Pair one = value(i + k * W, W);
      a.part[k] += one.first;
      b.part[k] += one.second;
    }
    if (++a.count == 32) {
      a.fold();
      b.fold();
    }
  }
  for (; i < size; i += W) {
    const int n = size - i < W ? int(size - i) : W;
    const Pair one = value(i, n);
    a.part[0] += keep_lanes(one.first, n);
    b.part[0] += keep_lanes(one.second, n);
  }
  return {a.result(), b.result()};
}

// The largest number of a row; NaN are passed over.
HEED_INLINE float largest(const float* x, int64_t size) {
  vf best[4];
  HEED_UNROLL for (int k = 0; k < 4; k++) best[k] = splat(-infinity);
  int64_t i = 0;
  for (; i + 4 * W <= size; i += 4 * W)
    HEED_UNROLL for (int k = 0; k < 4; k++) best[k] = larger(HEED_TIER::load(x + i + k * W), best[k]);
  for (; i < size; i += W) {
    const int n = size - i < W ? int(size - i) : W;
    best[0] = larger(select(lane_numbers() < n, load(x + i, n), splat(-infinity)), best[0]);
  }
  return HEED_TIER::max(larger(larger(best[0], best[1]), larger(best[2], best[3])));
}

}  // namespace rows
}  // namespace HEED_TIER
}  // namespace heed
