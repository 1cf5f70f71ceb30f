// Connectionist temporal classification: every state's log-probability along the frames, forward and backward. Scores are kept
// relative to the frame's best, so that thousands of frames cost no precision; vectors run over the states.
#include "generated/table.h"
#include "rows.h"

namespace heed {
namespace HEED_TIER {
namespace ctc {

constexpr float nothing = -infinity;

// One row of the batch: its checked lengths, and room for its states. Arrays over states have two impossible states before the
// first and at least two vectors of them behind the last.
struct Row {
  const float* x;
  int64_t frames, states, room, classes;
  int32_t* labels;
  float *skips, *here, *before;

  template <class Args>
  Row(const Args& a, Context& context, int thread, int64_t row, const char* kernel, int64_t extra_frames) {
    const int64_t longest = a.longest;
    int64_t length = checked(context, kernel, "target length", row, a.targetLengths.i32()[row], longest + 1);
    frames = checked(context, kernel, "input length", row, a.inputLengths.i32()[row], a.frames + 1);
    x = a.x.f32() + row * a.frames * a.classes;
    classes = a.classes;
    states = 2 * length + 1;
    room = 2 + (states + 3 * W - 1) / W * W;
    const size_t arrays = size_t(4 + extra_frames);
    labels = static_cast<int32_t*>(context.scratch(thread, arrays * size_t(room) * 4));
    skips = reinterpret_cast<float*>(labels) + room;
    here = skips + room;
    before = here + room;
    for (int64_t s = 0; s < room; s++) labels[s] = int32_t(a.blank), skips[s] = nothing;
    const int32_t* targets = a.targets.i32() + row * longest;
    for (int64_t i = 0; i < length; i++) {
      labels[2 * i + 1] = int32_t(checked(context, kernel, "target", row * longest + i, targets[i], a.classes));
      if (labels[2 * i + 1] != a.blank && i > 0 && labels[2 * i + 1] != labels[2 * i - 1]) skips[2 * i + 1] = 0;
    }
  }

  static int64_t checked(Context& context, const char* kernel, const char* what, int64_t at, int64_t value, int64_t limit) {
    if (value >= 0 && value < limit) return value;
    context.fail(kernel, what, at, value, limit);
    return 0;
  }

