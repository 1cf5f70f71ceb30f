// One product on all threads: B is packed once into shared panels, each chunk of C packs its own rows of A, and a register tile
// streams both (the scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008).
#pragma once
#include "machine_link.h"
#include "matmul_pack.h"
#include "matmul_short.h"
#include "matmul_tile.h"
#include "matmul_vector.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t steps_at_once = lanes >= 8 ? 768 : 256;     // words of k that are summed in registers
constexpr int64_t panels_at_once = lanes >= 8 ? 8 : 12;       // A panels that wait in the second-level cache
constexpr int64_t shared_words = int64_t(1) << 22;             // packed B: at most about 16 MiB at a time

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One product C = alpha · A · B …; b's outer index is the column of C.
struct Problem {
  int64_t m, n, k;
  Source a, b;
  Finish finish;                        // at C's corner; bias at column 0
  const machine::Code* then = nullptr;  // elementwise code that runs on finished parts of C, which is row-major
  int64_t then_lane = 0;                // its lane of C's corner
};
constexpr int64_t then_columns = 256;  // a part of C that is still near when the code runs on it

// How k is cut: `parts` blocks of `depth` numbers (the last may be shorter).
struct Depth {
  int64_t parts, depth, steps;
};
template <class Product> inline Depth cut_depth(int64_t k) {
  const int64_t parts = ceil_div(k, steps_at_once * Product::depth);
  const int64_t depth = ceil_div(ceil_div(k, parts), 2 * Product::depth) * 2 * Product::depth;
  return {ceil_div(k, depth), depth, depth / Product::depth};
}

// Words of packed B for n columns; part `p` of k starts at p · steps · columns.
inline int64_t packed_words(const Depth& d, int64_t n) { return d.parts * d.steps * ceil_div(n, tile_columns) * tile_columns; }

// Packs panels panel_from..panel_to-1, steps step_from..step_to-1 of one part of k, of all of A (Width: tile_rows) or B (tile_columns).
// outer: A's rows or B's columns. packed: [parts panels steps Width], and room for `lanes` words after it.
template <class Product, int Width>
inline void pack_some(const Source& x, int64_t outer, int64_t k, const Depth& d, int64_t part, int64_t panel_from, int64_t panel_to,
                      int64_t step_from, int64_t step_to, float* packed) {
  const int64_t panels = ceil_div(outer, Width), first = panel_from * Width, from = part * d.depth + step_from * Product::depth;
  const int64_t count = least(least(part * d.depth + step_to * Product::depth, (part + 1) * d.depth), k) - from;
  if (count <= 0) return;
  pack_panels<Product, Width>(packed + ((part * panels + panel_from) * d.steps + step_from) * Width, d.steps * Width, x.from(first, from),
                              least(panel_to * Width, outer) - first, count);
}

// Packing of all of A or B in chunks of about 64 KiB: some panels where k is adjacent, else some steps of all panels.
template <class Product, int Width> struct Packing {
  Source x;
  int64_t outer, k;
  Depth depth;
  float* packed;
  int64_t all, panels, steps, across, along;
  Packing(const Source& x, int64_t outer, int64_t k, const Depth& d, float* packed)
      : x(x), outer(outer), k(k), depth(d), packed(packed), all(ceil_div(outer, Width)) {
    const bool by_panel = x.k_stride == 1;
    panels = by_panel ? most(1, 16384 / (d.steps * Width)) : all;
    steps = by_panel ? d.steps : most(1, 1024 / (all * Width)) * 16;
    across = ceil_div(all, panels);
    along = ceil_div(d.steps, steps);
  }
  int64_t chunks() const { return depth.parts * across * along; }
  void run(int64_t chunk) const {
    const int64_t part = chunk / (across * along), j = chunk / along % across * panels, s = chunk % along * steps;
    pack_some<Product, Width>(x, outer, k, depth, part, j, least(j + panels, all), s, least(s + steps, depth.steps), packed);
  }
};

// Words that `multiply_block` needs.
inline size_t block_words(const Problem& p, const Depth& d, int64_t panels, int64_t columns) {
  const int64_t rows = least(panels, panels_at_once) * tile_rows;
  const int64_t sums = p.finish.c_type != F32 && d.parts > 1 ? rows * columns : 0;
  return size_t(rows * d.steps + lanes + sums);
}

