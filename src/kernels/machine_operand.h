// One buffer seen along the flat order of an iteration space: neighbouring axes that run through memory as one are joined, then
// lanes are loaded or stored run by run with conversion between the element type and 32-bit lanes.
#pragma once
#include "transpose.h"

namespace heed {
namespace HEED_TIER {
namespace machine {

constexpr int most_axes = 16;

// A tile of the walk for operands that run across it.
constexpr int64_t tile_rows = 16, tile_columns = 32;

struct Operand {
  char* base;
  int64_t type, bytes;
  int axes;                                  // 0: one number for all lanes
  bool direct;                               // lies in memory as lanes do
  bool repeated;                             // every block sees the same lanes
  bool across;                               // a block is rows of a tile that is transposed in memory
  bool copied;                               // never used in place
  int64_t size[most_axes], stride[most_axes];  // outermost first; strides in elements
  bool in_order() const { return axes == 1 && stride[0] == 1; }
  bool words() const { return bytes == 4; }
};

inline int64_t element_bytes(int64_t type) { return type == BOOL || type == U8 ? 1 : type == BF16 || type == F16 ? 2 : 4; }
inline bool is_float(int64_t type) { return type == F32 || type == BF16 || type == F16; }

// Adds an axis inside the others; false when there are too many.
inline bool add_axis(Operand& o, int64_t size, int64_t stride) {
  if (size == 1) return true;
  if (o.axes > 0 && o.stride[o.axes - 1] == stride * size) {
    o.size[o.axes - 1] *= size;
    o.stride[o.axes - 1] = stride;
    return true;
  }
  if (o.axes == most_axes) return false;
  o.size[o.axes] = size;
  o.stride[o.axes++] = stride;
  return true;
}
// One axis of stride 0 is the same as none.
inline void finish_axes(Operand& o) {
  if (o.axes == 1 && o.stride[0] == 0) o.axes = 0;
}

inline void fill_words(char* to, uint32_t value, int64_t n) {
  const vi x = splat(int32_t(value));
  int64_t i = 0;
  for (; i + W <= n; i += W) store(reinterpret_cast<int32_t*>(to) + i, x);
  if (i < n) store_partial(reinterpret_cast<int32_t*>(to) + i, x, int(n - i));
}

inline uint32_t load_word(const char* from, int64_t type) {
  uint32_t word = 0;
  uint16_t half;
  switch (type) {
    case BOOL:
    case U8: return uint8_t(*from);
    case BF16: std::memcpy(&half, from, 2); return uint32_t(half) << 16;
    case F16: {
      std::memcpy(&half, from, 2);
      const float x = from_f16(vh{} + half)[0];
      std::memcpy(&word, &x, 4);
      return word;
    }
    default: std::memcpy(&word, from, 4); return word;
  }
}

template <class T, class Load> HEED_INLINE void load_vectors(char* to, const char* from, int64_t n, Load load_one) {
  auto* out = reinterpret_cast<T*>(to);
  int64_t i = 0;
  for (; i + W <= n; i += W) store(out + i, load_one(from, i, W));
  if (i < n) store_partial(out + i, load_one(from, i, int(n - i)), int(n - i));
}

// n lanes from elements `stride` apart.
inline void load_run(char* to, const char* from, int64_t type, int64_t bytes, int64_t stride, int64_t n) {
  if (n == 1 || stride == 0) return fill_words(to, load_word(from, type), n);
  if (stride == 1) switch (type) {
      case BOOL:
      case U8:
        return load_vectors<int32_t>(to, from, n, [](const char* p, int64_t i, int lanes) {
          const auto* at = reinterpret_cast<const uint8_t*>(p) + i;
          return lanes == W ? load_u8(at) : load_u8_partial(at, lanes);
        });
      case BF16:
        return load_vectors<float>(to, from, n, [](const char* p, int64_t i, int lanes) {
          const auto* at = reinterpret_cast<const uint16_t*>(p) + i;
          return lanes == W ? load_bf16(at) : load_bf16_partial(at, lanes);
        });
      case F16:
        return load_vectors<float>(to, from, n, [](const char* p, int64_t i, int lanes) {
          const auto* at = reinterpret_cast<const uint16_t*>(p) + i;
          return lanes == W ? load_f16(at) : load_f16_partial(at, lanes);
        });
      default: std::memcpy(to, from, size_t(n) * 4); return;
    }
  auto* out = reinterpret_cast<uint32_t*>(to);
  if (bytes == 4) {
    const auto* in = reinterpret_cast<const uint32_t*>(from);
    for (int64_t i = 0; i < n; i++) out[i] = in[i * stride];
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = load_word(from + i * stride * bytes, type);
  }
}

// `lanes` lanes of a tile whose columns are adjacent in memory and whose rows are `stride` apart; whole groups of 4 rows.
inline void load_across(char* to, const char* from, int64_t stride, int64_t lanes) {
  auto* out = reinterpret_cast<uint32_t*>(to);
  const auto* in = reinterpret_cast<const uint32_t*>(from);
  for (int64_t column = 0; column < tile_columns; column += 4)
    for (int64_t row = 0; row * tile_columns < lanes; row += 4)
      transpose_tile(out + row * tile_columns + column, in + column * stride + row, stride, tile_columns);
}

// n lanes to elements `stride` apart. Lanes are f32 for floats, i32 for the others.
inline void store_run(char* to, const char* from, int64_t type, int64_t bytes, int64_t stride, int64_t n) {
  if (type == F32 || type == I32) {
    if (stride == 1) {
      std::memcpy(to, from, size_t(n) * 4);
    } else {
      for (int64_t i = 0; i < n; i++) std::memcpy(to + i * stride * 4, from + i * 4, 4);
    }
    return;
  }
  for (int64_t i = 0; i < n; i += W) {
    const int lanes = n - i < W ? int(n - i) : W;
    const vi words = lanes == W ? load(reinterpret_cast<const int32_t*>(from) + i)
                                : load_partial(reinterpret_cast<const int32_t*>(from) + i, lanes);
    char* at = to + i * stride * bytes;
    if (bytes == 1) {
      if (stride == 1) {
        if (lanes == W) store_u8(reinterpret_cast<uint8_t*>(at), words);
        else store_u8_partial(reinterpret_cast<uint8_t*>(at), words, lanes);
      } else {
        for (int j = 0; j < lanes; j++) at[j * stride] = char(words[j]);
      }
      continue;
    }
    const vh halves = type == BF16 ? to_bf16(as_float(words)) : to_f16(as_float(words));
    if (stride == 1 && lanes == W) {
      std::memcpy(at, &halves, sizeof halves);
    } else {
      uint16_t kept[W];
      std::memcpy(kept, &halves, sizeof halves);
      for (int j = 0; j < lanes; j++) std::memcpy(at + j * stride * 2, &kept[j], 2);
    }
  }
}

// Calls run(lane, byte offset, stride, lanes) for each run of lanes first .. first+lanes-1 along the innermost axis.
template <class Run> HEED_INLINE void each_run(const Operand& o, int64_t first, int64_t lanes, Run run) {
  if (o.axes == 0) return run(int64_t(0), int64_t(0), int64_t(0), lanes);
  const int last = o.axes - 1;
  if (last == 0) return run(int64_t(0), first * o.stride[0] * o.bytes, o.stride[0], lanes);
  int64_t index[most_axes], offset = 0, rest = first;
  for (int k = last; k > 0; k--) {
    index[k] = rest % o.size[k];
    rest /= o.size[k];
    offset += index[k] * o.stride[k];
  }
  index[0] = rest;
  offset += rest * o.stride[0];
  for (int64_t lane = 0;;) {
    const int64_t left = o.size[last] - index[last], n = left < lanes - lane ? left : lanes - lane;
    run(lane, offset * o.bytes, o.stride[last], n);
    lane += n;
    if (lane == lanes) return;
    // the run ended with its axis: carry into the axes outside
    offset += (n - o.size[last]) * o.stride[last];
    index[last] = 0;
    int k = last - 1;
    while (true) {
      offset += o.stride[k];
      if (++index[k] < o.size[k] || k == 0) break;
      offset -= o.size[k] * o.stride[k];
      index[k--] = 0;
    }
  }
}

}  // namespace machine
}  // namespace HEED_TIER
}  // namespace heed