  float* extra(int64_t i) const { return before + (i + 1) * room; }
  static void clear(float* scores, int64_t room) {
    for (int64_t s = 0; s < room; s++) scores[s] = nothing;
  }
  // Log-probabilities of the states' labels at a frame.
  void emissions(float* to, int64_t frame) const {
    const float* from = x + frame * classes;
    for (int64_t s = 0; s < states; s++) to[s] = from[labels[s]];
  }
  // Scores relative to the best one, which is given back.
  float relative(float* scores) const {
    const float best = rows::largest(scores, states);
    if (best == nothing) return 0;
    rows::each(states, [&](int64_t s, int n) { rows::store(scores + s, rows::load(scores + s, n) - best, n); });
    return best;
  }
};

HEED_INLINE vf add_logs(vf a, vf b, vf c) {
  const vf most = larger(larger(a, b), c);
  const vf shift = select(most == nothing, vf{}, most);
  return log(exp(a - shift) + exp(b - shift) + exp(c - shift)) + shift;
}

// One frame forward: `now` from the scores of the frame before; both point at state 0.
HEED_INLINE void step(const Row& row, float* now, const float* before, const float* emission) {
  rows::each(row.states, [&](int64_t s, int n) {
    const vf skipped = rows::load(before + s - 2, n) + rows::load(row.skips + s, n);
    const vf score = add_logs(rows::load(before + s, n), rows::load(before + s - 1, n), skipped);
    rows::store(now + s, score + rows::load(emission + s, n), n);
  });
}

}  // namespace ctc

void ctc_loss(const ctc_loss_args& a, Context& context) {
  context.parallel(a.rows, [&](int64_t at, int thread) {
    ctc::Row row(a, context, thread, at, "ctc_loss", 1);
    float *now = row.here + 2, *before = row.before + 2, *emission = row.extra(0);
    ctc::Row::clear(row.here, row.room);
    ctc::Row::clear(row.before, row.room);
    double offset = 0;
    for (int64_t t = 0; t < row.frames; t++) {
      row.emissions(emission, t);
      if (t == 0) {
        for (int64_t s = 0; s < 2 && s < row.states; s++) now[s] = emission[s];
      } else {
        ctc::step(row, now, before, emission);
      }
      offset += double(row.relative(now));
      float* swap = now;
      now = before;
      before = swap;
    }
    const float last = before[row.states - 1], other = row.states > 1 ? before[row.states - 2] : ctc::nothing;
    const float end = ctc::add_logs(splat(last), splat(other), splat(ctc::nothing))[0];
    if (row.frames == 0) a.loss.f32()[at] = row.states == 1 ? 0 : -ctc::nothing;
    else a.loss.f32()[at] = float(-(offset + double(end)));
  });
}

void ctc_loss_backward(const ctc_loss_backward_args& a, Context& context) {
  context.parallel(a.rows, [&](int64_t at, int thread) {
    ctc::Row row(a, context, thread, at, "ctc_loss_backward", 1 + a.frames);
    float* dx = a.dx.f32() + at * a.frames * a.classes;
    if (a.frames > 0) std::memset(dx, 0, size_t(a.frames * a.classes) * 4);
    const float upstream = a.dloss.f32()[at];
    if (upstream == 0) return;
    float* emission = row.extra(0);
    const auto forward = [&](int64_t t) { return row.extra(1 + t) + 2; };
    for (int64_t t = 0; t < row.frames; t++) {
      float* now = forward(t);
      ctc::Row::clear(now - 2, row.room);
      row.emissions(emission, t);
      if (t == 0) {
        for (int64_t s = 0; s < 2 && s < row.states; s++) now[s] = emission[s];
      } else {
        ctc::step(row, now, forward(t - 1), emission);
      }
      row.relative(now);
    }
    // `here`: scores of the frames behind t begun after each state; `next`: those of the frame after, with its emissions
    float *here = row.here, *next = row.before;
    ctc::Row::clear(here, row.room);
    ctc::Row::clear(next, row.room);
    for (int64_t t = row.frames - 1; t >= 0; t--) {
      if (t == row.frames - 1) {
        for (int64_t s = row.states > 1 ? row.states - 2 : 0; s < row.states; s++) here[s] = 0;
      } else {
        row.emissions(emission, t + 1);
        rows::each(row.states, [&](int64_t s, int n) {
          rows::store(next + s, rows::load(here + s, n) + rows::load(emission + s, n), n);
        });
        rows::each(row.states, [&](int64_t s, int n) {
          const vf skipped = rows::load(next + s + 2, n) + rows::load(row.skips + s + 2, n);
          rows::store(here + s, ctc::add_logs(rows::load(next + s, n), rows::load(next + s + 1, n), skipped), n);
        });
      }
      row.relative(here);
      // each frame's states share a probability of 1
      float* posterior = forward(t);
      rows::each(row.states, [&](int64_t s, int n) {
        rows::store(posterior + s, rows::load(posterior + s, n) + rows::load(here + s, n), n);
      });
      const vf shift = splat(rows::largest(posterior, row.states));
      const float total = rows::sum(row.states, [&](int64_t s, int n) {
        const vf e = exp(rows::load(posterior + s, n) - shift);
        rows::store(posterior + s, e, n);
        return rows::keep_lanes(e, n);
      });
      const float scale = upstream / total;
      for (int64_t s = 0; s < row.states; s++) dx[t * row.classes + row.labels[s]] -= posterior[s] * scale;
    }
  });
}

}  // namespace HEED_TIER
}  // namespace heed
