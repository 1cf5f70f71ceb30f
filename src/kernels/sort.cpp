// Order: sorting rows (stable, NaN last), running sums, counting up.
#include <algorithm>

#include "generated/table.h"
#include "vector.h"

namespace heed {
namespace HEED_TIER {
namespace sorting {

// A total order on floats as integers: ascending, NaN after everything, -0 equal to 0.
inline uint32_t rank_of(float x) {
  if (x != x) return 0xffffffffu;
  if (x == 0) x = 0;
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

inline uint32_t rank_of(int32_t x) { return uint32_t(x) ^ 0x80000000u; }

// For the other direction: NaN still last.
inline uint32_t reversed(uint32_t rank, bool isFloat) { return isFloat && rank == 0xffffffffu ? rank : (isFloat ? 0xfffffffeu : 0xffffffffu) - rank; }

}  // namespace sorting

void sort_rows(const sort_rows_args& a, Context& context) {
  const bool isFloat = a.type == F32;
  const int64_t keep = a.keep < a.size ? a.keep : a.size;
  constexpr int64_t least = 1 << 13;
  const int64_t per_chunk = a.size >= least ? 1 : least / (a.size + 1) + 1;
  context.parallel((a.rows + per_chunk - 1) / per_chunk, [&](int64_t chunk, int thread) {
    // rank in the high half, position in the low one: plain numbers to sort, and stable by themselves
    uint64_t* keys = static_cast<uint64_t*>(context.scratch(thread, size_t(a.size) * 8));
    const int64_t end = (chunk + 1) * per_chunk < a.rows ? (chunk + 1) * per_chunk : a.rows;
    for (int64_t row = chunk * per_chunk; row < end; row++) {
      for (int64_t i = 0; i < a.size; i++) {
        const int64_t at = row * a.size + i;
        uint32_t rank = isFloat ? sorting::rank_of(a.x.f32()[at]) : sorting::rank_of(a.x.i32()[at]);
        if (a.descending) rank = sorting::reversed(rank, isFloat);
        keys[i] = uint64_t(rank) << 32 | uint64_t(i);
      }
      if (keep * 8 < a.size) std::partial_sort(keys, keys + keep, keys + a.size);
      else std::sort(keys, keys + a.size);
      for (int64_t i = 0; i < keep; i++) {
        const int32_t index = int32_t(uint32_t(keys[i]));
        a.indices.i32()[row * keep + i] = index;
        if (a.values) a.values.i32()[row * keep + i] = a.x.i32()[row * a.size + index];
      }
    }
  });
}

void cumulative_sum(const cumulative_sum_args& a, Context& context) {
  const int64_t per_outer = a.size * a.inner;
  const auto run = [&](auto* to, const auto* from) {
    context.parallel(a.outer, [&](int64_t o, int) {
      for (int64_t i = 0; i < a.inner; i++) {
        auto total = from[0] - from[0];
        total = 0;
        for (int64_t j = 0; j < a.size; j++) {
          const int64_t at = o * per_outer + (a.reverse ? a.size - 1 - j : j) * a.inner + i;
          total += from[at];
          to[at] = total;
        }
      }
    });
  };
  if (per_outer == 0) return;
  if (a.type == F32) run(a.output.f32(), a.x.as<const float>());
  else run(a.output.as<uint32_t>(), a.x.as<const uint32_t>());
}

void iota(const iota_args& a, Context&) {
  int32_t* out = a.output.i32();
  for (int64_t i = 0; i < a.count; i++) out[i] = int32_t(a.start + i * a.step);
}

}  // namespace HEED_TIER
}  // namespace heed
