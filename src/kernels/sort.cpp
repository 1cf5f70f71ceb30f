// Stable sorting of rows, the first of a row's order (top k), running sums, counting. Numbers become unsigned keys whose order is
// theirs; a key and its place make one 64-bit word, so any exact sort of the words is stable.
#include "generated/table.h"
#include "machine_operand.h"

namespace heed {
namespace HEED_TIER {
namespace sorting {

// Ascending keys of n numbers; descending order is the keys' complement. NaN have the largest key both ways.
inline void make_keys(uint32_t* keys, const uint32_t* words, int64_t n, bool floats, bool descending) {
  const uint32_t flip = descending ? 0xffffffffu : 0;
  if (!floats) {
    for (int64_t i = 0; i < n; i++) keys[i] = (words[i] ^ 0x80000000u) ^ flip;
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    const uint32_t word = words[i] == 0x80000000u ? 0 : words[i];  // -0 equals 0
    const uint32_t key = word ^ (word >> 31 ? 0xffffffffu : 0x80000000u);
    keys[i] = (word & 0x7fffffffu) > 0x7f800000u ? 0xffffffffu : key ^ flip;
  }
}

inline void sort_small(uint64_t* x, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    const uint64_t one = x[i];
    int64_t j = i;
    for (; j > 0 && x[j - 1] > one; j--) x[j] = x[j - 1];
    x[j] = one;
  }
}

// By the upper 32 bits, least digit first; equal keys keep their order. `other` is n words of room; the result is in x.
inline void sort_by_digits(uint64_t* x, uint64_t* other, int64_t n) {
  int64_t counts[4][256] = {};
  for (int64_t i = 0; i < n; i++)
    for (int d = 0; d < 4; d++) counts[d][x[i] >> (32 + 8 * d) & 255]++;
  uint64_t *from = x, *to = other;
  for (int d = 0; d < 4; d++) {
    if (counts[d][from[0] >> (32 + 8 * d) & 255] == n) continue;  // one digit for all
    int64_t start = 0;
    for (int64_t& count : counts[d]) {
      const int64_t here = count;
      count = start;
      start += here;
    }
    for (int64_t i = 0; i < n; i++) to[counts[d][from[i] >> (32 + 8 * d) & 255]++] = from[i];
    uint64_t* swap = from;
    from = to;
    to = swap;
  }
  if (from != x) std::memcpy(x, from, size_t(n) * 8);
}

// A heap with its largest word first.
inline void sift_down(uint64_t* heap, int64_t n, int64_t i) {
  const uint64_t one = heap[i];
  while (true) {
    int64_t child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && heap[child + 1] > heap[child]) child++;
    if (heap[child] <= one) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = one;
}

// The `keep` least words of a row in order, keys read through `block` numbers at a time.
template <class ReadKeys> void select_least(uint64_t* heap, int64_t keep, int64_t n, uint32_t* keys, ReadKeys read) {
  constexpr int64_t block = 512;
  int64_t filled = 0;
  for (int64_t first = 0; first < n; first += block) {
    const int64_t count = n - first < block ? n - first : block;
    read(keys, first, count);
    int64_t i = 0;
    for (; i < count && filled < keep; i++) {
      heap[filled++] = uint64_t(keys[i]) << 32 | uint32_t(first + i);
      if (filled == keep)
        for (int64_t j = keep / 2; j >= 0; j--) sift_down(heap, keep, j);
    }
    while (i < count) {
      // runs without a candidate are skipped sixteen at a time; an equal key comes later, so it never enters
      const uint32_t limit = uint32_t(heap[0] >> 32);
      if (count - i >= 16) {
        int candidates = 0;
        for (int j = 0; j < 16; j++) candidates |= keys[i + j] < limit;
        if (!candidates) {
          i += 16;
          continue;
        }
      }
      for (const int64_t end = count - i < 16 ? count : i + 16; i < end; i++)
        if (keys[i] < uint32_t(heap[0] >> 32)) {
          heap[0] = uint64_t(keys[i]) << 32 | uint32_t(first + i);
          sift_down(heap, keep, 0);
        }
    }
  }
  for (int64_t end = keep - 1; end > 0; end--) {
    const uint64_t largest = heap[0];
    heap[0] = heap[end];
    heap[end] = largest;
    sift_down(heap, end, 0);
  }
}

}  // namespace sorting

void sort_rows(const sort_rows_args& a, Context& context) {
  const int64_t size = a.size, keep = a.keep, bytes = machine::element_bytes(a.type);
  if (a.rows * size == 0 || keep == 0) return;
  const bool floats = machine::is_float(a.type), few = keep <= 256 && keep * 8 <= size;
  const size_t words = few ? size_t(keep) : size_t(size) * 2;
  const int64_t together = size < 4096 ? 4096 / size : 1;
  context.parallel((a.rows + together - 1) / together, [&](int64_t chunk, int thread) {
    uint64_t* word = static_cast<uint64_t*>(context.scratch(thread, words * 8 + 2 * 512 * 4));
    uint32_t* keys = reinterpret_cast<uint32_t*>(word + words);
    const int64_t end = (chunk + 1) * together < a.rows ? (chunk + 1) * together : a.rows;
    for (int64_t row = chunk * together; row < end; row++) {
      const char* x = a.x.as<char>() + row * size * bytes;
      const auto read = [&](uint32_t* to, int64_t first, int64_t count) {
        uint32_t* loaded = keys + 512;
        machine::load_run(reinterpret_cast<char*>(loaded), x + first * bytes, a.type, bytes, 1, count);
        sorting::make_keys(to, loaded, count, floats, a.descending != 0);
      };
      if (few) {
        sorting::select_least(word, keep, size, keys, read);
      } else {
        for (int64_t first = 0; first < size; first += 512) {
          const int64_t count = size - first < 512 ? size - first : 512;
          read(keys, first, count);
          for (int64_t i = 0; i < count; i++) word[first + i] = uint64_t(keys[i]) << 32 | uint32_t(first + i);
        }
        if (size <= 64) sorting::sort_small(word, size);
        else sorting::sort_by_digits(word, word + size, size);
      }
      for (int64_t i = 0; i < keep; i++) {
        const int64_t at = int64_t(word[i] & 0xffffffffu);
        a.indices.i32()[row * keep + i] = int32_t(at);
        if (a.values) std::memcpy(a.values.as<char>() + (row * keep + i) * bytes, x + at * bytes, size_t(bytes));
      }
    }
  });
}

namespace sorting {

// One column after the other in a tile of 64; floats are added in double.
template <class T, class Total> void run_sums(const cumulative_sum_args& a, Context& context) {
  const T* x = a.x.as<T>();
  T* output = a.output.as<T>();
  const int64_t inner = a.inner, columns = 64, tiles = (inner + columns - 1) / columns, tasks = a.outer * tiles;
  const int64_t each = a.size * (inner < columns ? inner : columns), together = each < 8192 ? 8192 / each : 1;
  context.parallel((tasks + together - 1) / together, [&](int64_t chunk, int) {
    for (int64_t task = chunk * together; task < tasks && task < (chunk + 1) * together; task++) {
      const int64_t first = task % tiles * columns, width = inner - first < columns ? inner - first : columns;
      const int64_t start = task / tiles * a.size * inner + first;
      Total total[64] = {};
      if (inner == 1) {
        Total one = 0;
        for (int64_t k = 0; k < a.size; k++) {
          const int64_t at = start + (a.reverse ? a.size - 1 - k : k);
          output[at] = T(one += Total(x[at]));
        }
        continue;
      }
      for (int64_t k = 0; k < a.size; k++) {
        const int64_t at = start + (a.reverse ? a.size - 1 - k : k) * inner;
        for (int64_t i = 0; i < width; i++) {
          total[i] += Total(x[at + i]);
          output[at + i] = T(total[i]);
        }
      }
    }
  });
}

}  // namespace sorting

void cumulative_sum(const cumulative_sum_args& a, Context& context) {
  if (a.outer * a.size * a.inner == 0) return;
  if (a.type == F32) return sorting::run_sums<float, double>(a, context);
  if (a.type == I32) return sorting::run_sums<uint32_t, uint32_t>(a, context);
  context.fail("cumulative_sum", "type", 0, a.type, 2);
}

void iota(const iota_args& a, Context& context) {
  constexpr int64_t chunk = 65536;
  int32_t* output = a.output.i32();
  const uint32_t start = uint32_t(a.start), step = uint32_t(a.step);
  context.parallel((a.count + chunk - 1) / chunk, [&](int64_t index, int) {
    const int64_t end = (index + 1) * chunk < a.count ? (index + 1) * chunk : a.count;
    for (int64_t i = index * chunk; i < end; i++) output[i] = int32_t(start + uint32_t(i) * step);
  });
}

}  // namespace HEED_TIER
}  // namespace heed
