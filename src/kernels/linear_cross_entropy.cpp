// Cross-entropy of x Wᵀ (+ bias) and its gradient without the [N V] logits: blocks of rows × vocabulary pass through a few
// megabytes of shared memory, with a running maximum and sum per row (Milakov and Gimelshein, "Online normalizer calculation
// for softmax", 2018). The gradient computes each block of logits again.
#include "generated/table.h"
#include "kernel.h"
#include "matmul_together.h"
#include "vector.h"
#include "vector_math.h"

namespace heed {
namespace HEED_TIER {
namespace projected_loss {

using product::ceil_div;
using product::least;
using product::most;
using product::Problem;

constexpr int64_t rows_of_chunk = 16, columns_of_chunk = 64;
constexpr float lowest = -__builtin_inff();

// Sizes of a block of logits, at most about 4 MiB unless the rows alone are more.
struct Blocks {
  int64_t rows, columns;
};
inline Blocks blocks_for(int64_t rows, int64_t size) {
  const int64_t at_once = least(rows, 4096);
  return {at_once, least(size, most(512, (int64_t(1) << 20) / most(1, at_once) / 64 * 64))};
}

// logits [rows columns] = x[row ..] W[column ..]ᵀ (+ bias).
inline Problem logits_of(const float* x, const float* w, const float* bias, int64_t rows, int64_t columns, int64_t width, float* logits) {
  Problem p{rows, columns, width, {x, F32, width, 1}, {w, F32, width, 1}, {}};
  p.finish = {1, bias, nullptr, 0, logits, columns, F32, false};
  return p;
}

inline float exp_of(float x) { return exp(splat(x))[0]; }
inline float log_of(float x) { return log(splat(x))[0]; }

// What is known of a row after some of its logits.
struct Row {
  float largest, sum, total, target;  // sum: of exp(logit - largest); total: of logits
};

inline void add_block(Row& row, const float* z, int64_t columns) {
  vf largest = splat(lowest), total = {};
  int64_t j = 0;
  for (; j + W <= columns; j += W) {
    const vf x = load(z + j);
    largest = max(largest, x);
    total = total + x;
  }
  if (j < columns) {
    const int left = int(columns - j);
    const vf x = load_partial(z + j, left);
    total = total + x;
    largest = max(largest, select(lane_numbers() < left, x, splat(lowest)));
  }
  float most_here = z[0];
  float lanes_of_largest[W];
  store(lanes_of_largest, largest);
  for (int i = 0; i < W; i++)  // NaN stays
    if (lanes_of_largest[i] > most_here || lanes_of_largest[i] != lanes_of_largest[i]) most_here = lanes_of_largest[i];
  row.total += sum(total);
  const float now = row.largest > most_here || row.largest != row.largest ? row.largest : most_here;
  if (now == lowest) return;
  vf sums = {};
  for (j = 0; j + W <= columns; j += W) sums = sums + exp(load(z + j) - splat(now));
  if (j < columns) {
    const int left = int(columns - j);
    sums = sums + select(lane_numbers() < left, exp(load_partial(z + j, left) - splat(now)), vf{});
  }
  row.sum = (row.sum == 0 ? 0 : row.sum * exp_of(row.largest - now)) + sum(sums);
  row.largest = now;
}

// The target of a row: -1 where it is ignored; one that is out of range is reported and counts as 0.
inline int64_t target_of(const int32_t* targets, int64_t row, int64_t size, int64_t ignored, const char* kernel, Context& context) {
  const int64_t target = targets[row];
  if (target == ignored) return -1;
  if (target >= 0 && target < size) return target;
  context.fail(kernel, "target", row, target, size);
  return 0;
}

// z = dloss · (softmax(z) - distribution) for columns from..from+columns-1 of a row.
inline void slope(float* z, int64_t from, int64_t columns, int64_t target, float logsumexp, float dloss, float smoothing, int64_t size) {
  if (target < 0) {
    std::memset(z, 0, size_t(columns) * 4);
    return;
  }
  const vf shift = splat(logsumexp), scale = splat(dloss), even = splat(smoothing / float(size));
  int64_t j = 0;
  for (; j + W <= columns; j += W) store(z + j, (exp(load(z + j) - shift) - even) * scale);
  if (j < columns) {
    const int left = int(columns - j);
    store_partial(z + j, (exp(load_partial(z + j, left) - shift) - even) * scale, left);
  }
  if (target >= from && target < from + columns) z[target - from] -= (1 - smoothing) * dloss;
}

// sums[j] (+)= the sum of column j over rows, in the order of the rows.
inline void sum_columns(const float* z, int64_t rows, int64_t columns, int64_t from, int64_t to, bool first, float* sums) {
  for (int64_t j = from; j < to; j += W) {
    const int left = int(least(W, to - j));
    vf sum = first ? vf{} : load_partial(sums + j, left);
    for (int64_t i = 0; i < rows; i++) sum = sum + load_partial(z + i * columns + j, left);
    store_partial(sums + j, sum, left);
  }
}

inline size_t rounded(size_t words) { return (words + 15) / 16 * 16; }

}  // namespace projected_loss

void linear_cross_entropy(const linear_cross_entropy_args& a, Context& context) {
  using namespace projected_loss;
  const int64_t D = a.width, V = a.size;
  const bool half = a.compute == 1;
  const float smoothing = float(a.smoothing);
  const Blocks blocks = blocks_for(a.rows, V);
  if (a.rows == 0 || V == 0) return;
  size_t words = 0;
  for (const int64_t rows : {blocks.rows, a.rows % blocks.rows})
    for (const int64_t columns : {blocks.columns, V % blocks.columns})
      if (rows > 0 && columns > 0) {
        const size_t here = product::words_of(logits_of(nullptr, nullptr, nullptr, rows, columns, D, nullptr), half);
        if (here > words) words = here;
      }
  const size_t logits_words = rounded(size_t(blocks.rows * blocks.columns)), row_words = rounded(size_t(blocks.rows) * 4);
  float* logits = static_cast<float*>(context.shared((logits_words + row_words + words) * 4));
  Row* states = reinterpret_cast<Row*>(logits + logits_words);
  float* packed = logits + logits_words + row_words;
  for (int64_t first = 0; first < a.rows; first += blocks.rows) {
    const int64_t rows = least(blocks.rows, a.rows - first), chunks = ceil_div(rows, rows_of_chunk);
    for (int64_t i = 0; i < rows; i++) states[i] = {lowest, 0, 0, 0};
    for (int64_t from = 0; from < V; from += blocks.columns) {
      const int64_t columns = least(blocks.columns, V - from);
      const float* bias = a.bias ? a.bias.f32() + from : nullptr;
      product::multiply(logits_of(a.x.f32() + first * D, a.w.f32() + from * D, bias, rows, columns, D, logits), half, context, packed);
      const bool last = from + columns == V;
      context.parallel(chunks, [&](int64_t chunk, int) {
        for (int64_t i = chunk * rows_of_chunk; i < least(rows, (chunk + 1) * rows_of_chunk); i++) {
          Row& row = states[i];
          const float* z = logits + i * columns;
          const int64_t target = target_of(a.targets.i32(), first + i, V, a.ignored, "linear_cross_entropy", context);
          add_block(row, z, columns);
          if (target >= from && target < from + columns) row.target = z[target - from];
          if (!last) continue;
          const float logsumexp = row.largest == lowest ? lowest : row.largest + log_of(row.sum);
          float loss = logsumexp - (1 - smoothing) * row.target;
          if (smoothing != 0) loss -= smoothing / float(V) * row.total;
          a.logsumexp.f32()[first + i] = logsumexp;
          a.loss.f32()[first + i] = target < 0 ? 0 : loss;
        }
      });
    }
  }
}

void linear_cross_entropy_backward(const linear_cross_entropy_backward_args& a, Context& context) {
  using namespace projected_loss;
  const int64_t D = a.width, V = a.size;
  const bool half = a.compute == 1;
  const float smoothing = float(a.smoothing);
  if (V == 0 || a.rows == 0) {
    std::memset(a.dx.pointer, 0, size_t(a.rows * D) * 4);
    std::memset(a.dw.pointer, 0, size_t(V * D) * 4);
    if (a.dbias) std::memset(a.dbias.pointer, 0, size_t(V) * 4);
    return;
  }
  const Blocks blocks = blocks_for(a.rows, V);
  // dx (+)= dlogits W and dw (+)= dlogitsᵀ x of a block.
  const auto dx_of = [&](const float* dlogits, int64_t rows, int64_t columns, int64_t first, int64_t from) {
    Problem p{rows, D, columns, {dlogits, F32, columns, 1}, {a.w.f32() + from * D, F32, 1, D}, {}};
    p.finish = {1, nullptr, nullptr, 0, a.dx.f32() + first * D, D, F32, from > 0};
    return p;
  };
  const auto dw_of = [&](const float* dlogits, int64_t rows, int64_t columns, int64_t first, int64_t from) {
    Problem p{columns, D, rows, {dlogits, F32, 1, columns}, {a.x.f32() + first * D, F32, 1, D}, {}};
    p.finish = {1, nullptr, nullptr, 0, a.dw.f32() + from * D, D, F32, first > 0};
    return p;
  };
  size_t words = 0;
  for (const int64_t rows : {blocks.rows, a.rows % blocks.rows})
    for (const int64_t columns : {blocks.columns, V % blocks.columns}) {
      if (rows == 0 || columns == 0) continue;
      for (const Problem& p : {logits_of(nullptr, nullptr, nullptr, rows, columns, D, nullptr), dx_of(nullptr, rows, columns, 0, 0),
                               dw_of(nullptr, rows, columns, 0, 0)}) {
        const size_t here = product::words_of(p, half);
        if (here > words) words = here;
      }
    }
  const size_t logits_words = rounded(size_t(blocks.rows * blocks.columns));
  float* logits = static_cast<float*>(context.shared((logits_words + words) * 4));
  float* packed = logits + logits_words;
  for (int64_t first = 0; first < a.rows; first += blocks.rows) {
    const int64_t rows = least(blocks.rows, a.rows - first);
    for (int64_t from = 0; from < V; from += blocks.columns) {
      const int64_t columns = least(blocks.columns, V - from);
      const float* bias = a.bias ? a.bias.f32() + from : nullptr;
      product::multiply(logits_of(a.x.f32() + first * D, a.w.f32() + from * D, bias, rows, columns, D, logits), half, context, packed);
      context.parallel(ceil_div(rows, rows_of_chunk), [&](int64_t chunk, int) {
        for (int64_t i = chunk * rows_of_chunk; i < least(rows, (chunk + 1) * rows_of_chunk); i++) {
          const int64_t target = target_of(a.targets.i32(), first + i, V, a.ignored, "linear_cross_entropy_backward", context);
          slope(logits + i * columns, from, columns, target, a.logsumexp.f32()[first + i], a.dloss.f32()[first + i], smoothing, V);
        }
      });
      if (a.dbias) {
        context.parallel(ceil_div(columns, columns_of_chunk), [&](int64_t chunk, int) {
          sum_columns(logits, rows, columns, chunk * columns_of_chunk, least(columns, (chunk + 1) * columns_of_chunk), first == 0,
                      a.dbias.f32() + from);
        });
      }
      if (D == 0) continue;
      product::multiply(dx_of(logits, rows, columns, first, from), half, context, packed);
      product::multiply(dw_of(logits, rows, columns, first, from), half, context, packed);
    }
  }
}

}  // namespace HEED_TIER
}  // namespace heed
