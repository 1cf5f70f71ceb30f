// Softmax and log-softmax over rows, and their gradients from the result. Rows that fit the cache are read from memory once.
#include "generated/table.h"
#include "rows.h"

namespace heed {
namespace HEED_TIER {

void softmax_rows(const softmax_rows_args& a, Context& context) {
  const int64_t size = a.size;
  if (size == 0) return;
  rows::parallel(context, a.rows, size, 4, [&](int64_t row, int) {
    const float* x = a.x.f32() + row * size;
    float* y = a.y.f32() + row * size;
    const vf shift = splat(rows::largest(x, size));  // a row of -Infinity only gives NaN, as the formula does
    if (a.log) {
      const float total = rows::sum(size, [&](int64_t i, int n) { return exp(rows::load(x + i, n) - shift); });
      const vf down = log(splat(total));  // shift and this apart: together a large shift would swallow it
      rows::each(size, [&](int64_t i, int n) { rows::store(y + i, (rows::load(x + i, n) - shift) - down, n); });
      return;
    }
    const float total = rows::sum(size, [&](int64_t i, int n) {
      const vf e = exp(rows::load(x + i, n) - shift);
      rows::store(y + i, e, n);
      return e;
    });
    const vf scale = splat(1.0f / total);
    rows::each(size, [&](int64_t i, int n) { rows::store(y + i, rows::load(y + i, n) * scale, n); });
  });
}

// softmax: dx = y (dy - Σ y dy); log-softmax: dx = dy - eʸ Σ dy.
void softmax_rows_backward(const softmax_rows_backward_args& a, Context& context) {
  const int64_t size = a.size;
  if (size == 0) return;
  rows::parallel(context, a.rows, size, 4, [&](int64_t row, int) {
    const float *y = a.y.f32() + row * size, *dy = a.dy.f32() + row * size;
    float* dx = a.dx.f32() + row * size;
    if (a.log) {
      const vf total = splat(rows::sum(size, [&](int64_t i, int n) { return rows::load(dy + i, n); }));
      rows::each(size, [&](int64_t i, int n) {
        rows::store(dx + i, rows::load(dy + i, n) - exp(rows::load(y + i, n)) * total, n);
      });
      return;
    }
    const vf total =
        splat(rows::sum(size, [&](int64_t i, int n) { return rows::load(y + i, n) * rows::load(dy + i, n); }));
    rows::each(size, [&](int64_t i, int n) {
      rows::store(dx + i, rows::load(y + i, n) * (rows::load(dy + i, n) - total), n);
    });
  });
}

}  // namespace HEED_TIER
}  // namespace heed
