// Rows and elements by index, the sums that go back to them, and slices whose start is known at run time. An index out of range
// fails the run and reads as zeros; sums are added in the order of the indices whatever the number of threads.
#include "generated/table.h"
#include "machine_operand.h"

namespace heed {
namespace HEED_TIER {
namespace gathering {

constexpr int64_t chunk_bytes = 65536;

HEED_INLINE bool inside(Context& context, const char* kernel, int64_t position, int64_t index, int64_t count) {
  if (index >= 0 && index < count) return true;
  context.fail(kernel, "index", position, index, count);
  return false;
}

inline void zero(Context& context, float* to, int64_t count) {
  constexpr int64_t chunk = 65536;
  context.parallel((count + chunk - 1) / chunk, [&](int64_t i, int) {
    const int64_t end = (i + 1) * chunk < count ? (i + 1) * chunk : count;
    std::memset(to + i * chunk, 0, size_t(end - i * chunk) * 4);
  });
}

HEED_INLINE void add_run(float* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, load(to + i) + load(from + i));
  for (; i < n; i++) to[i] += from[i];
}

template <class T> void take(const take_along_args& a, Context& context) {
  const T* source = a.source.as<T>();
  T* output = a.output.as<T>();
  const int32_t* indices = a.indices.i32();
  const int64_t rows = a.outer * a.size, inner = a.inner;
  const int64_t together = inner < 8192 ? 8192 / inner : 1;
  context.parallel((rows + together - 1) / together, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * together < rows ? (chunk + 1) * together : rows;
    for (int64_t row = chunk * together; row < end; row++) {
      const T* from = source + row / a.size * a.count * inner;
      for (int64_t i = 0; i < inner; i++) {
        const int64_t at = row * inner + i;
        output[at] = inside(context, "take_along", at, indices[at], a.count) ? from[indices[at] * inner + i] : T(0);
      }
    }
  });
}

// Bytes of slices, outer by outer; cut so that a few long ones still keep every thread busy.
template <class Copy> void each_slice(Context& context, int64_t outer, int64_t bytes, Copy copy) {
  if (bytes == 0) return;
  const int64_t pieces = (bytes + chunk_bytes - 1) / chunk_bytes;
  const int64_t together = bytes < chunk_bytes ? chunk_bytes / bytes : 1;
  const int64_t tasks = outer * pieces;
  context.parallel((tasks + together - 1) / together, [&](int64_t chunk, int) {
    for (int64_t task = chunk * together; task < tasks && task < (chunk + 1) * together; task++) {
      const int64_t first = task % pieces * chunk_bytes;
      copy(task / pieces, first, bytes - first < chunk_bytes ? bytes - first : chunk_bytes);
    }
  });
}

}  // namespace gathering

void gather_rows(const gather_rows_args& a, Context& context) {
  if (a.rows * a.size == 0) return;
  const int64_t from_bytes = machine::element_bytes(a.type), to_bytes = machine::element_bytes(a.outputType);
  const int64_t from_row = a.size * from_bytes, to_row = a.size * to_bytes;
  const char* source = a.source.as<char>();
  char* output = a.output.as<char>();
  const int32_t* indices = a.indices.i32();
  const int64_t together = to_row < gathering::chunk_bytes ? gathering::chunk_bytes / to_row : 1;
  context.parallel((a.rows + together - 1) / together, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * together < a.rows ? (chunk + 1) * together : a.rows;
    for (int64_t i = chunk * together; i < end; i++) {
      char* to = output + i * to_row;
      if (!gathering::inside(context, "gather_rows", i, indices[i], a.count)) std::memset(to, 0, size_t(to_row));
      else if (a.type == a.outputType) std::memcpy(to, source + indices[i] * from_row, size_t(to_row));
      else machine::load_run(to, source + indices[i] * from_row, a.type, from_bytes, 1, a.size);
    }
  });
}