// Row panels row_from..row_to-1 and column panels column_from..column_to-1 of C. packed: all of B; rows: all of A when it is packed
// already, else null; scratch: block_words.
template <class Product>
inline void multiply_block(const Problem& p, const Depth& d, const float* packed, const float* rows, int64_t row_from, int64_t row_to,
                           int64_t column_from, int64_t column_to, int64_t next_row, float* scratch, machine::Registers* then) {
  const int64_t row_panels = ceil_div(p.m, tile_rows), column_panels = ceil_div(p.n, tile_columns);
  const int64_t first_column = column_from * tile_columns, panel = tile_rows * d.steps;
  const int64_t width = least(column_to * tile_columns, p.n) - first_column;
  const int64_t pieces = most(1, ceil_div(row_to - row_from, panels_at_once));
  const bool partial = p.finish.c_type != F32 && d.parts > 1;  // sums between parts of k stay fp32
  constexpr int64_t then_panels = then_columns / tile_columns;
  float* sums = scratch + least(row_to - row_from, panels_at_once) * panel + lanes;
  for (int64_t piece = 0; piece < pieces; piece++) {
    const int64_t from = row_from + (row_to - row_from) * piece / pieces, to = row_from + (row_to - row_from) * (piece + 1) / pieces;
    for (int64_t part = 0; part < d.parts; part++) {
      const int64_t k_from = part * d.depth, k = least(d.depth, p.k - k_from), steps = ceil_div(k, Product::depth);
      const float* a = rows ? rows + (part * row_panels + from) * panel : scratch;
      if (!rows)
        pack_panels<Product, tile_rows>(scratch, panel, p.a.from(from * tile_rows, k_from), least(to * tile_rows, p.m) - from * tile_rows, k);
      const bool first = part == 0, last = part == d.parts - 1;
      // The rows of A that are packed next: tiles that need not fetch the next panel of B fetch one each, so that packing finds them near.
      const int64_t next_from = !last ? from : piece < pieces - 1 ? to : next_row, next_k = last ? 0 : k_from + d.depth;
      const int64_t wanted = rows || p.a.k_stride != 1 ? 0 : least(p.m - next_from * tile_rows, (to - from) * tile_rows);
      for (int64_t j = column_from; j < column_to; j++) {
        const float* b = packed + (part * column_panels + j) * d.steps * tile_columns;
        const int64_t columns = least(tile_columns, p.n - j * tile_columns);
        for (int64_t i = from; i < to; i++) {
          const int height = int(least(tile_rows, p.m - i * tile_rows));
          float* sum = sums + (i - from) * tile_rows * width + j * tile_columns - first_column;
          char* c = static_cast<char*>(p.finish.c) + (i * tile_rows * p.finish.c_row + j * tile_columns) * element_bytes(p.finish.c_type);
          Finish f = p.finish;
          f.bias = last && f.bias ? f.bias + j * tile_columns : nullptr;
          f.c = c;
          if (partial) {
            f.add = first ? nullptr : sum;
            f.add_row = width;
            if (!last) {
              f.c = sum;
              f.c_row = width;
              f.c_type = F32;
              f.accumulate = false;
            }
          } else {
            f.accumulate = f.accumulate || !first;
          }
          const int64_t tile = (j - column_from) * (to - from) + i - from;
          Ahead ahead{reinterpret_cast<const char*>(b), 0};
          if (i - from < tiles_to_fetch) {
            ahead = {reinterpret_cast<const char*>(b + d.steps * tile_columns) + (i - from) * steps * tile_columns, ahead_bytes};
          } else if (tile < wanted) {
            ahead = {static_cast<const char*>(p.a.from(next_from * tile_rows + tile, next_k).data), 16 * Product::depth};
          }
          tile_for<Product>(height, columns)(steps, a + (i - from) * panel, b, f, columns, ahead);
        }
        if (then && last && ((j + 1 - column_from) % then_panels == 0 || j + 1 == column_to)) {
          const int64_t begin = (j - (j - column_from) % then_panels) * tile_columns, end = least((j + 1) * tile_columns, p.n);
          for (int64_t i = from * tile_rows; i < least(to * tile_rows, p.m); i++) then->run(p.then_lane + i * p.finish.c_row + begin, end - begin);
        }
      }
    }
  }
}

// Words that `multiply_alone` needs.
template <class Product> inline size_t alone_words(const Problem& p) {
  if (has_few_rows_path(p.m, p.b)) return size_t(few_rows_words(p.m, p.k)) + few_rows_scratch(p.m, p.b) / 4;
  const Depth d = cut_depth<Product>(p.k);
  return size_t(packed_words(d, p.n)) + block_words(p, d, ceil_div(p.m, tile_rows), p.n);
}

// The whole product on the calling thread.
template <class Product> inline void multiply_alone(const Problem& p, float* scratch) {
  if (has_few_rows_path(p.m, p.b)) {
    multiply_few_rows(few_rows_of(p.m, p.n, p.k, p.a, p.b, p.finish, scratch), 0, p.n, scratch + few_rows_words(p.m, p.k));
    return;
  }
  const Depth d = cut_depth<Product>(p.k);
  const int64_t panels = ceil_div(p.n, tile_columns);
  for (int64_t part = 0; part < d.parts; part++)
    pack_some<Product, tile_columns>(p.b, p.n, p.k, d, part, 0, panels, 0, d.steps, scratch);
  const int64_t row_panels = ceil_div(p.m, tile_rows);
  multiply_block<Product>(p, d, scratch, nullptr, 0, row_panels, 0, panels, row_panels, scratch + packed_words(d, p.n), nullptr);
}

