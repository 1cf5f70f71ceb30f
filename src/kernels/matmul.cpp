// Matrix products. B is packed once into shared panels, each chunk of C packs its own rows of A, and a register tile streams
// both (the scheme of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). A few rows skip packing.
#include "generated/table.h"
#include "kernel.h"
#include "matmul_pack.h"
#include "matmul_tile.h"
#include "matmul_vector.h"

namespace heed {
namespace HEED_TIER {
namespace product {

constexpr int64_t steps_at_once = lanes == 16 ? 512 : 256;     // words of k that are summed in registers
constexpr int64_t panels_at_once = lanes == 16 ? 8 : 12;       // A panels that wait in the second-level cache
constexpr int64_t shared_words = int64_t(1) << 22;             // packed B: at most about 16 MiB at a time
constexpr int64_t alone_work = 1 << 20;                        // multiply-adds below which one thread is faster

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One product C = alpha · A · B …; b's outer index is the column of C.
struct Problem {
  int64_t m, n, k;
  Source a, b;
  Finish finish;  // at C's corner; bias at column 0
};

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

template <class Product> inline void pack_b(const Problem& p, const Depth& d, int64_t part, int64_t panel, float* packed) {
  const int64_t panels = ceil_div(p.n, tile_columns), from = part * d.depth, column = panel * tile_columns;
  pack_panel<Product, tile_columns>(packed + (part * panels + panel) * d.steps * tile_columns, p.b.from(column, from), p.n - column,
                                    least(d.depth, p.k - from));
}

// Words that `multiply_block` needs.
inline size_t block_words(const Problem& p, const Depth& d, int64_t panels, int64_t columns) {
  const int64_t rows = least(panels, panels_at_once) * tile_rows;
  const int64_t sums = p.finish.c_type != F32 && d.parts > 1 ? rows * columns : 0;
  return size_t(rows * d.steps + lanes + sums);
}

// Row panels row_from..row_to-1 and column panels column_from..column_to-1 of C. packed: all of B; scratch: block_words.
template <class Product>
inline void multiply_block(const Problem& p, const Depth& d, const float* packed, int64_t row_from, int64_t row_to, int64_t column_from,
                           int64_t column_to, float* scratch) {
  const int64_t column_panels = ceil_div(p.n, tile_columns), first_column = column_from * tile_columns;
  const int64_t width = least(column_to * tile_columns, p.n) - first_column;
  const int64_t pieces = most(1, ceil_div(row_to - row_from, panels_at_once));
  const bool partial = p.finish.c_type != F32 && d.parts > 1;  // sums between parts of k stay fp32
  float* sums = scratch + least(row_to - row_from, panels_at_once) * tile_rows * d.steps + lanes;
  for (int64_t piece = 0; piece < pieces; piece++) {
    const int64_t from = row_from + (row_to - row_from) * piece / pieces, to = row_from + (row_to - row_from) * (piece + 1) / pieces;
    for (int64_t part = 0; part < d.parts; part++) {
      const int64_t k_from = part * d.depth, k = least(d.depth, p.k - k_from), steps = ceil_div(k, Product::depth);
      for (int64_t i = from; i < to; i++)
        pack_panel<Product, tile_rows>(scratch + (i - from) * tile_rows * d.steps, p.a.from(i * tile_rows, k_from), p.m - i * tile_rows, k);
      const bool first = part == 0, last = part == d.parts - 1;
      for (int64_t j = column_from; j < column_to; j++) {
        const float* b = packed + (part * column_panels + j) * d.steps * tile_columns;
        const int64_t columns = least(tile_columns, p.n - j * tile_columns);
        for (int64_t i = from; i < to; i++) {
          const int64_t rows = least(tile_rows, p.m - i * tile_rows);
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
          tile_for<Product>(int(rows), columns)(steps, scratch + (i - from) * tile_rows * d.steps, b, f, columns);
        }
      }
    }
  }
}

// Words that `multiply_alone` needs.
template <class Product> inline size_t alone_words(const Problem& p) {
  if (has_few_rows_path(p.m, p.b)) return size_t(ceil_div(p.m * p.k, 16) * 16) + few_rows_scratch(p.m, p.b) / 4;
  const Depth d = cut_depth<Product>(p.k);
  return size_t(packed_words(d, p.n)) + block_words(p, d, ceil_div(p.m, tile_rows), p.n);
}

// x as fp32 rows: A itself where it already is, else copied to `to`.
inline FewRows few_rows_of(const Problem& p, float* to) {
  if (p.a.type == F32 && p.a.k_stride == 1)
    return {static_cast<const float*>(p.a.data), p.a.outer_stride, p.m, p.n, p.k, p.b, p.finish};
  for (int64_t i = 0; i < p.m; i++)
    for (int64_t j = 0; j < p.k; j++) to[i * p.k + j] = element(p.a.data, p.a.type, i * p.a.outer_stride + j * p.a.k_stride);
  return {to, p.k, p.m, p.n, p.k, p.b, p.finish};
}

// The whole product on the calling thread.
template <class Product> inline void multiply_alone(const Problem& p, float* scratch) {
  if (has_few_rows_path(p.m, p.b)) {
    multiply_few_rows(few_rows_of(p, scratch), 0, p.n, scratch + ceil_div(p.m * p.k, 16) * 16);
    return;
  }
  const Depth d = cut_depth<Product>(p.k);
  const int64_t panels = ceil_div(p.n, tile_columns);
  for (int64_t part = 0; part < d.parts; part++)
    for (int64_t j = 0; j < panels; j++) pack_b<Product>(p, d, part, j, scratch);
  multiply_block<Product>(p, d, scratch, 0, ceil_div(p.m, tile_rows), 0, panels, scratch + packed_words(d, p.n));
}

// Columns of B that are packed at a time.
template <class Product> inline int64_t columns_at_once(const Problem& p) {
  const Depth d = cut_depth<Product>(p.k);
  const int64_t fit = most(1, shared_words / (d.parts * d.steps * tile_columns)) * tile_columns;
  const int64_t parts = ceil_div(p.n, fit);
  return ceil_div(ceil_div(p.n, parts), tile_columns) * tile_columns;
}

// Shared words that `multiply_together` needs.
template <class Product> inline size_t together_words(const Problem& p) {
  if (has_few_rows_path(p.m, p.b)) return size_t(p.m * p.k);
  if (p.m * p.n * p.k <= alone_work) return 0;
  return size_t(packed_words(cut_depth<Product>(p.k), columns_at_once<Product>(p)));
}

// The product on all threads. packed: together_words of shared memory.
template <class Product> inline void multiply_together(const Problem& whole, Context& context, float* packed) {
  if (has_few_rows_path(whole.m, whole.b)) {
    const FewRows rows = few_rows_of(whole, packed);
    const int64_t columns = few_rows_chunk(whole.k, whole.b.type);
    context.parallel(ceil_div(whole.n, columns), [&](int64_t chunk, int thread) {
      float* sums = static_cast<float*>(context.scratch(thread, few_rows_scratch(whole.m, whole.b)));
      multiply_few_rows(rows, chunk * columns, least((chunk + 1) * columns, whole.n), sums);
    });
    return;
  }
  if (whole.m * whole.n * whole.k <= alone_work) {
    context.parallel(1, [&](int64_t, int thread) {
      multiply_alone<Product>(whole, static_cast<float*>(context.scratch(thread, alone_words<Product>(whole) * 4)));
    });
    return;
  }
  const Depth d = cut_depth<Product>(whole.k);
  const int64_t at_once = columns_at_once<Product>(whole);
  for (int64_t column = 0; column < whole.n; column += at_once) {
    Problem p = whole;
    p.n = least(at_once, whole.n - column);
    p.b = whole.b.from(column, 0);
    p.finish.c = static_cast<char*>(whole.finish.c) + column * element_bytes(whole.finish.c_type);
    if (p.finish.bias) p.finish.bias += column;
    const int64_t column_panels = ceil_div(p.n, tile_columns), row_panels = ceil_div(p.m, tile_rows);
    // Packing B: a few panels a chunk, about 64 KiB.
    const int64_t jobs = d.parts * column_panels, job_group = most(1, 16384 / (d.steps * tile_columns));
    context.parallel(ceil_div(jobs, job_group), [&](int64_t chunk, int) {
      for (int64_t job = chunk * job_group; job < least((chunk + 1) * job_group, jobs); job++)
        pack_b<Product>(p, d, job / column_panels, job % column_panels, packed);
    });
    // C is cut into a multiple of four chunks of nearly equal size: by rows, and by columns where there are few rows.
    int64_t row_parts = ceil_div(row_panels, panels_at_once), column_parts = 1;
    row_parts = least(row_panels, row_parts > 2 ? ceil_div(row_parts, 4) * 4 : row_parts);
    if (row_parts < 8) column_parts = most(1, least(column_panels / 2, ceil_div(8, row_parts)));
    context.parallel(row_parts * column_parts, [&](int64_t chunk, int thread) {
      const int64_t i = chunk / column_parts, j = chunk % column_parts;
      const int64_t row_from = row_panels * i / row_parts, row_to = row_panels * (i + 1) / row_parts;
      const int64_t column_from = column_panels * j / column_parts, column_to = column_panels * (j + 1) / column_parts;
      const size_t words = block_words(p, d, row_to - row_from, (column_to - column_from) * tile_columns);
      multiply_block<Product>(p, d, packed, row_from, row_to, column_from, column_to, static_cast<float*>(context.scratch(thread, words * 4)));
    });
  }
}

// The batch of a product: merged axes with A's, B's and C's strides. Axes of size 1 are gone.
struct Batch {
  static constexpr int most_axes = 8;
  int axes = 0;
  int64_t size[most_axes], stride[most_axes][3];
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < axes; i++) n *= size[i];
    return n;
  }
  Problem at(const Problem& p, int64_t index) const {
    int64_t offset[3] = {0, 0, 0};
    for (int i = axes - 1; i >= 0; i--) {
      const int64_t here = index % size[i];
      index /= size[i];
      for (int x = 0; x < 3; x++) offset[x] += here * stride[i][x];
    }
    Problem q = p;
    q.a.data = static_cast<const char*>(p.a.data) + offset[0] * element_bytes(p.a.type);
    q.b.data = static_cast<const char*>(p.b.data) + offset[1] * element_bytes(p.b.type);
    q.finish.c = static_cast<char*>(p.finish.c) + offset[2] * element_bytes(p.finish.c_type);
    return q;
  }
};

// Adds axis (inside the ones before), merged with its neighbour where strides allow.
inline void add_axis(Batch& batch, int64_t size, const int64_t (&stride)[3]) {
  if (size == 1) return;
  if (batch.axes > 0) {
    const int last = batch.axes - 1;
    bool merges = true;
    for (int x = 0; x < 3; x++) merges = merges && batch.stride[last][x] == stride[x] * size;
    if (merges) {
      batch.size[last] *= size;
      for (int x = 0; x < 3; x++) batch.stride[last][x] = stride[x];
      return;
    }
  }
  batch.size[batch.axes] = size;
  for (int x = 0; x < 3; x++) batch.stride[batch.axes][x] = stride[x];
  batch.axes++;
}

template <class Product> inline void multiply_batch(const Problem& p, const Batch& batch, Context& context) {
  const int64_t count = batch.count(), work = p.m * p.n * p.k;
  if (count == 1) return multiply_together<Product>(p, context, static_cast<float*>(context.shared(together_words<Product>(p) * 4)));
  // Small products: some whole products a chunk. Large ones: one after the other, each on all threads.
  const size_t words = alone_words<Product>(p);
  if (words * 4 <= (size_t(1) << 20) && (count >= 8 || work <= alone_work)) {
    const int64_t group = most(1, least(alone_work / most(1, work), ceil_div(count, 8)));
    const int64_t chunks = count * work <= alone_work ? 1 : ceil_div(count, group);
    const int64_t each = chunks == 1 ? count : group;
    context.parallel(chunks, [&](int64_t chunk, int thread) {
      float* scratch = static_cast<float*>(context.scratch(thread, words * 4));
      for (int64_t i = chunk * each; i < least((chunk + 1) * each, count); i++) multiply_alone<Product>(batch.at(p, i), scratch);
    });
    return;
  }
  float* packed = static_cast<float*>(context.shared(together_words<Product>(p) * 4));
  for (int64_t i = 0; i < count; i++) multiply_together<Product>(batch.at(p, i), context, packed);
}

// k = 0: sums are zero.
inline void multiply_nothing(const Problem& p, const Batch& batch) {
  for (int64_t i = 0; i < batch.count(); i++) {
    const Problem q = batch.at(p, i);
    for (int64_t r = 0; r < p.m; r++)
      for (int64_t j = 0; j < p.n; j++) finish_one(q.finish, r, j, 0);
  }
}

}  // namespace product

