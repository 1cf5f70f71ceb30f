// Copies between strided spaces: rows that are adjacent on both sides go as one, a transposition goes in tiles that use whole
// cache lines on both sides, the rest element by element.
#include "generated/table.h"
#include "transpose.h"

namespace heed {
namespace HEED_TIER {
namespace copying {

constexpr int most_axes = 32;

// Axes outermost first, joined where both sides run on; the last one is the output's closest.
struct Space {
  int axes = 0;
  int64_t size[most_axes + 1], in[most_axes + 1], out[most_axes + 1];
};

inline int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

inline Space read_space(const copy_args& a) {
  const int rank = int(a.shape.size);
  int order[most_axes], count = 0;
  for (int k = 0; k < rank; k++)
    if (a.shape[k] != 1) order[count++] = k;
  for (int k = 1; k < count; k++)
    for (int j = k; j > 0 && magnitude(a.outputStrides[order[j]]) > magnitude(a.outputStrides[order[j - 1]]); j--) {
      const int other = order[j];
      order[j] = order[j - 1];
      order[j - 1] = other;
    }
  Space s;
  for (int i = 0; i < count; i++) {
    const int k = order[i], last = s.axes - 1;
    const int64_t size = a.shape[k], in = a.inputStrides[k], out = a.outputStrides[k];
    if (last >= 0 && s.in[last] == in * size && s.out[last] == out * size) {
      s.size[last] *= size;
      s.in[last] = in;
      s.out[last] = out;
    } else {
      s.size[s.axes] = size;
      s.in[s.axes] = in;
      s.out[s.axes++] = out;
    }
  }
  if (s.axes == 0) {
    s.size[0] = s.in[0] = s.out[0] = 1;
    s.axes = 1;
  }
  return s;
}

// Calls row(in offset, out offset) for rows first .. last-1 of the first `axes` axes; offsets in elements.
template <class Row> HEED_INLINE void each_row(const Space& s, int axes, int64_t first, int64_t last, Row row) {
  int64_t index[most_axes], in = 0, out = 0, rest = first;
  for (int k = axes - 1; k >= 0; k--) {
    index[k] = rest % s.size[k];
    rest /= s.size[k];
    in += index[k] * s.in[k];
    out += index[k] * s.out[k];
  }
  for (int64_t i = first; i < last; i++) {
    row(in, out);
    for (int k = axes - 1; k >= 0; k--) {
      in += s.in[k];
      out += s.out[k];
      if (++index[k] < s.size[k]) break;
      in -= s.size[k] * s.in[k];
      out -= s.size[k] * s.out[k];
      index[k] = 0;
    }
  }
}

template <class T> void copy_strided(T* to, const T* from, int64_t n, int64_t in, int64_t out) {
  if (in == 0) {
    const T value = *from;
    if (out == 1) for (int64_t i = 0; i < n; i++) to[i] = value;
    else for (int64_t i = 0; i < n; i++) to[i * out] = value;
  } else if (out == 1) {
    for (int64_t i = 0; i < n; i++) to[i] = from[i * in];
  } else {
    for (int64_t i = 0; i < n; i++) to[i * out] = from[i * in];
  }
}

// to[k · out + l] = from[l · in + k] for k < height (at most a cache line), l < width.
template <class T> void transpose_band(T* to, const T* from, int64_t height, int64_t width, int64_t in, int64_t out) {
  constexpr int64_t side = sizeof(T) == 4 ? 4 : sizeof(T) == 2 ? 8 : 1;
  const int64_t whole_height = side > 1 ? height / side * side : 0, whole_width = side > 1 ? width / side * side : 0;
  if constexpr (side > 1)
    for (int64_t l = 0; l < whole_width; l += side)
      for (int64_t k = 0; k < whole_height; k += side) transpose_tile(to + k * out + l, from + l * in + k, in, out);
  for (int64_t l = 0; l < width; l++)
    for (int64_t k = l < whole_width ? whole_height : 0; k < height; k++) to[k * out + l] = from[l * in + k];
}

template <class T> void run(const copy_args& a, Context& context) {
  constexpr int64_t width = sizeof(T), chunk_elements = 65536 / width;
  Space s = read_space(a);
  const T* from = a.input.as<T>();
  T* to = a.output.as<T>();
  int last = s.axes - 1;

  if (s.out[last] == 1 && s.in[last] != 1 && s.in[last] != 0) {
    // an axis that is adjacent on the input's side makes it a transposition
    int k = last - 1;
    while (k >= 0 && s.in[k] != 1) k--;
    if (k >= 0 && s.size[k] >= 4 && s.size[last] >= 4) {
      const int64_t size = s.size[k], out = s.out[k];
      for (int j = k; j < last - 1; j++) s.size[j] = s.size[j + 1], s.in[j] = s.in[j + 1], s.out[j] = s.out[j + 1];
      constexpr int64_t line = 64 / width, band = 4 * line, block = 64;
      const int64_t bands = (size + band - 1) / band, columns = s.size[last], in = s.in[last];
      int64_t rows = bands;
      for (int j = 0; j < last - 1; j++) rows *= s.size[j];
      // the bands are one more axis, innermost
      s.size[last - 1] = bands;
      s.in[last - 1] = band;
      s.out[last - 1] = band * out;
      const int64_t together = band * columns < chunk_elements ? chunk_elements / (band * columns) : 1;
      context.parallel((rows + together - 1) / together, [&](int64_t chunk, int) {
        const int64_t end = (chunk + 1) * together < rows ? (chunk + 1) * together : rows;
        int64_t index = chunk * together;
        each_row(s, last, index, end, [&](int64_t in_at, int64_t out_at) {
          const int64_t left = size - index++ % bands * band, height = left < band ? left : band;
          // blocks small enough that the pages of both sides stay known to the processor
          for (int64_t l = 0; l < columns; l += block)
            for (int64_t h = 0; h < height; h += line)
              transpose_band(to + out_at + h * out + l, from + in_at + l * in + h, height - h < line ? height - h : line,
                             columns - l < block ? columns - l : block, in, out);
        });
      });
      return;
    }
  }

  // long rows are cut, so that one row alone can keep every thread busy
  if (s.size[last] >= 2 * chunk_elements && s.axes < most_axes) {
    const int64_t pieces = s.size[last] / chunk_elements, rest = s.size[last] % chunk_elements;
    if (rest > 0) {
      copy_args tail = a;
      int64_t shape[most_axes + 1];
      for (int k = 0; k < s.axes; k++) shape[k] = s.size[k];
      shape[last] = rest;
      tail.shape.data = shape;
      tail.inputStrides.data = s.in;
      tail.outputStrides.data = s.out;
      tail.shape.size = tail.inputStrides.size = tail.outputStrides.size = s.axes;
      tail.input.pointer = const_cast<T*>(from + pieces * chunk_elements * s.in[last]);
      tail.output.pointer = to + pieces * chunk_elements * s.out[last];
      run<T>(tail, context);
    }
    s.size[last + 1] = chunk_elements;
    s.in[last + 1] = s.in[last];
    s.out[last + 1] = s.out[last];
    s.size[last] = pieces;
    s.in[last] *= chunk_elements;
    s.out[last] *= chunk_elements;
    last = s.axes++;
  }
  const int64_t n = s.size[last], in = s.in[last], out = s.out[last];
  int64_t rows = 1;
  for (int k = 0; k < last; k++) rows *= s.size[k];
  const int64_t together = n < chunk_elements ? chunk_elements / n : 1;
  context.parallel((rows + together - 1) / together, [&](int64_t chunk, int) {
    const int64_t end = (chunk + 1) * together < rows ? (chunk + 1) * together : rows;
    each_row(s, last, chunk * together, end, [&](int64_t in_at, int64_t out_at) {
      if (in == 1 && out == 1) std::memcpy(to + out_at, from + in_at, size_t(n) * width);
      else copy_strided(to + out_at, from + in_at, n, in, out);
    });
  });
}

}  // namespace copying

void copy(const copy_args& a, Context& context) {
  for (int64_t k = 0; k < a.shape.size; k++)
    if (a.shape[k] == 0) return;
  if (a.shape.size > copying::most_axes) return context.fail("copy", "axes", 0, a.shape.size, copying::most_axes);
  switch (a.width) {
    case 1: return copying::run<uint8_t>(a, context);
    case 2: return copying::run<uint16_t>(a, context);
    case 4: return copying::run<uint32_t>(a, context);
    case 8: return copying::run<uint64_t>(a, context);
    default: context.fail("copy", "width", 0, a.width, 8);
  }
}

}  // namespace HEED_TIER
}  // namespace heed