// How a product is cut for all threads; everything follows from sizes.
struct Plan {
  Depth depth;
  int64_t columns;               // of B that are packed at a time
  int64_t row_parts, column_parts;  // chunks of C
  int64_t row_words;             // words of packed A, 0 where each chunk packs its own rows
  int64_t row_panels, whole;     // panels of A; row parts of panels_at_once, before smaller ones
  // First panel of a row part. The last parts are small: threads end at nearly the same time.
  int64_t row_begin(int64_t part) const {
    const int64_t done = whole * panels_at_once;
    return part < whole ? part * panels_at_once : done + (row_panels - done) * (part - whole) / (row_parts - whole);
  }
  int64_t words() const { return row_words + packed_words(depth, columns); }
};

template <class Product> inline Plan plan_for(const Problem& p) {
  Plan plan{cut_depth<Product>(p.k), 0, 0, 1, 0, ceil_div(p.m, tile_rows), 0};
  const Depth& d = plan.depth;
  const int64_t fit = most(1, shared_words / (d.parts * d.steps * tile_columns)) * tile_columns;
  plan.columns = ceil_div(ceil_div(p.n, ceil_div(p.n, fit)), tile_columns) * tile_columns;
  // By rows; where there are few, a multiple of four chunks of nearly equal size, by columns too.
  const int64_t row_panels = plan.row_panels, column_panels = plan.columns / tile_columns;
  const int64_t row_parts = ceil_div(row_panels, panels_at_once);
  if (row_parts >= 8) {
    plan.whole = row_panels / panels_at_once - 1;
    plan.row_parts = plan.whole + ceil_div(row_panels - plan.whole * panels_at_once, 2);
    return plan;
  }
  plan.row_parts = least(row_panels, row_parts > 2 ? ceil_div(row_parts, 4) * 4 : row_parts);
  if (plan.row_parts < 8) plan.column_parts = most(1, least(column_panels / 2, ceil_div(8, plan.row_parts)));
  if (plan.column_parts > 1) plan.row_words = ceil_div(d.parts * d.steps * row_panels * tile_rows + lanes, 16) * 16;
  return plan;
}

// Longest k of one pass: a longer product is a sum of passes, so that packed panels stay small.
template <class Product> inline int64_t longest_k(const Problem& p) {
  return p.finish.c_type == F32 ? 8 * steps_at_once * Product::depth : p.k;
}

// Shared words that `multiply_together` needs.
template <class Product> inline size_t together_words(const Problem& p) {
  if (has_short_path(p.m, p.n, p.k, p.b)) return size_t(short_words<Product>(p.m, p.n, p.k));
  if (has_few_rows_path(p.m, p.b))
    return size_t(few_rows_words(p.m, p.k) + few_rows_parts(p.m, p.n, p.k, p.b) * p.m * few_rows_width(p.n));
  if (p.m * p.n * p.k <= alone_work) return 0;
  Problem pass = p;
  pass.k = least(p.k, longest_k<Product>(p));
  return size_t(plan_for<Product>(pass).words());
}

// One pass of k for `multiply_together`.
template <class Product> inline void multiply_pass(const Problem& whole, Context& context, float* shared) {
  const Plan plan = plan_for<Product>(whole);
  const Depth& d = plan.depth;
  float* packed = shared + plan.row_words;
  const float* rows = plan.row_words > 0 ? shared : nullptr;
  const Packing<Product, tile_rows> rows_packing(whole.a, whole.m, whole.k, d, shared);
  for (int64_t column = 0; column < whole.n; column += plan.columns) {
    Problem p = whole;
    p.n = least(plan.columns, whole.n - column);
    p.b = whole.b.from(column, 0);
    p.finish.c = static_cast<char*>(whole.finish.c) + column * element_bytes(whole.finish.c_type);
    if (p.finish.bias) p.finish.bias += column;
    p.then_lane += column;
    const Packing<Product, tile_columns> packing(p.b, p.n, p.k, d, packed);
    const int64_t row_chunks = rows && column == 0 ? rows_packing.chunks() : 0;
    context.parallel_stretches(row_chunks + packing.chunks(), [&](int64_t chunk, int) {
      if (chunk < row_chunks) rows_packing.run(chunk);
      else packing.run(chunk - row_chunks);
    });
    const int64_t column_panels = ceil_div(p.n, tile_columns);
    context.parallel(plan.row_parts * plan.column_parts, [&](int64_t chunk, int thread) {
      const int64_t i = chunk / plan.column_parts, j = chunk % plan.column_parts;
      const int64_t row_from = plan.row_begin(i), row_to = plan.row_begin(i + 1);
      const int64_t column_from = column_panels * j / plan.column_parts, column_to = column_panels * (j + 1) / plan.column_parts;
      const size_t words = block_words(p, d, row_to - row_from, (column_to - column_from) * tile_columns);
      // Chunks are claimed in turn: a guess that only moves memory nearer.
      const int64_t next_row = plan.row_begin(least(i + context.threads(), plan.row_parts));
      const auto run = [&](float* scratch, machine::Registers* then) {
        multiply_block<Product>(p, d, packed, rows, row_from, row_to, column_from, column_to, next_row, scratch, then);
      };
      if (!p.then) return run(static_cast<float*>(context.scratch(thread, words * 4)), nullptr);
      const size_t own = (p.then->scratch + 63) & ~size_t(63);
      char* scratch = static_cast<char*>(context.scratch(thread, own + words * 4));
      machine::Registers registers(*p.then, scratch);
      run(reinterpret_cast<float*>(scratch + own), &registers);
    });
  }
}

