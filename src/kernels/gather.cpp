// Looking rows up and adding rows back: indices come at run time, so every one is checked; a bad one is reported and skipped.
#include <cstring>

#include "generated/table.h"
#include "vector.h"

namespace heed {
namespace HEED_TIER {
namespace gathering {

// Bytes that one thread should at least move.
constexpr int64_t grain = 1 << 16;

inline int64_t rows_per_chunk(int64_t bytes_per_row) { return bytes_per_row >= grain ? 1 : grain / (bytes_per_row + 1) + 1; }

inline int64_t chunks(int64_t count, int64_t per_chunk) { return (count + per_chunk - 1) / per_chunk; }

// The index at `position`, or -1 after reporting one outside 0..limit-1.
inline int64_t checked(Context& context, const char* kernel, const int32_t* indices, int64_t position, int64_t limit) {
  const int64_t index = indices[position];
  if (index >= 0 && index < limit) return index;
  context.fail(kernel, "index", position, index, limit);
  return -1;
}

inline void widen(float* to, const uint16_t* from, int64_t n, bool bf16) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, bf16 ? load_bf16(from + i) : load_f16(from + i));
  if (i < n) store_partial(to + i, bf16 ? load_bf16_partial(from + i, int(n - i)) : load_f16_partial(from + i, int(n - i)), int(n - i));
}

inline void add_into(float* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(to + i, load(to + i) + load(from + i));
  if (i < n) store_partial(to + i, load_partial(to + i, int(n - i)) + load_partial(from + i, int(n - i)), int(n - i));
}

inline int64_t element_bytes(int64_t type) {
  return type == F32 || type == I32 ? 4 : type == BF16 || type == F16 ? 2 : 1;
}

}  // namespace gathering

void gather_rows(const gather_rows_args& a, Context& context) {
  using namespace gathering;
  const int32_t* indices = a.indices.i32();
  const bool convert = (a.type == BF16 || a.type == F16) && a.outputType == F32;
  const int64_t from_bytes = a.size * element_bytes(a.type);
  const int64_t to_bytes = a.size * element_bytes(a.outputType);
  const int64_t per_chunk = rows_per_chunk(to_bytes);
  context.parallel(chunks(a.rows, per_chunk), [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * per_chunk < a.rows ? (chunk + 1) * per_chunk : a.rows;
    for (int64_t row = chunk * per_chunk; row < end; row++) {
      const int64_t index = checked(context, "gather_rows", indices, row, a.count);
      uint8_t* to = a.output.u8() + row * to_bytes;
      if (index < 0) std::memset(to, 0, size_t(to_bytes));
      else if (convert) widen(reinterpret_cast<float*>(to), a.source.u16() + index * a.size, a.size, a.type == BF16);
      else std::memcpy(to, a.source.u8() + index * from_bytes, size_t(from_bytes));
    }
  });
}

void scatter_add_rows(const scatter_add_rows_args& a, Context& context) {
  using namespace gathering;
  const int32_t* indices = a.indices.i32();
  const float* x = a.x.f32();
  float* output = a.output.f32();
  for (int64_t row = 0; row < a.rows; row++) checked(context, "scatter_add_rows", indices, row, a.count);
  // every thread owns columns, and adds rows in their order
  const int64_t most = (a.rows + a.count) * 4 > 0 ? grain / ((a.rows + a.count) * 4) + 1 : 1;
  const int64_t columns = (most + W - 1) / W * W > 4 * W ? (most + W - 1) / W * W : 4 * W;
  context.parallel(chunks(a.size, columns), [&](int64_t chunk, int) {
    const int64_t from = chunk * columns;
    const int64_t n = from + columns < a.size ? columns : a.size - from;
    for (int64_t row = 0; row < a.count; row++) std::memset(output + row * a.size + from, 0, size_t(n) * 4);
    for (int64_t row = 0; row < a.rows; row++) {
      const int64_t index = indices[row];
      if (index >= 0 && index < a.count) add_into(output + index * a.size + from, x + row * a.size + from, n);
    }
  });
}

