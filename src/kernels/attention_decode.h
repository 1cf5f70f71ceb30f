// Attention of a single query per head (decoding): bound by reading keys and values, so these are read once for all query heads
// that share them, as they lie in memory; the visible keys are split so that few heads still feed all threads.
#pragma once
#include "attention_tile.h"

namespace heed {
namespace HEED_TIER {
namespace streaming {

constexpr int64_t DECODE_BLOCK = 128, DECODE_SPLIT = 512;  // keys
constexpr int SHARING = 4;                                // query heads that meet a key in registers

// W numbers of a row, all inside.
template <bool Bf16> inline vf row_floats(const Source& s, int64_t row, int64_t column) {
  if constexpr (!Bf16) return read<vf>(static_cast<const float*>(s.data) + row * s.row_stride + column);
  using Short = uint16_t __attribute__((vector_size(W * 2)));
  const Short x = read<Short>(static_cast<const uint16_t*>(s.data) + row * s.row_stride + column);
#if defined(__AVX512F__)
  return reinterpret_cast<vf>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(x)), 16));
#else
  return reinterpret_cast<vf>(__builtin_convertvector(x, vu) << 16);
#endif
}

// W vectors -> the vector of their sums over lanes.
inline vf sums_of(vf (&r)[W]) {
  for (int n = W; n > 1; n /= 2)
    for (int i = 0; i < n / 2; i++) {
      const vu a = reinterpret_cast<vu>(r[i]), b = reinterpret_cast<vu>(r[i + n / 2]);
      r[i] = reinterpret_cast<vf>(weave_low(a, b)) +
             reinterpret_cast<vf>(weave_high(a, b));
    }
  return r[0];
}

// scores[r][key] = q[r] · k[key] for N rows r. Where a row is C vectors (0: any width), q stays in registers.
template <bool Bf16, int N, int C>
void decode_scores(const float* q, int64_t width, const Source& k, int64_t keys, float* scores) {
  const int64_t whole = k.columns / W * W;
  vf left[N][C > 0 ? C : 1];
  HEED_UNROLL for (int r = 0; r < N; r++)
    HEED_UNROLL for (int c = 0; c < C; c++) left[r][c] = read<vf>(q + r * width + c * W);
  for (int64_t at = 0; at < keys; at += W) {
    vf part[N][W];
    const int64_t count = smaller(W, keys - at);
    for (int64_t i = 0; i < count; i++) {
      vf sum[N] = {};
      if constexpr (C > 0) {
        HEED_UNROLL for (int c = 0; c < C; c++) {
          const vf x = row_floats<Bf16>(k, at + i, c * W);
          HEED_UNROLL for (int r = 0; r < N; r++) sum[r] = c == 0 ? x * left[r][0] : fma(x, left[r][c], sum[r]);
        }
      } else {
        for (int64_t c = 0; c < k.columns; c += W) {
          const vf x = c < whole ? row_floats<Bf16>(k, at + i, c) : k.floats(at + i, c);
          HEED_UNROLL for (int r = 0; r < N; r++) sum[r] = fma(x, read<vf>(q + r * width + c), sum[r]);
        }
      }
      HEED_UNROLL for (int r = 0; r < N; r++) part[r][i] = sum[r];
    }
    for (int64_t i = count; i < W; i++)
      HEED_UNROLL for (int r = 0; r < N; r++) part[r][i] = vf{};
    HEED_UNROLL for (int r = 0; r < N; r++) write(scores + r * DECODE_BLOCK + at, sums_of(part[r]));
  }
}

// z[r] += Σ weights[r][key] v[key] for N rows r, NV vectors of columns from `column` on.
template <bool Bf16, int N, int NV>
void decode_values(const float* weights, const Source& v, int64_t keys, int64_t column, float* z, int64_t width) {
  vf sum[N][NV];
  HEED_UNROLL for (int r = 0; r < N; r++)
    HEED_UNROLL for (int j = 0; j < NV; j++) sum[r][j] = read<vf>(z + r * width + column + j * W);
  const bool whole = column + NV * W <= v.columns;
  for (int64_t i = 0; i < keys; i++) {
    vf x[NV];
    HEED_UNROLL for (int j = 0; j < NV; j++)
      x[j] = whole ? row_floats<Bf16>(v, i, column + j * W) : v.floats(i, column + j * W);
    HEED_UNROLL for (int r = 0; r < N; r++) {
      const vf weight = splat(weights[r * DECODE_BLOCK + i]);
      HEED_UNROLL for (int j = 0; j < NV; j++) sum[r][j] = fma(weight, x[j], sum[r][j]);
    }
  }
  HEED_UNROLL for (int r = 0; r < N; r++)
    HEED_UNROLL for (int j = 0; j < NV; j++) write(z + r * width + column + j * W, sum[r][j]);
}

