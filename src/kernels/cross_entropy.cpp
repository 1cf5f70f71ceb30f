// Cross-entropy of rows of logits with class indices, as torch.nn.CrossEntropyLoss without its reduction:
// loss = (1 - s) w_t (L - x_t) + s / V · Σ_c w_c (L - x_c), L = log Σ eˣ. Ignored rows give 0.
#include "generated/table.h"
#include "rows.h"

namespace heed {
namespace HEED_TIER {
namespace entropy {

// The row's class, or -1 when it counts nothing; a class outside 0..size-1 fails the run.
HEED_INLINE int64_t target_of(Context& context, const char* kernel, const int32_t* targets, int64_t row, int64_t size,
                              int64_t ignored) {
  const int64_t target = targets[row];
  if (target == ignored) return -1;
  if (target >= 0 && target < size) return target;
  context.fail(kernel, "target", row, target, size);
  return -1;
}

}  // namespace entropy

void cross_entropy(const cross_entropy_args& a, Context& context) {
  const int64_t size = a.size;
  const float* weights = a.weights.f32();
  const float smoothing = float(a.smoothing);
  rows::parallel(context, a.rows, size, 4, [&](int64_t row, int) {
    const float* x = a.logits.f32() + row * size;
    const float largest = rows::largest(x, size);
    const vf shift = splat(largest);
    const float total = rows::sum(size, [&](int64_t i, int n) { return exp(rows::load(x + i, n) - shift); });
    const float rest = log(splat(total))[0];  // logsumexp above the largest
    a.logsumexp.f32()[row] = largest + rest;
    const int64_t target = entropy::target_of(context, "cross_entropy", a.targets.i32(), row, size, a.ignored);
    float loss = 0;
    if (target >= 0) {
      loss = (rest - (x[target] - largest)) * (weights ? weights[target] : 1.0f);
      if (smoothing != 0) {
        const vf up = splat(rest);
        const float spread = rows::sum(size, [&](int64_t i, int n) {
          const vf one = up - (rows::load(x + i, n) - shift);
          return weights ? one * rows::load(weights + i, n) : one;
        });
        loss = loss * (1.0f - smoothing) + spread * (smoothing / float(size));
      }
    }
    a.loss.f32()[row] = loss;
  });
}

// dx = dloss [((1 - s) w_t + s / V Σ w) p - s / V w - (1 - s) w_t one-hot(t)]
void cross_entropy_backward(const cross_entropy_backward_args& a, Context& context) {
  const int64_t size = a.size;
  const float* weights = a.weights.f32();
  const float smoothing = float(a.smoothing), share = smoothing / float(size);
  const float all = smoothing == 0 ? 0
                    : weights      ? rows::sum(size, [&](int64_t i, int n) { return rows::load(weights + i, n); })
                                   : float(size);
  rows::parallel(context, a.rows, size, 4, [&](int64_t row, int) {
    const float* x = a.logits.f32() + row * size;
    float* dx = a.dlogits.f32() + row * size;
    const int64_t target = entropy::target_of(context, "cross_entropy_backward", a.targets.i32(), row, size, a.ignored);
    if (target < 0) {
      std::memset(dx, 0, size_t(size) * 4);
      return;
    }
    const float up = a.dloss.f32()[row];
    const float hard = up * (1.0f - smoothing) * (weights ? weights[target] : 1.0f);
    const vf shift = splat(a.logsumexp.f32()[row]), scale = splat(hard + up * share * all), less = splat(up * share);
    if (smoothing == 0) {
      rows::each(size, [&](int64_t i, int n) { rows::store(dx + i, exp(rows::load(x + i, n) - shift) * scale, n); });
    } else {
      rows::each(size, [&](int64_t i, int n) {
        const vf p = exp(rows::load(x + i, n) - shift) * scale;
        rows::store(dx + i, p - (weights ? less * rows::load(weights + i, n) : less), n);
      });
    }
    dx[target] -= hard;
  });
}

}  // namespace HEED_TIER
}  // namespace heed
