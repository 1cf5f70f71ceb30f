// Random numbers by place: Philox-4x32-10 (Salmon et al. 2011), W counters at a time. Uniform numbers and bits are the same on every
// machine; normal numbers (Box and Muller 1958) differ by what the tier's sine and logarithm differ in the last place.
#include "generated/table.h"
#include "transpose.h"

namespace heed {
namespace HEED_TIER {
namespace philox {

typedef uint64_t vul __attribute__((vector_size(W * 4)));

// Products of the low halves of 64-bit lanes.
HEED_INLINE vul multiply_low_halves(vul a, vul b) {
#if defined(__AVX512F__)
  return (vul)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vul)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (vul)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

struct Product {
  vu high, low;
};
HEED_INLINE Product multiply(vu a, uint32_t b) {
  const vul factor = (vul)(vu{} + b), wide = (vul)a;
  const vul even = multiply_low_halves(wide, factor), odd = multiply_low_halves(wide >> 32, factor);
  return {(vu)((even >> 32) | (odd & 0xffffffff00000000u)), (vu)((even & 0xffffffffu) | (odd << 32))};
}

struct Words {
  vu word[4];
};
// The words of counters (block, stream, 0, 0) for W blocks.
HEED_INLINE Words draw(vu block, uint32_t stream, uint32_t key0, uint32_t key1) {
  vu c0 = block, c1 = vu{} + stream, c2{}, c3{};
  for (int round = 0; round < 10; round++) {
    const Product first = multiply(c0, 0xD2511F53u), second = multiply(c2, 0xCD9E8D57u);
    c0 = second.high ^ c1 ^ key0;
    c1 = second.low;
    c2 = first.high ^ c3 ^ key1;
    c3 = first.low;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The upper 24 bits as a whole number in f32.
HEED_INLINE vf upper_bits(vu word) { return to_float((vi)(word >> 8)); }

// Box-Muller: numbers 0 and 1 of a pair of words.
HEED_INLINE void normal_pair(vu a, vu b, vf& first, vf& second) {
  const vf radius = sqrt(-2.0f * log((upper_bits(a) + 1.0f) * 0x1p-24f));
  const SineCosine angle = sine_cosine_of_turns(upper_bits(b) * 0x1p-24f);
  first = radius * angle.cosine;
  second = radius * angle.sine;
}

// Lane k of the four vectors becomes numbers 4k .. 4k+3.
HEED_INLINE void interleave(int32_t* to, const vi* from) {
  int32_t lanes[4][W];
  for (int j = 0; j < 4; j++) store(lanes[j], from[j]);
  for (int k = 0; k < W; k += 4) transpose_tile(to + 4 * k, &lanes[0][k], W, 4);
}

}  // namespace philox

void random(const random_args& a, Context& context) {
  const uint32_t key0 = uint32_t(a.key.i32()[0]), key1 = uint32_t(a.key.i32()[1]);
  if (a.distribution < 0 || a.distribution > 2) return context.fail("random", "distribution", 0, a.distribution, 3);
  constexpr int64_t step = 4 * W, chunk = 16384;
  int32_t* output = a.output.i32();
  context.parallel((a.count + chunk - 1) / chunk, [&](int64_t index, int) {
    const int64_t end = (index + 1) * chunk < a.count ? (index + 1) * chunk : a.count;
    for (int64_t i = index * chunk; i < end; i += step) {
      const vu block = (vu)lane_numbers() + uint32_t(i / 4);
      const philox::Words words = philox::draw(block, uint32_t(a.stream), key0, key1);
      vi value[4];
      if (a.distribution == 0) {
        for (int j = 0; j < 4; j++) value[j] = as_int(philox::upper_bits(words.word[j]) * 0x1p-24f);
      } else if (a.distribution == 1) {
        vf number[4];
        philox::normal_pair(words.word[0], words.word[1], number[0], number[1]);
        philox::normal_pair(words.word[2], words.word[3], number[2], number[3]);
        for (int j = 0; j < 4; j++) value[j] = as_int(number[j]);
      } else {
        for (int j = 0; j < 4; j++) value[j] = (vi)words.word[j];
      }
      int32_t row[step];
      philox::interleave(row, value);
      std::memcpy(output + i, row, size_t(end - i < step ? end - i : step) * 4);
    }
  });
}

}  // namespace HEED_TIER
}  // namespace heed