void scatter_add_rows(const scatter_add_rows_args& a, Context& context) {
  const float* x = a.x.f32();
  float* output = a.output.f32();
  const int32_t* indices = a.indices.i32();
  const int64_t size = a.size, rows = a.rows;
  gathering::zero(context, output, a.count * size);
  for (int64_t i = 0; i < rows; i++) gathering::inside(context, "scatter_add_rows", i, indices[i], a.count);
  // wide rows are shared out by columns, narrow ones by ranges of the output; each adds in the order of i
  const int64_t columns = 64, tiles = size >= 2 * columns ? (size + columns - 1) / columns : 1;
  const int64_t ranges = tiles == 1 && rows * size > 32768 ? 8 : 1, range = (a.count + ranges - 1) / ranges;
  context.parallel(tiles * ranges, [&](int64_t task, int) {
    const int64_t first = tiles > 1 ? task * columns : 0;
    const int64_t width = tiles > 1 ? (size - first < columns ? size - first : columns) : size;
    const int64_t low = ranges > 1 ? task * range : 0;
    const int64_t high = ranges > 1 && low + range < a.count ? low + range : a.count;
    for (int64_t i = 0; i < rows; i++)
      if (indices[i] >= low && indices[i] < high)
        gathering::add_run(output + indices[i] * size + first, x + i * size + first, width);
  });
}

void take_along(const take_along_args& a, Context& context) {
  if (a.outer * a.size * a.inner == 0) return;
  switch (a.width) {
    case 1: return gathering::take<uint8_t>(a, context);
    case 2: return gathering::take<uint16_t>(a, context);
    case 4: return gathering::take<uint32_t>(a, context);
    case 8: return gathering::take<uint64_t>(a, context);
    default: context.fail("take_along", "width", 0, a.width, 8);
  }
}

void scatter_add_along(const scatter_add_along_args& a, Context& context) {
  const float* x = a.x.f32();
  float* output = a.output.f32();
  const int32_t* indices = a.indices.i32();
  const int64_t inner = a.inner;
  gathering::zero(context, output, a.outer * a.count * inner);
  if (a.outer * a.size * inner == 0) return;
  const int64_t columns = 64, tiles = (inner + columns - 1) / columns, tasks = a.outer * tiles;
  const int64_t each = a.size * (inner < columns ? inner : columns), together = each < 8192 ? 8192 / each : 1;
  context.parallel((tasks + together - 1) / together, [&](int64_t chunk, int) {
    for (int64_t task = chunk * together; task < tasks && task < (chunk + 1) * together; task++) {
      const int64_t o = task / tiles, first = task % tiles * columns;
      const int64_t end = first + columns < inner ? first + columns : inner;
      float* to = output + o * a.count * inner;
      for (int64_t j = 0; j < a.size; j++)
        for (int64_t i = first; i < end; i++) {
          const int64_t at = (o * a.size + j) * inner + i;
          if (gathering::inside(context, "scatter_add_along", at, indices[at], a.count)) to[indices[at] * inner + i] += x[at];
        }
    }
  });
}

void write_slice(const write_slice_args& a, Context& context) {
  const int64_t start = *a.start.i32(), row = a.inner * a.width, bytes = a.size * row;
  if (start < 0 || start > a.count - a.size)
    return context.fail("write_slice", "start", 0, start, a.count - a.size + 1);
  gathering::each_slice(context, a.outer, bytes, [&](int64_t o, int64_t first, int64_t n) {
    std::memcpy(a.base.as<char>() + (o * a.count + start) * row + first, a.value.as<char>() + o * bytes + first, size_t(n));
  });
}

void read_slice(const read_slice_args& a, Context& context) {
  const int64_t start = *a.start.i32(), row = a.inner * a.width, bytes = a.size * row;
  const bool fits = start >= 0 && start <= a.count - a.size;
  if (!fits) context.fail("read_slice", "start", 0, start, a.count - a.size + 1);
  gathering::each_slice(context, a.outer, bytes, [&](int64_t o, int64_t first, int64_t n) {
    char* to = a.output.as<char>() + o * bytes + first;
    if (fits) std::memcpy(to, a.base.as<char>() + (o * a.count + start) * row + first, size_t(n));
    else std::memset(to, 0, size_t(n));
  });
}

}  // namespace HEED_TIER
}  // namespace heed
