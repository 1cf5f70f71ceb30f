// Elementwise code followed by a reduction over the middle of [outer n inner]. The code runs in blocks (see machine.h); blocks are
// added lane by lane, at most 64 of them, then folded, then the parts are combined in their order, sums in double: the error
// grows like that of pairwise summation, and the order depends on sizes only.
#include "generated/table.h"
#include "machine_link.h"
#include "reduce_fold.h"

namespace heed {
namespace HEED_TIER {
namespace reduction {

using machine::Code;
using machine::Registers;

constexpr int64_t blocks_of_part = 64;

struct Plan {
  int64_t outer, size, inner;
  int64_t tile, tiles;         // columns of one block and how many such tiles `inner` has
  int64_t rows;                // rows of one block
  int64_t part, parts;         // rows reduced together before parts are combined
  int64_t together;            // tasks (outer, part, tile) of one chunk, or outers of one block when whole ones fit
  bool whole;                  // whole [n inner] fit into a block
};

inline Plan make_plan(int64_t outer, int64_t size, int64_t inner) {
  constexpr int64_t lanes = machine::most_block;
  Plan p{outer, size, inner, 0, 1, 1, size, 1, 1, size * inner <= lanes / 2};
  if (p.whole) {
    p.together = lanes / (size * inner);
    return p;
  }
  p.tile = inner < lanes ? inner : lanes;
  p.tiles = (inner + lanes - 1) / lanes;
  p.rows = inner <= lanes ? lanes / inner : 1;
  p.part = p.rows * blocks_of_part;
  if (p.part > size) p.part = size;
  p.parts = (size + p.part - 1) / p.part;
  const int64_t task = p.part * p.tile;
  p.together = task < 16384 ? 16384 / task : 1;
  return p;
}

template <class Op> void run(const reduce_args& a, Context& context, const Code& code, const Plan& p) {
  using Word = typename Op::Word;
  const int32_t result = code.result[0];
  if (p.whole) {
    const int64_t each = p.size * p.inner, blocks = (p.outer + p.together - 1) / p.together;
    const int64_t small = code.total * (code.lines + code.inputs + 1) <= 40000 ? blocks : 32;
    context.parallel((blocks + small - 1) / small, [&](int64_t chunk, int thread) {
      Registers registers(code, context.scratch(thread, code.scratch));
      for (int64_t b = chunk * small; b < blocks && b < (chunk + 1) * small; b++) {
        const int64_t first = b * p.together, count = p.outer - first < p.together ? p.outer - first : p.together;
        registers.run(first * each, count * each);
        const Word* block = reinterpret_cast<const Word*>(registers.at(result));
        for (int64_t o = 0; o < count; o++)
          Op::fold(block + o * each, nullptr, p.size, p.inner, [&](int64_t i, auto value, int32_t place) {
            Op::put(a, (first + o) * p.inner + i, value, place);
          });
      }
    });
    return;
  }

  Word* values = static_cast<Word*>(code.extra);
  int32_t* places = reinterpret_cast<int32_t*>(values + p.outer * p.parts * p.inner);
  const int64_t tasks = p.outer * p.parts * p.tiles;
  const size_t block_bytes = machine::most_block * 4, own = (code.scratch + 63) & ~size_t(63);
  context.parallel((tasks + p.together - 1) / p.together, [&](int64_t chunk, int thread) {
    char* scratch = static_cast<char*>(context.scratch(thread, own + block_bytes * 3));
    Registers registers(code, scratch);
    Word* total = reinterpret_cast<Word*>(scratch + own);
    int32_t* place = reinterpret_cast<int32_t*>(scratch + own + block_bytes);
    int32_t* row_of = place + machine::most_block;
    if constexpr (Op::places)
      for (int64_t lane = 0; lane < p.rows * p.tile; lane++) row_of[lane] = int32_t(lane / p.tile);
    for (int64_t task = chunk * p.together; task < tasks && task < (chunk + 1) * p.together; task++) {
      const int64_t tile = task % p.tiles, part = task / p.tiles % p.parts, o = task / p.tiles / p.parts;
      const int64_t column = tile * p.tile, width = p.inner - column < p.tile ? p.inner - column : p.tile;
      const int64_t begin = part * p.part, end = begin + p.part < p.size ? begin + p.part : p.size;
      int64_t filled = 0;
      for (int64_t j = begin; j < end; j += p.rows) {
        const int64_t rows = end - j < p.rows ? end - j : p.rows, lanes = rows * width;
        registers.run((o * p.size + j) * p.inner + column, lanes);
        const Word* block = reinterpret_cast<const Word*>(registers.at(result));
        Op::merge(total, place, block, row_of, int32_t(j), lanes, j == begin);
        if (j == begin) filled = rows;
      }
      Op::fold(total, Op::places ? place : nullptr, filled, width, [&](int64_t i, auto value, int32_t where) {
        if (p.parts == 1) return Op::put(a, o * p.inner + column + i, value, where);
        const int64_t at = (o * p.parts + part) * p.inner + column + i;
        values[at] = Word(value);
        if constexpr (Op::places) places[at] = where;
      });
    }
  });
  if (p.parts == 1) return;
  const int64_t columns = 64, groups = (p.inner + columns - 1) / columns;
  context.parallel(p.outer * groups * p.parts < 64 ? 1 : p.outer * groups, [&](int64_t chunk, int) {
    const bool all = p.outer * groups * p.parts < 64;
    for (int64_t group = all ? 0 : chunk; group < (all ? p.outer * groups : chunk + 1); group++) {
      const int64_t o = group / groups, column = group % groups * columns;
      const int64_t width = p.inner - column < columns ? p.inner - column : columns;
      const int64_t at = o * p.parts * p.inner + column;
      Op::combine(values + at, Op::places ? places + at : nullptr, p.parts, p.inner, width,
                  [&](int64_t i, auto value, int32_t where) { Op::put(a, o * p.inner + column + i, value, where); });
    }
  });
}

}  // namespace reduction

void reduce(const reduce_args& a, Context& context) {
  using namespace reduction;
  if (a.outer * a.inner == 0) return;
  const int64_t shape[] = {a.outer, a.size, a.inner};
  if (a.size == 0) return put_empty(a);
  const Plan plan = make_plan(a.outer, a.size, a.inner);
  const machine::Source source = {a.operands, a.types, a.strides, a.code, a.constants, shape, 3, &a.result, 0};
  const size_t partial = plan.parts > 1 ? size_t(a.outer * plan.parts * a.inner) * 8 : 0;
  const int64_t unit = plan.whole ? a.size * a.inner : plan.tiles > 1 ? 1 : a.inner;
  Code code;
  if (!machine::link(code, context, "reduce", source, unit, partial)) return;
  const bool floats = code.slot[code.result[0]].floats;
  const auto choose = [&](auto with_floats, auto with_ints) {
    if (floats) run<decltype(with_floats)>(a, context, code, plan);
    else run<decltype(with_ints)>(a, context, code, plan);
  };
  switch (a.kind) {
    case 0: return choose(Fold<vf, Sum>{}, Fold<vi, Sum>{});
    case 1: return choose(Fold<vf, Max>{}, Fold<vi, Max>{});
    case 2: return choose(Fold<vf, Min>{}, Fold<vi, Min>{});
    case 3: return choose(Fold<vf, Prod>{}, Fold<vi, Prod>{});
    case 4: return choose(Place<vf, true>{}, Place<vi, true>{});
    case 5: return choose(Place<vf, false>{}, Place<vi, false>{});
    case 6: return choose(Fold<vf, Any>{}, Fold<vi, Any>{});
    case 7: return choose(Fold<vf, All>{}, Fold<vi, All>{});
    default: context.fail("reduce", "kind", 0, a.kind, 8);
  }
}

}  // namespace HEED_TIER
}  // namespace heed