struct Decode {
  const Problem& p;
  const attention_args& a;
  int64_t sharing, width, value_width, splits, row;  // row: floats of one partial result: z, maximum, sum
  float* parts;                                      // [B G splits sharing row]

  Source source(Buffer x, int64_t type, const int64_t* strides, int64_t b, int64_t g, int64_t columns) const {
    const int64_t offset = b * strides[0] + g * strides[1];
    const bool bf16 = type == BF16;
    return {bf16 ? static_cast<const void*>(x.u16() + offset) : x.f32() + offset, bf16, strides[2], 0, columns};
  }

  template <int N>
  void heads(int64_t b, int64_t h, const Source& k, const Source& v, Range keys, Pieces m, float* part) const {
    float* q = m.take<float>(N * width);
    float* scores = m.take<float>(N * DECODE_BLOCK);
    float* added = m.take<float>(DECODE_BLOCK + W);
    uint32_t* random = m.take<uint32_t>(DECODE_BLOCK + 8 * W);
    for (int r = 0; r < N; r++) {
      std::memset(q + r * width, 0, static_cast<size_t>(width) * 4);
      std::memcpy(q + r * width, a.q.f32() + b * p.qStrides[0] + (h + r) * p.qStrides[1], static_cast<size_t>(p.K) * 4);
      std::memset(part + r * row, 0, static_cast<size_t>(row) * 4);
      part[r * row + value_width] = -infinity;
    }
    for (int64_t at = keys.from; at < keys.to; at += DECODE_BLOCK) {
      const int64_t count = smaller(DECODE_BLOCK, keys.to - at), padded = round_up(count, W);
      const Source block = k.from_row(at, count), values = v.from_row(at, count);
      const bool short_rows = p.K == 4 * W;
      if (k.bf16 && short_rows) decode_scores<true, N, 4>(q, width, block, count, scores);
      if (k.bf16 && !short_rows) decode_scores<true, N, 0>(q, width, block, count, scores);
      if (!k.bf16 && short_rows) decode_scores<false, N, 4>(q, width, block, count, scores);
      if (!k.bf16 && !short_rows) decode_scores<false, N, 0>(q, width, block, count, scores);
      for (int r = 0; r < N; r++)
        soften(b, h + r, at, count, padded, scores + r * DECODE_BLOCK, added, random, part + r * row);
      for (int64_t c = 0; c < value_width;) {
        const int64_t left = (value_width - c) / W;
        const int take = left >= 4 && c + 4 * W <= p.V ? 4 : 1;
        if (take == 4 && v.bf16) decode_values<true, N, 4>(scores, values, count, c, part, row);
        if (take == 4 && !v.bf16) decode_values<false, N, 4>(scores, values, count, c, part, row);
        if (take == 1 && v.bf16) decode_values<true, N, 1>(scores, values, count, c, part, row);
        if (take == 1 && !v.bf16) decode_values<false, N, 1>(scores, values, count, c, part, row);
        c += take * W;
      }
    }
  }

  // Scores of one head become weights against the running maximum; z so far shrinks with it.
  void soften(int64_t b, int64_t h, int64_t at, int64_t count, int64_t padded, float* scores, float* added, uint32_t* random,
              float* part) const {
    const bool rewritten = p.rewritten();
    const vf factor = splat(rewritten ? 1.0f : p.scale * log2e);
    if (rewritten) rewrite(p, b, h, 0, at, {0, padded}, scores, added);
    vf top = vf{} - infinity;
    for (int64_t j = 0; j < padded; j += W) {
      const vf x = hide(read<vf>(scores + j), j, {0, count}) * factor;
      write(scores + j, x);
      top = larger(top, x);
    }
    float& most = part[value_width];
    float& sum = part[value_width + 1];
    const float now = larger_of(most, most_of(top)), safe = now == -infinity ? 0.0f : now;
    const float shrink = power_of_two<false>(splat(most - safe))[0];
    const uint32_t* bits = p.dropped ? random_row(p, b, h, 0, at, padded, random) : nullptr;
    vf total{};
    for (int64_t j = 0; j < padded; j += W) {
      vf x = power_of_two<false>(read<vf>(scores + j) - safe);
      total += x;
      if (bits) x = (read<vu>(bits + j) >> 8) >= p.dropped ? x : vf{};
      write(scores + j, x);
    }
    most = now;
    sum = sum * shrink + HEED_TIER::sum(total);
    if (shrink != 1)
      for (int64_t j = 0; j < value_width; j += W) write(part + j, read<vf>(part + j) * shrink);
  }
  static float larger_of(float a, float b) { return a > b ? a : b; }

