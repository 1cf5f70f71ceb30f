// Matrix products over batches; the work of one product is in matmul_together.h.
#include "generated/table.h"
#include "kernel.h"
#include "matmul_together.h"

namespace heed {
namespace HEED_TIER {
namespace product {

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

// The product a call describes, without its batch.
template <class Arguments> inline Problem problem_of(const Arguments& a) {
  Problem p{a.m, a.n, a.k, {a.a.pointer, a.aType, a.aRow, a.aColumn}, {a.b.pointer, a.bType, a.bColumn, a.bRow}, {}};
  p.finish.alpha = float(a.alpha);
  p.finish.bias = a.bias.f32();
  p.finish.c = a.c.pointer;
  p.finish.c_row = a.cRow;
  p.finish.c_type = a.cType;
  p.finish.accumulate = a.accumulate != 0;
  return p;
}

}  // namespace product

void matmul(const matmul_args& a, Context& context) {
  using namespace product;
  Problem p = problem_of(a);
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
  if constexpr (has_bf16) {
    if (a.compute == 1) return multiply_batch<Half>(p, batch, context);
  }
  multiply_batch<Single>(p, batch, context);
}

void matmul_then(const matmul_then_args& a, Context& context) {
  using namespace product;
  Problem p = problem_of(a);
  if (p.m == 0 || p.n == 0) return;
  const bool half = a.compute == 1;
  const machine::Source source = {a.operands, a.types, a.strides, a.code, a.constants, a.shape.data, a.shape.size, a.results.data, 1};
  machine::Code code;
  if (!machine::link(code, context, "matmul_then", source, 1, p.k > 0 ? words_of(p, half) * 4 : 0)) return;
  if (p.k == 0) {
    multiply_nothing(p, Batch{});
    return machine::run_all(code, context);
  }
  p.then = &code;
  multiply(p, half, context, static_cast<float*>(code.extra));
}

}  // namespace HEED_TIER
}  // namespace heed