// A product of few rows or little work on all threads; false for other ones.
template <class Product> inline bool multiply_little(const Problem& p, Context& context, float* shared) {
  if (has_short_path(p.m, p.n, p.k, p.b)) {
    const int64_t columns = short_chunk(p.m, p.n, p.k, p.b);
    const ShortRows whole{nullptr, 0, p.m, p.n, p.k, p.b, p.finish};
    const ShortProduct rows = prepare_short<Product>(whole, p.a, shared);
    context.parallel_stretches(ceil_div(p.n, columns), [&](int64_t chunk, int) {
      multiply_short<Product>(rows, chunk * columns, least((chunk + 1) * columns, p.n));
    });
    return true;
  }
  if (has_few_rows_path(p.m, p.b)) {
    const FewRows rows = few_rows_of(p.m, p.n, p.k, p.a, p.b, p.finish, shared);
    if (const int64_t depth = few_rows_depth(p.m, p.n, p.k, p.b); depth > 0) {
      const int64_t parts = few_rows_parts(p.m, p.n, p.k, p.b), width = ceil_div(p.n, lanes) * lanes, each = p.m * few_rows_width(p.n);
      float* sums = shared + few_rows_words(p.m, p.k);
      context.parallel_stretches(parts, [&](int64_t part, int) { multiply_few_rows_part(rows, part, depth, sums + part * each); });
      for (int64_t i = 0; i < p.m; i++) {
        for (int64_t j = 0; j < p.n; j++) {
          float sum = 0;
          for (int64_t part = 0; part < parts; part++) sum += sums[part * each + i * width + j];
          finish_one(p.finish, i, j, sum);
        }
      }
      return true;
    }
    const int64_t columns = few_rows_chunk(p.n, p.k, p.b);
    context.parallel_stretches(ceil_div(p.n, columns), [&](int64_t chunk, int thread) {
      float* sums = static_cast<float*>(context.scratch(thread, few_rows_scratch(p.m, p.b)));
      multiply_few_rows(rows, chunk * columns, least((chunk + 1) * columns, p.n), sums);
    });
    return true;
  }
  if (p.m * p.n * p.k <= alone_work) {
    context.parallel(1, [&](int64_t, int thread) {
      multiply_alone<Product>(p, static_cast<float*>(context.scratch(thread, alone_words<Product>(p) * 4)));
    });
    return true;
  }
  return false;
}

// The product on all threads. shared: together_words of shared memory.
template <class Product> inline void multiply_together(const Problem& p, Context& context, float* shared) {
  if (multiply_little<Product>(p, context, shared)) {
    if (p.then) machine::run_all(*p.then, context);
    return;
  }
  const int64_t longest = longest_k<Product>(p);
  for (int64_t from = 0; from < p.k; from += longest) {
    Problem pass = p;
    pass.k = least(longest, p.k - from);
    pass.a = p.a.from(0, from);
    pass.b = p.b.from(0, from);
    if (from + pass.k < p.k) pass.then = nullptr;
    if (from > 0) {
      pass.finish.accumulate = true;
      pass.finish.bias = nullptr;
    }
    multiply_pass<Product>(pass, context, shared);
  }
}

// The same with the arithmetic chosen at run time: half asks for bf16 products, where the processor has them.
inline size_t words_of(const Problem& p, bool half) {
  if constexpr (has_bf16) {
    if (half) return together_words<Half>(p);
  }
  (void)half;
  return together_words<Single>(p);
}
inline void multiply(const Problem& p, bool half, Context& context, float* shared) {
  if constexpr (has_bf16) {
    if (half) return multiply_together<Half>(p, context, shared);
  }
  (void)half;
  multiply_together<Single>(p, context, shared);
}

}  // namespace product
}  // namespace HEED_TIER
}  // namespace heed
