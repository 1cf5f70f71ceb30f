// Attention that streams over keys, so that no T × S matrix exists (Dao et al., "FlashAttention", 2022): blocks of keys are
// packed once and meet all queries of a chunk; the softmax keeps a running maximum and sum per row.
#include "attention_backward.cpp"
#include "attention_decode.h"
#include "attention_tile.h"

namespace heed {
namespace HEED_TIER {
namespace streaming {

constexpr int64_t KEYS = 128;  // keys of a block

template <bool Half> struct Forward {
  const Problem& p;
  const attention_args& a;
  int64_t width, value_width, queries;  // padded K and V; queries of a chunk
  float factor;                         // of raw products, in units of log 2

  // What a thread works on.
  struct Work {
    uint32_t *q, *k, *v, *random;
    float *scores, *weights, *z, *most, *sum, *added;
  };

  // `all`: the problem whose phase `problem` is; it decides how work is cut.
  Forward(const Problem& problem, const Problem& all, const attention_args& arguments)
      : p(problem), a(arguments), width(round_up(larger(p.K, 1), W)), value_width(round_up(larger(p.V, 1), W)),
        queries(all.B * all.H * all.phases() >= 8 ? 256 : 64), factor(p.scale * log2e) {
    if (p.marks) queries = 64;
    if (p.block > 0) queries = smaller(queries, p.block);
    queries = smaller(queries, round_up(larger(all.T, 1), larger(W, ROWS)));
  }

  Work work(Context& context, int thread) const {
    Work w{};
    for (char* memory = nullptr;;) {
      Pieces m{memory};
      w.q = m.take<uint32_t>(queries * width);
      w.k = m.take<uint32_t>(KEYS * width);
      w.v = m.take<uint32_t>(KEYS * value_width);
      w.scores = m.take<float>(ROWS * KEYS);
      w.weights = Half ? m.take<float>(ROWS * KEYS / 2) : w.scores;
      w.z = m.take<float>(queries * value_width);
      w.most = m.take<float>(queries + W);
      w.sum = m.take<float>(queries + W);
      w.added = m.take<float>(KEYS);
      w.random = m.take<uint32_t>(KEYS + 8 * W);
      if (memory) return w;
      memory = static_cast<char*>(context.scratch(thread, static_cast<size_t>(m.next - memory)));
    }
  }

  static void run(const Problem& all, const attention_args& a, Context& context) {
    const int64_t queries = Forward(all, all, a).queries, heads = all.B * all.H;
    const int64_t blocks = (all.T + queries - 1) / queries;
    // Later queries see more keys under a causal mask: they go first.
    context.parallel_stretches(heads * blocks * all.phases(), [&](int64_t chunk, int thread) {
      const Problem p = all.phase(chunk / heads % all.phases());
      const int64_t block = blocks - 1 - chunk / (heads * all.phases()), head = chunk % heads, first = block * queries;
      if (first >= p.T) return;
      const Forward one(p, all, a);
      one.attend(one.work(context, thread), head / p.H, head % p.H, first, smaller(queries, p.T - first));
    });
  }

  void attend(const Work& w, int64_t b, int64_t h, int64_t first, int64_t count) const {
    const int64_t g = h / (p.H / p.G), rows = round_up(count, ROWS);
    const Source q = source(a.q, F32, p.qStrides, b, h, p.query_at(first, p.qStrides[2]), p.queryStep, count, p.K);
    const Source k = source(a.k, a.kType, p.kStrides, b, g, p.key_at(0, p.kStrides[2]), p.keyStep, p.S, p.K);
    const Source v = source(a.v, a.vType, p.vStrides, b, g, p.key_at(0, p.vStrides[2]), p.keyStep, p.S, p.V);
    const Range all = p.keys(b, first, first + count);
    if (!all.empty()) {
      q.prefetch(0, count);
      k.from_row(all.from, smaller(KEYS, all.to - all.from)).prefetch(0, KEYS);
      v.from_row(all.from, smaller(KEYS, all.to - all.from)).prefetch(0, KEYS);
    }
    pack_strips<Half>(q, rows, width, w.q);
    begin(w, b, h, first, count, rows);
    p.each_key_range(b, first, first + count, [&](Range range) { meet(w, b, h, first, count, k, v, range); });
    for (int64_t i = 0; i < count; i++) {
      float* z = row_of_z(b, h, first + i);
      const bool none = w.sum[i] == 0;
      write_row(z, w.z + i * value_width, none ? 0.0f : p.kept / w.sum[i], p.V);
    }
    float* logsumexp = a.logsumexp.f32() + p.logsumexp_at(b, h, first);
    for (int64_t i = 0; i < count; i += W) {
      const vf sum = read<vf>(w.sum + i);
      vf result = fma(read<vf>(w.most + i), splat(ln2), log(sum));
      result = sum == 0.0f ? splat(-infinity) : result;
      const int n = static_cast<int>(smaller(W, count - i));
      if (p.queryStep == 1)
        store_partial(logsumexp + i, result, n);
      else
        for (int j = 0; j < n; j++) logsumexp[(i + j) * p.queryStep] = result[j];
    }
  }

  // Sums begin at nothing, or at what another part of the pattern left behind: its z with weight 1 at its logsumexp.
  void begin(const Work& w, int64_t b, int64_t h, int64_t first, int64_t count, int64_t rows) const {
    for (int64_t i = 0; i < rows * value_width; i += W) write(w.z + i, vf{});
    for (int64_t i = 0; i < rows; i++) w.most[i] = -infinity, w.sum[i] = 0;
    if (!p.accumulate) return;
    for (int64_t i = 0; i < count; i++) {
      const float before = a.logsumexp.f32()[p.logsumexp_at(b, h, first + i)];
      if (before == -infinity) continue;
      w.most[i] = before * log2e;
      w.sum[i] = 1;
      std::memcpy(w.z + i * value_width, row_of_z(b, h, first + i), static_cast<size_t>(p.V) * 4);
    }
  }

  // The queries of a chunk meet a range of keys, block by block.
  void meet(const Work& w, int64_t b, int64_t h, int64_t first, int64_t count, const Source& k, const Source& v,
            Range all) const {
    const int64_t rows = round_up(count, ROWS);
    for (int64_t at = all.from; at < all.to; at += KEYS) {
      const int64_t keys = smaller(KEYS, all.to - at), padded = round_up(keys, W);
      pack_transposed<Half>(k.from_row(at, keys), padded, width, w.k, KEYS);
      pack_natural<Half>(v.from_row(at, keys), padded, value_width, w.v);
      const int64_t next = at + KEYS, share = (KEYS * ROWS + rows - 1) / rows;  // rows of the next block that a strip asks for
      const Source next_k = k.from_row(next, smaller(KEYS, all.to - next));
      const Source next_v = v.from_row(next, smaller(KEYS, all.to - next));
      for (int64_t i = 0; i < rows; i += ROWS) {
        const int64_t real = smaller(ROWS, count - i);
        next_k.prefetch(i / ROWS * share, (i / ROWS + 1) * share);
        next_v.prefetch(i / ROWS * share, (i / ROWS + 1) * share);
        if (next >= all.to)
          for (int64_t r = i; r < i + real; r++) prefetch_row(row_of_z(b, h, first + r), p.V);
        const int64_t from = first + i, to = from + real;
        const Range seen = sight_of_strip(p, b, from, to, at, keys, far_sight(p, b, from, to, at, keys));
        if (seen.empty() || (p.additive() && !any_visible(p, b, h, first + i, real, {at + seen.from, at + seen.to}))) continue;
        strip(w, b, h, first, i, real, at, keys, seen);
      }
    }
  }

  float* row_of_z(int64_t b, int64_t h, int64_t t) const {
    return a.z.f32() + b * p.zStrides[0] + h * p.zStrides[1] + p.query_at(t, p.zStrides[2]);
  }

  // Rows of one head from an offset on, `step` positions apart.
  static Source source(Buffer x, int64_t type, const int64_t* strides, int64_t b, int64_t h, int64_t from, int64_t step,
                       int64_t rows, int64_t columns) {
    const bool bf16 = type == BF16;
    const int64_t offset = b * strides[0] + h * strides[1] + from;
    return {bf16 ? static_cast<const void*>(x.u16() + offset) : x.f32() + offset, bf16, strides[2] * step, rows, columns};
  }

  // One strip of queries meets one block of keys.
  void strip(const Work& w, int64_t b, int64_t h, int64_t first, int64_t i, int64_t real, int64_t at, int64_t keys,
             Range seen) const {
    const int64_t from = seen.from / W * W, to = round_up(seen.to, W);
    const int64_t steps = units<Half>(width);
    multiply<Half, false, 1, ROWS>(w.q + i * steps, w.k + from, KEYS, steps, w.scores + from, KEYS, (to - from) / W);
    const bool rewritten = p.rewritten();
    const float c = rewritten ? 1.0f : factor;
    alignas(64) float most[ROW_LANES] = {}, shift[ROW_LANES], shrink[ROW_LANES];
    for (int r = 0; r < ROWS; r++) {
      float* row = w.scores + r * KEYS;
      const Sight mine = r < real ? sight(p, b, first + i + r, at, keys) : Sight{{0, 0}, {0, 0}, nullptr};
      if (rewritten) rewrite(p, b, h, first + i + smaller(r, real - 1), at, {from, to}, row, w.added);
      vf top = vf{} - infinity;
      for (int64_t j = from; j < to; j += W) {
        vf x = read<vf>(row + j);
        if (!mine.whole(j)) write(row + j, x = mine.hide(x, j));
        top = larger(top, x);
      }
      most[r] = most_of(top);
    }
    for (int r = 0; r < ROW_LANES; r += W) {
      const vf before = read<vf>(w.most + i + r);
      const vf now = larger(before, read<vf>(most + r) * c);
      const vf safe = now == -infinity ? vf{} : now;
      write(shift + r, safe);
      write(shrink + r, power_of_two<false>(before - safe));
      write(most + r, now);
    }
    std::memcpy(w.most + i, most, ROWS * 4);
    bool shrunk = false;
    for (int r = 0; r < ROWS; r++) {
      float* row = w.scores + r * KEYS;
      const vf down = splat(-shift[r]), times = splat(c);
      vf sum{};
      const uint32_t* bits = nullptr;
      if (p.dropped && r < real) bits = random_row(p, b, h, first + i + r, at + from, to - from, w.random) - from;
      for (int64_t j = from; j < to; j += W) {
        vf x = power_of_two<Half>(fma(read<vf>(row + j), times, down));
        sum += x;
        if (bits) x = (read<vu>(bits + j) >> 8) >= p.dropped ? x : vf{};
        if constexpr (Half) {
#if HEED_ATTENTION_HALF
          write(reinterpret_cast<uint16_t*>(w.weights) + r * KEYS + j, _mm512_cvtneps_pbh(reinterpret_cast<__m512>(x)));
#endif
        } else {
          write(row + j, x);
        }
      }
      w.sum[i + r] = w.sum[i + r] * shrink[r] + HEED_TIER::sum(sum);
      shrunk |= !(shrink[r] == 1);
    }
    float* z = w.z + i * value_width;
    if (shrunk)
      for (int r = 0; r < ROWS; r++) {
        const vf times = splat(shrink[r]);
        for (int64_t j = 0; j < value_width; j += W) write(z + r * value_width + j, read<vf>(z + r * value_width + j) * times);
      }
    constexpr int row_units = Half ? KEYS / 2 : KEYS;
    const int64_t unit = units<Half>(from);
    multiply<Half, true, row_units, 1>(reinterpret_cast<uint32_t*>(w.weights) + unit, w.v + unit * value_width, value_width,
                                       units<Half>(to - from), z, value_width, value_width / W);
  }
};

}  // namespace streaming

void attention(const attention_args& a, Context& context) {
  streaming::Problem p(a);
  if (p.B * p.H * p.T == 0) return;
  if (p.allT == 1) return streaming::decode(p, a, context);
  if (p.marks) list_marks(p, context.shared(marks_bytes(p)));
#if HEED_ATTENTION_HALF
  if (a.compute == 1) return streaming::Forward<true>::run(p, a, context);
#endif
  streaming::Forward<false>::run(p, a, context);
}

}  // namespace HEED_TIER
}  // namespace heed
