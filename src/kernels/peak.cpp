// Measures the machine's limits with the widest instructions it has: independent multiply-adds in registers, and a sum over
// memory much larger than the caches. Native only: WebAssembly has no clock of its own.
#include "peak.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "memory.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define HEED_TARGET(isa) __attribute__((target(isa)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace heed {
namespace {

// Runs `rounds` rounds of independent operations; returns how many floating-point operations that was.
using Work = double (*)(int64_t rounds);

// Twelve chains hide the latency of a multiply-add; REGISTER is the constraint that keeps them in registers.
#define HEED_CHAINS(STEP)                                                                        \
  STEP(x0) STEP(x1) STEP(x2) STEP(x3) STEP(x4) STEP(x5) STEP(x6) STEP(x7) STEP(x8) STEP(x9) STEP(x10) STEP(x11)

#if defined(__x86_64__)
#define HEED_PEAK_F32(NAME, ISA, VECTOR, LANES, SET, STEP_OF, REGISTER)                                       \
  HEED_TARGET(ISA) double NAME(int64_t rounds) {                                                              \
    VECTOR y = SET(1e-3f);                                                                                    \
    asm volatile("" : "+" REGISTER(y));                                                                       \
    VECTOR x0 = y, x1 = y, x2 = y, x3 = y, x4 = y, x5 = y, x6 = y, x7 = y, x8 = y, x9 = y, x10 = y, x11 = y;  \
    for (int64_t i = 0; i < rounds; i++) {                                                                    \
      HEED_CHAINS(STEP_OF)                                                                                    \
    }                                                                                                         \
    return double(rounds) * 12 * LANES * 2;                                                                   \
  }
#define HEED_STEP_512(x) x = _mm512_fmadd_ps(y, y, x); asm volatile("" : "+v"(x));
#define HEED_STEP_256(x) x = _mm256_fmadd_ps(y, y, x); asm volatile("" : "+x"(x));
#define HEED_STEP_128(x) x = _mm_add_ps(_mm_mul_ps(y, y), x); asm volatile("" : "+x"(x), "+x"(y));
#define HEED_STEP_DOT(x) x = _mm512_dpbf16_ps(x, (__m512bh)y, (__m512bh)y); asm volatile("" : "+v"(x));
HEED_PEAK_F32(multiply_512, "avx512f", __m512, 16, _mm512_set1_ps, HEED_STEP_512, "v")
HEED_PEAK_F32(multiply_256, "avx2,fma", __m256, 8, _mm256_set1_ps, HEED_STEP_256, "x")
HEED_PEAK_F32(multiply_128, "sse2", __m128, 4, _mm_set1_ps, HEED_STEP_128, "x")
HEED_PEAK_F32(dot_512, "avx512f,avx512bf16", __m512, 32, _mm512_set1_ps, HEED_STEP_DOT, "v")

Work work_of(int kind) {
  __builtin_cpu_init();
  if (kind == peak_bf16) return __builtin_cpu_supports("avx512bf16") ? dot_512 : nullptr;
  if (__builtin_cpu_supports("avx512f")) return multiply_512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? multiply_256 : multiply_128;
}
#elif defined(__aarch64__)
#define HEED_STEP_NEON(x) x = vfmaq_f32(x, y, y); asm volatile("" : "+w"(x));
double multiply_neon(int64_t rounds) {
  float32x4_t y = vdupq_n_f32(1e-3f);
  asm volatile("" : "+w"(y));
  // Sixteen chains: four pipes of four cycles.
  float32x4_t x0 = y, x1 = y, x2 = y, x3 = y, x4 = y, x5 = y, x6 = y, x7 = y, x8 = y, x9 = y, x10 = y, x11 = y;
  float32x4_t x12 = y, x13 = y, x14 = y, x15 = y;
  for (int64_t i = 0; i < rounds; i++) {
    HEED_CHAINS(HEED_STEP_NEON)
    HEED_STEP_NEON(x12) HEED_STEP_NEON(x13) HEED_STEP_NEON(x14) HEED_STEP_NEON(x15)
  }
  return double(rounds) * 16 * 4 * 2;
}
Work work_of(int kind) { return kind == peak_f32 ? multiply_neon : nullptr; }
#else
double multiply_plain(int64_t rounds) {
  volatile float y = 1e-3f;
  float x[16] = {};
  for (int64_t i = 0; i < rounds; i++)
    for (float& one : x) one += y * y;
  volatile float keep = x[0];
  (void)keep;
  return double(rounds) * 16 * 2;
}
Work work_of(int kind) { return kind == peak_f32 ? multiply_plain : nullptr; }
#endif

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The most that fn(thread) of all threads reached in a second: the best of `tries` runs.
template <class F> double best_rate(int threads, int tries, F&& fn) {
  double best = 0;
  std::vector<double> done(size_t(threads), 0.0);
  for (int i = 0; i < tries; i++) {
    const double start = seconds();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; t++) others.emplace_back([&, t] { done[size_t(t)] = fn(t); });
    done[0] = fn(0);
    for (auto& other : others) other.join();
    double all = 0;
    for (double one : done) all += one;
    const double rate = all / (seconds() - start);
    if (rate > best) best = rate;
  }
  return best;
}

// Sums `count` 64-bit words; the compiler uses what vectors it has.
uint64_t sum_words(const uint64_t* from, size_t count) {
  uint64_t sums[16] = {};
  for (size_t i = 0; i + 16 <= count; i += 16)
    for (size_t j = 0; j < 16; j++) sums[j] += from[i + j];
  uint64_t sum = 0;
  for (uint64_t one : sums) sum += one;
  return sum;
}

double measure_read(int threads) {
  constexpr size_t bytes = size_t(192) << 20;
  auto* memory = static_cast<uint64_t*>(allocate(bytes));
  if (memory == nullptr) return 0;
  for (size_t i = 0; i < bytes / 8; i += 8) memory[i] = i;
  const size_t each = bytes / 8 / size_t(threads) / 16 * 16;
  const double rate = best_rate(threads, 6, [&](int thread) {
    volatile uint64_t keep = sum_words(memory + size_t(thread) * each, each);
    (void)keep;
    return double(each * 8);
  });
  release(memory, bytes);
  return rate;
}

}  // namespace

double measure_peak(int kind, int threads) {
  if (threads < 1) threads = 1;
  if (kind == peak_read) return measure_read(threads);
  if (kind != peak_f32 && kind != peak_bf16) return 0;
  const Work work = work_of(kind);
  if (work == nullptr) return 0;
  return best_rate(threads, 10, [&](int) { return work(1500000); });
}

}  // namespace heed