void take_along(const take_along_args& a, Context& context) {
  using namespace gathering;
  const int64_t per_outer = a.size * a.inner;
  const int64_t per_chunk = rows_per_chunk(per_outer * a.width);
  const auto take = [&](auto* to, const auto* from) {
    context.parallel(chunks(a.outer, per_chunk), [&](int64_t chunk, int) {
      const int64_t end = (chunk + 1) * per_chunk < a.outer ? (chunk + 1) * per_chunk : a.outer;
      for (int64_t o = chunk * per_chunk; o < end; o++)
        for (int64_t j = 0; j < a.size; j++)
          for (int64_t i = 0; i < a.inner; i++) {
            const int64_t at = o * per_outer + j * a.inner + i;
            const int64_t index = checked(context, "take_along", a.indices.i32(), at, a.count);
            if (index < 0) to[at] = 0;
            else to[at] = from[(o * a.count + index) * a.inner + i];
          }
    });
  };
  if (a.width == 8) take(a.output.as<uint64_t>(), a.source.as<const uint64_t>());
  else if (a.width == 4) take(a.output.as<uint32_t>(), a.source.as<const uint32_t>());
  else if (a.width == 2) take(a.output.as<uint16_t>(), a.source.as<const uint16_t>());
  else take(a.output.as<uint8_t>(), a.source.as<const uint8_t>());
}

void scatter_add_along(const scatter_add_along_args& a, Context& context) {
  using namespace gathering;
  const int64_t per_outer = a.size * a.inner;
  const int64_t per_chunk = rows_per_chunk((per_outer + a.count * a.inner) * 4);
  context.parallel(chunks(a.outer, per_chunk), [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * per_chunk < a.outer ? (chunk + 1) * per_chunk : a.outer;
    for (int64_t o = chunk * per_chunk; o < end; o++) {
      float* to = a.output.f32() + o * a.count * a.inner;
      std::memset(to, 0, size_t(a.count * a.inner) * 4);
      for (int64_t j = 0; j < a.size; j++)
        for (int64_t i = 0; i < a.inner; i++) {
          const int64_t at = o * per_outer + j * a.inner + i;
          const int64_t index = checked(context, "scatter_add_along", a.indices.i32(), at, a.count);
          if (index >= 0) to[index * a.inner + i] += a.x.f32()[at];
        }
    }
  });
}

void write_slice(const write_slice_args& a, Context& context) {
  using namespace gathering;
  const int64_t start = a.start.i32()[0];
  const int64_t last = a.count - a.size;
  if (start < 0 || start > last) return context.fail("write_slice", "start", 0, start, last + 1);
  const int64_t bytes = a.size * a.inner * a.width;
  const int64_t per_chunk = rows_per_chunk(bytes);
  context.parallel(chunks(a.outer, per_chunk), [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * per_chunk < a.outer ? (chunk + 1) * per_chunk : a.outer;
    for (int64_t o = chunk * per_chunk; o < end; o++)
      std::memcpy(a.base.u8() + (o * a.count + start) * a.inner * a.width, a.value.u8() + o * bytes, size_t(bytes));
  });
}

void read_slice(const read_slice_args& a, Context& context) {
  using namespace gathering;
  const int64_t start = a.start.i32()[0];
  const int64_t last = a.count - a.size;
  const int64_t bytes = a.size * a.inner * a.width;
  if (start < 0 || start > last) {
    std::memset(a.output.u8(), 0, size_t(bytes * a.outer));
    return context.fail("read_slice", "start", 0, start, last + 1);
  }
  const int64_t per_chunk = rows_per_chunk(bytes);
  context.parallel(chunks(a.outer, per_chunk), [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * per_chunk < a.outer ? (chunk + 1) * per_chunk : a.outer;
    for (int64_t o = chunk * per_chunk; o < end; o++)
      std::memcpy(a.output.u8() + o * bytes, a.base.u8() + (o * a.count + start) * a.inner * a.width, size_t(bytes));
  });
}

}  // namespace HEED_TIER
}  // namespace heed