void matmul(const matmul_args& a, Context& context) {
  using namespace product;
  Problem p{a.m, a.n, a.k, {a.a.pointer, a.aType, a.aRow, a.aColumn}, {a.b.pointer, a.bType, a.bColumn, a.bRow}, {}};
  p.finish.alpha = float(a.alpha);
  p.finish.bias = a.bias.f32();
  p.finish.c = a.c.pointer;
  p.finish.c_row = a.cRow;
  p.finish.c_type = a.cType;
  p.finish.accumulate = a.accumulate != 0;
  Batch batch;
  const int64_t axes = a.batch.size;
  for (int64_t i = 0; i < axes; i++) {
    if (a.batch[i] == 0) return;
    const int64_t stride[3] = {a.batchStrides[i], a.batchStrides[axes + i], a.batchStrides[2 * axes + i]};
    add_axis(batch, a.batch[i], stride);
  }
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) return multiply_nothing(p, batch);
  // The same B for neighbouring items: one taller product.
  if (batch.axes > 0) {
    const int last = batch.axes - 1;
    const int64_t(&stride)[3] = batch.stride[last];
    if (stride[1] == 0 && (p.m == 1 || (stride[0] == p.m * p.a.outer_stride && stride[2] == p.m * p.finish.c_row))) {
      if (p.m == 1) {
        p.a.outer_stride = stride[0];
        p.finish.c_row = stride[2];
      }
      p.m *= batch.size[last];
      batch.axes--;
    }
  }
  // One column of adjacent elements is one row.
  if (p.n == 1 && (p.m == 1 || p.finish.c_row == 1) && !p.finish.bias && p.m > 1) {
    const Source b = p.b;
    p.b = p.a;
    p.a = b;
    p.n = p.m;
    p.m = 1;
    for (int i = 0; i < batch.axes; i++) {
      const int64_t stride = batch.stride[i][0];
      batch.stride[i][0] = batch.stride[i][1];
      batch.stride[i][1] = stride;
    }
  }
  if (has_bf16 && a.compute == 1) multiply_batch<Half>(p, batch, context);
  else multiply_batch<Single>(p, batch, context);
}

}  // namespace HEED_TIER
}  // namespace heed