  Range visible(int64_t b) const {
    const Range r = p.keys(b, 0);
    return {r.from, larger(r.from, r.to)};
  }

  void split(int64_t chunk, Context& context, int thread) const {
    const int64_t head = chunk / splits, b = head / p.G, g = head % p.G, index = chunk % splits;
    const Range all = visible(b);
    const Range keys{all.from + index * DECODE_SPLIT, smaller(all.to, all.from + (index + 1) * DECODE_SPLIT)};
    const Source k = source(a.k, a.kType, p.kStrides, b, g, p.K), v = source(a.v, a.vType, p.vStrides, b, g, p.V);
    const size_t bytes = static_cast<size_t>(SHARING * (width + DECODE_BLOCK) + 2 * DECODE_BLOCK + 9 * W) * 4 + 4 * 64;
    const Pieces m{static_cast<char*>(context.scratch(thread, bytes))};
    float* part = parts + chunk * sharing * row;
    for (int64_t r = 0; r < sharing;) {
      const int64_t h = g * sharing + r, left = sharing - r;
      float* at = part + r * row;
      if (left >= 4) heads<4>(b, h, k, v, keys, m, at);
      if (left == 3) heads<3>(b, h, k, v, keys, m, at);
      if (left == 2) heads<2>(b, h, k, v, keys, m, at);
      if (left == 1) heads<1>(b, h, k, v, keys, m, at);
      r += smaller(left, 4);
    }
  }

  // Partial results of one head, in order, become z and logsumexp.
  void combine(int64_t b, int64_t h) const {
    const int64_t used = smaller(splits, (visible(b).to - visible(b).from + DECODE_SPLIT - 1) / DECODE_SPLIT);
    const float* first = parts + ((b * p.G + h / sharing) * splits * sharing + h % sharing) * row;
    const int64_t step = sharing * row;
    float most = -infinity, sum = 0;
    for (int64_t i = 0; i < used; i++) most = larger_of(most, first[i * step + value_width]);
    float* z = a.z.f32() + b * p.zStrides[0] + h * p.zStrides[1];
    for (int64_t j = 0; j < p.V; j++) z[j] = 0;
    const float safe = most == -infinity ? 0.0f : most;
    for (int64_t i = 0; i < used; i++) {
      const float* part = first + i * step;
      const float weight = power_of_two<false>(splat(part[value_width] - safe))[0];
      sum += part[value_width + 1] * weight;
      for (int64_t j = 0; j < p.V; j++) z[j] += part[j] * weight;
    }
    const float factor = sum == 0 ? 0.0f : p.kept / sum;
    for (int64_t j = 0; j < p.V; j++) z[j] *= factor;
    a.logsumexp.f32()[b * p.H + h] = sum == 0 ? -infinity : most * ln2 + __builtin_logf(sum);
  }
};

inline void decode(const Problem& p, const attention_args& a, Context& context) {
  Decode d{p, a, p.H / p.G, round_up(larger(p.K, 1), W), round_up(larger(p.V, 1), W), 1, 0, nullptr};
  for (int64_t b = 0; b < p.B; b++) {
    const Range all = d.visible(b);
    d.splits = larger(d.splits, (all.to - all.from + DECODE_SPLIT - 1) / DECODE_SPLIT);
  }
  d.row = d.value_width + larger(W, 2);
  const int64_t chunks = p.B * p.G * d.splits;
  d.parts = static_cast<float*>(context.shared(static_cast<size_t>(chunks * d.sharing * d.row) * 4));
  context.parallel(chunks, [&](int64_t chunk, int thread) { d.split(chunk, context, thread); });
  for (int64_t b = 0; b < p.B; b++)
    for (int64_t h = 0; h < p.H; h++) d.combine(b, h);
}

}  // namespace streaming
}  // namespace HEED_TIER
}  // namespace heed
