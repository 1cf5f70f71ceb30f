// Layer normalization (Ba et al. 2016) and root-mean-square normalization (Zhang and Sennrich 2019) over rows, with gradients.
// Gradients of weight and bias are summed over fixed groups of rows, then over the groups.
#include "generated/table.h"
#include "rows.h"

namespace heed {
namespace HEED_TIER {
namespace normalization {

// Rows of one group of the sums over rows.
inline int64_t group_rows(int64_t rows) {
  const int64_t wanted = rows / 32;
  return wanted < 16 ? 16 : wanted > 256 ? 256 : wanted;
}

// sums[group][which][size] -> out[which][size], groups in order, in double.
inline void add_groups(Context& context, const float* sums, int64_t groups, int64_t size, float* const (&out)[2]) {
  const int64_t columns = 64, tiles = (size + columns - 1) / columns;
  const auto add = [&](int64_t tile) {
    const int64_t first = tile * columns, width = size - first < columns ? size - first : columns;
    for (int which = 0; which < 2; which++) {
      if (!out[which]) continue;
      double total[64] = {};
      for (int64_t g = 0; g < groups; g++) {
        const float* from = sums + (g * 2 + which) * size + first;
        for (int64_t i = 0; i < width; i++) total[i] += from[i];
      }
      for (int64_t i = 0; i < width; i++) out[which][first + i] = float(total[i]);
    }
  };
  if (size * groups < 16384) {
    for (int64_t tile = 0; tile < tiles; tile++) add(tile);
  } else {
    context.parallel(tiles, [&](int64_t tile, int) { add(tile); });
  }
}

// One row: dx = rstd (g - mean(g) - x̂ mean(g x̂)) with g = dy (weight + shift), x̂ = (x - mean) rstd; without `Centered` the
// first mean is 0. Adds dy x̂ and dy to the group's sums.
template <bool Centered>
HEED_INLINE void row_gradient(const float* x, const float* weight, float shift, float mean, float rstd, const float* dy,
                              float* dx, float* dweight, float* dbias, int64_t size) {
  const vf middle = splat(mean), scale = splat(rstd);
  const auto gradient = [&](int64_t i, int n) {
    const vf g = rows::load(dy + i, n);
    return weight ? g * (rows::load(weight + i, n) + shift) : g;
  };
  const auto normal = [&](int64_t i, int n) {
    const vf value = rows::load(x + i, n);
    return (Centered ? value - middle : value) * scale;
  };
  const auto [sum_g, sum_gx] = rows::sum_pairs(size, [&](int64_t i, int n) -> rows::Pair {
    const vf g = gradient(i, n);
    return {g, g * normal(i, n)};
  });
  const vf mean_g = splat(Centered ? sum_g / float(size) : 0.0f), mean_gx = splat(sum_gx / float(size));
  rows::each(size, [&](int64_t i, int n) {
    const vf g = gradient(i, n), value = normal(i, n);
    if (dweight) {
      const vf up = rows::load(dy + i, n);
      rows::store(dweight + i, fma(up, value, rows::load(dweight + i, n)), n);
      if (dbias) rows::store(dbias + i, rows::load(dbias + i, n) + up, n);
    }
    vf slope = g - value * mean_gx;
    if (Centered) slope = slope - mean_g;
    rows::store(dx + i, scale * slope, n);
  });
}

template <bool Centered>
void backward(Context& context, int64_t rows, int64_t size, const float* x, const float* weight, float shift,
              const float* mean, const float* rstd, const float* dy, float* dx, float* dweight, float* dbias) {
  if (rows * size == 0) {
    if (dweight) std::memset(dweight, 0, size_t(size) * 4);
    if (dbias) std::memset(dbias, 0, size_t(size) * 4);
    return;
  }
  if (!dweight && !dbias) {
    rows::parallel(context, rows, size, 4, [&](int64_t row, int) {
      row_gradient<Centered>(x + row * size, weight, shift, Centered ? mean[row] : 0, rstd[row], dy + row * size,
                             dx + row * size, nullptr, nullptr, size);
    });
    return;
  }
  const int64_t group = group_rows(rows), groups = (rows + group - 1) / group;
  float* sums = static_cast<float*>(context.shared(size_t(groups * 2 * size) * 4));
  context.parallel(groups, [&](int64_t g, int) {
    float* own = sums + g * 2 * size;
    std::memset(own, 0, size_t(2 * size) * 4);
    const int64_t end = (g + 1) * group < rows ? (g + 1) * group : rows;
    for (int64_t row = g * group; row < end; row++)
      row_gradient<Centered>(x + row * size, weight, shift, Centered ? mean[row] : 0, rstd[row], dy + row * size,
                             dx + row * size, own, dbias ? own + size : nullptr, size);
  });
  add_groups(context, sums, groups, size, {dweight, dbias});
}

inline float inverse_root(float mean_square, double epsilon) {
  return float(1.0 / __builtin_sqrt(double(mean_square) + epsilon));
}

}  // namespace normalization

void layer_norm(const layer_norm_args& a, Context& context) {
  const int64_t size = a.size;
  rows::parallel(context, a.rows, size, 2, [&](int64_t row, int) {
    const float *weight = a.weight.f32(), *bias = a.bias.f32();
    const float* x = a.x.f32() + row * size;
    float* y = a.y.f32() + row * size;
    const float mean = rows::sum(size, [&](int64_t i, int n) { return rows::load(x + i, n); }) / float(size);
    const vf middle = splat(mean);
    const float square = rows::sum(size, [&](int64_t i, int n) {
      const vf d = rows::load(x + i, n) - middle;
      return d * d;
    });
    const float rstd = normalization::inverse_root(square / float(size), a.epsilon);
    a.mean.f32()[row] = mean;
    a.rstd.f32()[row] = rstd;
    const vf scale = splat(rstd);
    rows::each(size, [&](int64_t i, int n) {
      vf value = (rows::load(x + i, n) - middle) * scale;
      if (weight) value = value * rows::load(weight + i, n);
      if (bias) value = value + rows::load(bias + i, n);
      rows::store(y + i, value, n);
    });
  });
}

void layer_norm_backward(const layer_norm_backward_args& a, Context& context) {
  normalization::backward<true>(context, a.rows, a.size, a.x.f32(), a.weight.f32(), 0, a.mean.f32(), a.rstd.f32(),
                                a.dy.f32(), a.dx.f32(), a.dweight.f32(), a.dbias.f32());
}

void rms_norm(const rms_norm_args& a, Context& context) {
  const int64_t size = a.size;
  const float* weight = a.weight.f32();
  const float shift = float(a.shift);
  rows::parallel(context, a.rows, size, 2, [&](int64_t row, int) {
    const float* x = a.x.f32() + row * size;
    float* y = a.y.f32() + row * size;
    const float square = rows::sum(size, [&](int64_t i, int n) {
      const vf value = rows::load(x + i, n);
      return value * value;
    });
    const float rstd = normalization::inverse_root(square / float(size), a.epsilon);
    a.rstd.f32()[row] = rstd;
    const vf scale = splat(rstd);
    rows::each(size, [&](int64_t i, int n) {
      const vf value = rows::load(x + i, n) * scale;
      rows::store(y + i, weight ? value * (rows::load(weight + i, n) + shift) : value, n);
    });
  });
}

void rms_norm_backward(const rms_norm_backward_args& a, Context& context) {
  normalization::backward<false>(context, a.rows, a.size, a.x.f32(), a.weight.f32(), float(a.shift), nullptr,
                                 a.rstd.f32(), a.dy.f32(), a.dx.f32(), a.dweight.f32(), nullptr);
}

}  // namespace HEED_TIER
}  // namespace heed
