// Counter-based random numbers: Philox-4x32-10 (Salmon et al. 2011). Number i is a function of key, stream and i alone, so any
// part can be made again, in any order, on any number of threads.
#include "generated/table.h"
#include "vector.h"
#include "vector_math.h"

namespace heed {
namespace HEED_TIER {
namespace philox {

inline void round(uint32_t c[4], uint32_t k0, uint32_t k1) {
  const uint64_t p0 = uint64_t(0xD2511F53u) * c[0];
  const uint64_t p1 = uint64_t(0xCD9E8D57u) * c[2];
  const uint32_t n0 = uint32_t(p1 >> 32) ^ c[1] ^ k0;
  const uint32_t n2 = uint32_t(p0 >> 32) ^ c[3] ^ k1;
  c[1] = uint32_t(p1);
  c[3] = uint32_t(p0);
  c[0] = n0;
  c[2] = n2;
}

inline void block(uint32_t out[4], uint32_t counter, uint32_t stream, uint32_t k0, uint32_t k1) {
  out[0] = counter;
  out[1] = stream;
  out[2] = out[3] = 0;
  for (int i = 0; i < 10; i++) {
    round(out, k0, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

inline float uniform(uint32_t bits) { return float(bits >> 8) * 0x1p-24f; }

}  // namespace philox

void random(const random_args& a, Context& context) {
  const uint32_t k0 = uint32_t(a.key.i32()[0]);
  const uint32_t k1 = uint32_t(a.key.i32()[1]);
  const uint32_t stream = uint32_t(a.stream);
  constexpr int64_t per_chunk = 1 << 14;  // a multiple of 4 · W
  context.parallel((a.count + per_chunk - 1) / per_chunk, [&](int64_t chunk, int) {
    const int64_t begin = chunk * per_chunk;
    const int64_t end = begin + per_chunk < a.count ? begin + per_chunk : a.count;
    for (int64_t at = begin; at < end; at += 4 * W) {
      uint32_t bits[4 * W];
      for (int j = 0; j < W; j++) philox::block(bits + 4 * j, uint32_t(at / 4 + j), stream, k0, k1);
      const int n = end - at < 4 * W ? int(end - at) : 4 * W;
      if (a.distribution == 2) {
        for (int j = 0; j < n; j++) a.output.i32()[at + j] = int32_t(bits[j]);
        continue;
      }
      float* out = a.output.f32() + at;
      if (a.distribution == 0) {
        for (int j = 0; j < n; j++) out[j] = philox::uniform(bits[j]);
        continue;
      }
      // Box and Muller 1958: two uniform numbers give two normal ones; 1 - u is never 0
      float radius[2 * W], angle[2 * W], result[4 * W];
      for (int j = 0; j < 2 * W; j++) {
        radius[j] = 1.0f - philox::uniform(bits[2 * j]);
        angle[j] = 6.283185307179586f * philox::uniform(bits[2 * j + 1]);
      }
      for (int half = 0; half < 2; half++) {
        const vf r = sqrt(log(load(radius + half * W)) * -2.0f);
        const vf t = load(angle + half * W);
        store(radius + half * W, r * cos(t));
        store(angle + half * W, r * sin(t));
      }
      for (int j = 0; j < 2 * W; j++) {
        result[2 * j] = radius[j];
        result[2 * j + 1] = angle[j];
      }
      for (int j = 0; j < n; j++) out[j] = result[j];
    }
  });
}

}  // namespace HEED_TIER
}  // namespace heed
