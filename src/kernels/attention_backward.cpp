// Gradients of attention without a T × S matrix: weights are computed again, block by block, from the kept logsumexp. A
// chunk is one key/value head and a range of its keys; it owns dk and dv there, and sums dq over its own keys. Where a
// head's keys are split, the partial dq are added afterwards in a fixed order.
#include "attention_tile.h"

namespace heed {
namespace HEED_TIER {
namespace streaming {

template <bool Half> struct Backward {
  static constexpr int64_t QUERIES = 64, KEYS = 64;  // of a block
  static constexpr int64_t MOST_SPLITS = 16;  // of a head's keys
  static constexpr int64_t GROUP = W < ROWS ? ROWS : W;  // keys are seen or skipped in groups of this many
  static constexpr int64_t KEY_UNITS = Half ? KEYS / 2 : KEYS, QUERY_UNITS = Half ? QUERIES / 2 : QUERIES;

  const Problem& p;
  const attention_backward_args& a;
  int64_t sharing, width, value_width, rows;  // query heads of a key/value head; padded K, V and T
  int64_t split, splits;                      // keys of a chunk, chunks of a head
  float factor;                               // of raw products, in units of log 2
  float* partial;                             // [splits B H T width] when splits > 1

  struct Work {
    // Of one query head: strips (left operands), natural rows (right operands), and per row logsumexp and Σ dz z.
    uint32_t *q_strips, *q, *dz_strips, *dz;
    float *logsumexp, *delta, *dq;
    // Of one block of keys.
    uint32_t *k_columns, *v_columns, *k;
    // Of one block of queries and keys: raw products of a strip; weights and score gradients for products over queries (by
    // query unit) and over keys (by row).
    float *scores, *dweights, *slopes;
    uint32_t *weights, *dscores, *dscore_rows;
    float *added;
    uint32_t* random;
    // Sums of the chunk.
    float *dk, *dv;
  };

  // `all`: the problem whose phase `problem` is; it decides how work is cut.
  Backward(const Problem& problem, const Problem& all, const attention_backward_args& arguments, float* partial = nullptr)
      : p(problem), a(arguments), sharing(p.H / p.G), width(round_up(larger(p.K, 1), W)),
        value_width(round_up(larger(p.V, 1), W)), rows(round_up(larger(all.T, 1), QUERIES)), split(larger(all.S, 1)), splits(1),
        factor(p.scale * log2e), partial(partial) {
    if (p.B * p.G < 8 && p.phases() == 1) {
      splits = larger(1, smaller((MOST_SPLITS - 1 + p.B * p.G) / (p.B * p.G), p.S / (2 * KEYS)));
      split = larger(KEYS, round_up((p.S + splits - 1) / splits, larger(KEYS, p.block)));
      splits = larger(1, (p.S + split - 1) / split);
    }
  }

  Work work(Context& context, int thread) const {
    const int64_t keys = round_up(smaller(split, p.S), KEYS);
    Work w{};
    for (char* memory = nullptr;;) {
      Pieces m{memory};
      w.q_strips = m.take<uint32_t>(rows * units<Half>(width));
      w.q = m.take<uint32_t>(rows * units<Half>(width));
      w.dz_strips = m.take<uint32_t>(rows * units<Half>(value_width));
      w.dz = m.take<uint32_t>(rows * units<Half>(value_width));
      w.logsumexp = m.take<float>(rows);
      w.delta = m.take<float>(rows);
      w.dq = m.take<float>(rows * width);
      w.k_columns = m.take<uint32_t>(KEYS * width);
      w.v_columns = m.take<uint32_t>(KEYS * value_width);
      w.k = m.take<uint32_t>(KEYS * width);
      w.scores = m.take<float>(ROWS * KEYS);
      w.dweights = m.take<float>(ROWS * KEYS);
      w.slopes = m.take<float>(ROWS * KEYS);
      w.weights = m.take<uint32_t>(QUERY_UNITS * KEYS);
      w.dscores = m.take<uint32_t>(QUERY_UNITS * KEYS);
      w.dscore_rows = Half ? m.take<uint32_t>(QUERIES * KEY_UNITS) : w.dscores;
      w.added = m.take<float>(KEYS);
      w.random = m.take<uint32_t>(2 * (KEYS + 8 * W));
      w.dk = m.take<float>(keys * width);
      w.dv = m.take<float>(keys * value_width);
      if (memory) return w;
      memory = static_cast<char*>(context.scratch(thread, static_cast<size_t>(m.next - memory)));
    }
  }

  static void run(Problem& all, const attention_backward_args& a, Context& context) {
    const Backward whole(all, all, a);
    const int64_t heads = all.B * all.G, phases = all.phases(), splits = whole.splits;
    const size_t sums = splits > 1 ? static_cast<size_t>(splits * all.B * all.H * all.T * whole.width) * 4 : 0;
    char* shared = sums + marks_bytes(all) > 0 ? static_cast<char*>(context.shared(sums + marks_bytes(all))) : nullptr;
    float* partial = splits > 1 ? reinterpret_cast<float*>(shared) : nullptr;
    list_marks(all, shared + sums);
    // The first keys are seen by the most queries under a causal mask: they go first.
    context.parallel(heads * splits * phases, [&](int64_t chunk, int thread) {
      const Problem p = all.phase(chunk / heads % phases);
      const Backward one(p, all, a, partial);
      one.differentiate(one.work(context, thread), chunk % heads / p.G, chunk % heads % p.G, chunk / heads / phases);
    });
    if (splits == 1) return;
    context.parallel(all.B * all.H, [&](int64_t head, int) {
      const int64_t width = whole.width;
      Range seen[MOST_SPLITS];
      for (int64_t i = 0; i < splits; i++) seen[i] = whole.queries_of_split(whole.keys_of_split(head / all.H, i));
      for (int64_t t = 0; t < all.T; t++) {
        float* first = partial + (head * all.T + t) * width;
        const int64_t step = all.B * all.H * all.T * width;
        for (int64_t j = 0; j < width; j += W) {
          vf sum{};
          for (int64_t i = 0; i < splits; i++)
            if (t >= seen[i].from && t < seen[i].to) sum += read<vf>(first + i * step + j);
          write(first + j, sum);
        }
        whole.give(whole.row_of_query(a.dq, a.dqStrides.data, head / all.H, head % all.H, t), first, all.scale, all.K);
      }
    });
  }

  // Writes a finished row, or adds it to what other parts of the pattern left there.
  void give(float* to, const float* x, float times, int64_t columns) const {
    if (p.accumulate) add_row(to, x, times, columns);
    else write_row(to, x, times, columns);
  }

  // The keys of a chunk that some query sees, and the queries that see some of them; no fewer than there are.
  Range keys_of_split(int64_t b, int64_t index) const {
    const int64_t start = index * split, end = smaller(p.S, start + split);
    const Range all = p.T == 0 ? Range{0, 0} : p.marked ? p.limits(b, 0, p.T) : p.keys(b, 0, p.T);
    return {larger(all.from, start), smaller(all.to, end)};
  }
  Range queries_of_split(Range keys) const {
    if (keys.empty()) return {0, 0};
    if (p.marked || p.block > 0) return {0, p.T};
    const Range r = p.queries(keys.from, keys.to);
    return r.empty() ? Range{0, 0} : Range{r.from / QUERIES * QUERIES, r.to};
  }

  float* row_of_query(Buffer x, const int64_t* strides, int64_t b, int64_t h, int64_t t) const {
    return x.f32() + b * strides[0] + h * strides[1] + p.query_at(t, strides[2]);
  }
  float* row_of_key(Buffer x, const int64_t* strides, int64_t b, int64_t g, int64_t s) const {
    return x.f32() + b * strides[0] + g * strides[1] + p.key_at(s, strides[2]);
  }
  Source queries_of(Buffer x, const int64_t* strides, int64_t b, int64_t h, int64_t columns) const {
    return {row_of_query(x, strides, b, h, 0), false, strides[2] * p.queryStep, p.T, columns};
  }
  Source keys_of(Buffer x, const int64_t* strides, int64_t b, int64_t g, int64_t count, int64_t columns) const {
    return {row_of_key(x, strides, b, g, 0), false, strides[2] * p.keyStep, count, columns};
  }

  void differentiate(const Work& w, int64_t b, int64_t g, int64_t index) const {
    const int64_t start = index * split, keys = smaller(split, p.S - start), padded = round_up(larger(keys, 0), KEYS);
    // blocks of keys and of queries end where listed blocks do
    const int64_t most = p.block > 0 ? smaller(KEYS, p.block) : KEYS;
    std::memset(w.dk, 0, static_cast<size_t>(padded * width) * 4);
    std::memset(w.dv, 0, static_cast<size_t>(padded * value_width) * 4);
    const Range mine = keys_of_split(b, index), seers = queries_of_split(mine);
    for (int64_t h = g * sharing; h < (g + 1) * sharing; h++) {
      const Source all_k = keys_of(a.k, p.kStrides, b, g, mine.to, p.K);
      const Source all_v = keys_of(a.v, p.vStrides, b, g, mine.to, p.V);
      if (!mine.empty()) {
        all_k.prefetch(mine.from, mine.from + KEYS);
        all_v.prefetch(mine.from, mine.from + KEYS);
        take_queries(w, b, h, seers);
      }
      for (int64_t at = start + (mine.from - start) / most * most; at < mine.to; at += most) {
        const int64_t count = smaller(most, mine.to - at);
        const Source k = all_k.from_row(at, count), v = all_v.from_row(at, count);
        pack_transposed<Half>(k, KEYS, width, w.k_columns, KEYS);
        pack_transposed<Half>(v, KEYS, value_width, w.v_columns, KEYS);
        pack_natural<Half>(k, KEYS, width, w.k);
        all_k.prefetch(at + most, at + 2 * most);
        all_v.prefetch(at + most, at + 2 * most);
        p.each_query_range(b, at, at + count, [&](Range range) {
          for (int64_t first = range.from; first < range.to; first += QUERIES) {
            const int64_t real = smaller(QUERIES, range.to - first);
            const bool far = far_sight(p, b, first, first + real, at, count);
            const Range seen = sight_of_strip(p, b, first, first + real, at, count, far);
            if (seen.empty() || (p.additive() && !any_visible(p, b, h, first, real, {at + seen.from, at + seen.to}))) continue;
            block(w, b, h, first, real, at, count, far, w.dk + (at - start) * width, w.dv + (at - start) * value_width);
          }
        });
      }
      for (int64_t t = seers.from; t < seers.to; t++) {
        if (splits == 1)
          give(row_of_query(a.dq, a.dqStrides.data, b, h, t), w.dq + t * width, p.scale, p.K);
        else
          std::memcpy(partial + (((index * p.B + b) * p.H + h) * p.T + t) * width, w.dq + t * width,
                      static_cast<size_t>(width) * 4);
      }
      if (splits == 1 && !p.accumulate)
        for (int64_t t = 0; t < p.T; t++)
          if (t < seers.from || t >= seers.to)
            std::memset(row_of_query(a.dq, a.dqStrides.data, b, h, t), 0, static_cast<size_t>(p.K) * 4);
    }
    for (int64_t s = 0; s < keys; s++) {
      give(row_of_key(a.dk, a.dkStrides.data, b, g, start + s), w.dk + s * width, p.scale, p.K);
      give(row_of_key(a.dv, a.dvStrides.data, b, g, start + s), w.dv + s * value_width, p.kept, p.V);
    }
  }

  // Packs q and dz of one head; rows that saw nothing get a logsumexp that makes all weights 0.
  void take_queries(const Work& w, int64_t b, int64_t h, Range seers) const {
    const int64_t end = round_up(seers.to, QUERIES);
    std::memset(w.dq + seers.from * width, 0, static_cast<size_t>((end - seers.from) * width) * 4);
    const Source q = queries_of(a.q, p.qStrides, b, h, p.K);
    const Source z = queries_of(a.z, p.zStrides, b, h, p.V);
    const Source dz = queries_of(a.dz, a.dzStrides.data, b, h, p.V);
    const int64_t ahead = 32;
    for (const Source* x : {&q, &dz, &z}) x->prefetch(seers.from, seers.from + ahead);
    for (int64_t t = seers.from; t < end; t += QUERIES) {
      const int64_t count = smaller(QUERIES, p.T - t);
      for (const Source* x : {&q, &dz, &z}) x->prefetch(t + ahead, t + ahead + QUERIES);
      const Source block_q = q.from_row(t, count), block_dz = dz.from_row(t, count);
      pack_strips<Half>(block_q, QUERIES, width, w.q_strips + t * units<Half>(width));
      pack_natural<Half>(block_q, QUERIES, width, w.q + units<Half>(t) * width);
      pack_strips<Half>(block_dz, QUERIES, value_width, w.dz_strips + t * units<Half>(value_width));
      pack_natural<Half>(block_dz, QUERIES, value_width, w.dz + units<Half>(t) * value_width);
    }
    for (int64_t t = seers.from; t < end; t++) {
      vf sum{};
      for (int64_t j = 0; j < value_width; j += W) sum = fma(z.floats(t, j), dz.floats(t, j), sum);
      w.delta[t] = HEED_TIER::sum(sum);
      const float kept = t < p.T ? a.logsumexp.f32()[p.logsumexp_at(b, h, t)] : -infinity;
      w.logsumexp[t] = kept == -infinity ? infinity : kept * log2e;
    }
  }

  // One block of queries meets one block of keys.
  void block(const Work& w, int64_t b, int64_t h, int64_t first, int64_t real, int64_t at, int64_t count, bool far, float* dk,
             float* dv) const {
    const int64_t strips = (real + ROWS - 1) / ROWS;
    constexpr int64_t groups = KEYS / GROUP;
    int64_t from_strip[groups], to_strip[groups];  // strips of queries that see some key of a group
    for (int64_t v = 0; v < groups; v++) from_strip[v] = strips, to_strip[v] = 0;
    for (int64_t i = 0; i < strips; i++) {
      const int64_t t = first + i * ROWS, n = smaller(ROWS, real - i * ROWS);
      const Range seen = sight_of_strip(p, b, t, t + n, at, count, far);
      if (seen.empty()) continue;
      const Range whole{seen.from / GROUP * GROUP, round_up(seen.to, GROUP)};
      for (int64_t v = whole.from / GROUP; v < whole.to / GROUP; v++) {
        from_strip[v] = smaller(from_strip[v], i);
        to_strip[v] = i + 1;
      }
      strip(w, b, h, t, n, at, count, whole, i);
      // dq += dscores · k
      constexpr int row_units = static_cast<int>(KEY_UNITS);
      const int64_t unit = units<Half>(whole.from), steps = units<Half>(whole.to - whole.from);
      multiply<Half, true, row_units, 1>(w.dscore_rows + i * ROWS * KEY_UNITS + unit, w.k + unit * width, width, steps,
                                         w.dq + t * width, width, width / W);
    }
    // dv += weightsᵀ · dz, dk += dscoresᵀ · q
    for (int64_t s = 0; s < count; s += ROWS) {
      const int64_t from = from_strip[s / GROUP] * ROWS, to = to_strip[s / GROUP] * ROWS;
      if (from >= to) continue;
      const int64_t unit = units<Half>(from), steps = units<Half>(to - from), query = units<Half>(first + from);
      const uint32_t *weights = w.weights + unit * KEYS + s, *dscores = w.dscores + unit * KEYS + s;
      constexpr int step = static_cast<int>(KEYS);
      multiply<Half, true, 1, step>(weights, w.dz + query * value_width, value_width, steps, dv + s * value_width, value_width,
                                    value_width / W);
      multiply<Half, true, 1, step>(dscores, w.q + query * width, width, steps, dk + s * width, width, width / W);
    }
  }

  // Weights and score gradients of strip `i` of a block, for the keys of `keys` (whole vectors).
  void strip(const Work& w, int64_t b, int64_t h, int64_t t, int64_t real, int64_t at, int64_t count, Range keys,
             int64_t i) const {
    const int64_t vectors = (keys.to - keys.from) / W, steps = units<Half>(width), value_steps = units<Half>(value_width);
    multiply<Half, false, 1, ROWS>(w.q_strips + t * steps, w.k_columns + keys.from, KEYS, steps, w.scores + keys.from, KEYS,
                                   vectors);
    multiply<Half, false, 1, ROWS>(w.dz_strips + t * value_steps, w.v_columns + keys.from, KEYS, value_steps,
                                   w.dweights + keys.from, KEYS, vectors);
    const bool rewritten = p.rewritten();
    const vf times = splat(rewritten ? 1.0f : factor);
    for (int r = 0; r < ROWS; r += 2) {
      Sight seen[2];
      const uint32_t* bits[2] = {};
      for (int n = 0; n < 2; n++) {
        seen[n] = r + n < real ? sight(p, b, t + r + n, at, count) : Sight{{0, 0}, {0, 0}, nullptr};
        float* row = w.scores + (r + n) * KEYS;
        if (p.cap != 0)
          for (int64_t j = keys.from; j < keys.to; j += W) {
            const vf bent = tanh(read<vf>(row + j) * p.scale / p.cap);
            write(w.slopes + (r + n) * KEYS + j, 1.0f - bent * bent);
          }
        if (rewritten) rewrite(p, b, h, t + smaller(r + n, real - 1), at, keys, row, w.added);
      }
      for (int n = 0; n < 2; n++)
        if (p.dropped && r + n < real)
          bits[n] = random_row(p, b, h, t + r + n, at + keys.from, keys.to - keys.from, w.random + n * (KEYS + 8 * W)) -
                    keys.from;
      for (int64_t j = keys.from; j < keys.to; j += W) {
        vf weight[2], slope[2];
        for (int n = 0; n < 2; n++) {
          const int row = r + n;
          vf x = read<vf>(w.scores + row * KEYS + j);
          if (!seen[n].whole(j)) x = seen[n].hide(x, j);
          const vf full = power_of_two<Half>(fma(x, times, splat(-w.logsumexp[t + row])));
          vf gradient = read<vf>(w.dweights + row * KEYS + j);
          weight[n] = full;
          if (bits[n]) {
            const auto dropped = (read<vu>(bits[n] + j) >> 8) < p.dropped;
            weight[n] = dropped ? vf{} : full;
            gradient = dropped ? vf{} : gradient * p.kept;
          }
          slope[n] = full * (gradient - w.delta[t + row]);
          if (p.cap != 0) slope[n] *= read<vf>(w.slopes + row * KEYS + j);
          if (rewritten) slope[n] = full == 0.0f ? vf{} : slope[n];
        }
        const int64_t query = i * ROWS + r;
        if constexpr (Half) {
#if HEED_ATTENTION_HALF
          write(w.weights + query / 2 * KEYS + j, pairs(weight[0], weight[1]));
          write(w.dscores + query / 2 * KEYS + j, pairs(slope[0], slope[1]));
          const __m512i both = halves(slope[0], slope[1]);
          write(w.dscore_rows + query * KEY_UNITS + j / 2, _mm512_castsi512_si256(both));
          write(w.dscore_rows + (query + 1) * KEY_UNITS + j / 2, _mm512_extracti64x4_epi64(both, 1));
#endif
        } else {
          for (int n = 0; n < 2; n++) {
            write(w.weights + (query + n) * KEYS + j, weight[n]);
            write(w.dscores + (query + n) * KEYS + j, slope[n]);
          }
        }
      }
    }
  }
};

}  // namespace streaming

void attention_backward(const attention_backward_args& a, Context& context) {
  streaming::Problem p(a);
  if (p.B * p.H == 0 || p.T + p.S == 0) return;
#if HEED_ATTENTION_HALF
  if (a.compute == 1) return streaming::Backward<true>::run(p, a, context);
#endif
  streaming::Backward<false>::run(p, a, context);
}

}  // namespace HEED_TIER
}  // namespace heed
