// The thread pool: claiming, spinning, sleeping. See threads.h.
#include "threads.h"

#include "memory.h"

#if !defined(__wasm__)
#include <chrono>
#endif

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace heed {

#if defined(__wasm__)
void wait_while(std::atomic<uint32_t>& word, uint32_t value) {
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(&word), static_cast<int>(value), -1);
}
void wake_all(std::atomic<uint32_t>& word) {
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(&word), UINT32_MAX);
}
#elif defined(__linux__)
void wait_while(std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}
#else
void wait_while(std::atomic<uint32_t>& word, uint32_t value) { word.wait(value); }
void wake_all(std::atomic<uint32_t>& word) { word.notify_all(); }
#endif

namespace {

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins for about 50 microseconds; says whether `ready` came true. Longer waits sleep: other programs need the cores too.
template <class Ready> bool spin(Ready&& ready) {
#if defined(__wasm__)
  for (int i = 0; i < 40000; i++)
    if (ready()) return true;
#else
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::microseconds(50);
  do {
    for (int i = 0; i < 32; i++) {
      if (ready()) return true;
      pause();
    }
  } while (Clock::now() < end);
#endif
  return ready();
}

}  // namespace

ThreadPool::ThreadPool(int threads) : threads_(threads), all_(threads < most_stretches ? threads : most_stretches) {
#if !defined(__wasm__)
  for (int thread = 1; thread < threads; thread++) started_.emplace_back([this, thread] { serve(thread); });
#endif
}

ThreadPool::~ThreadPool() {
  stop();
#if !defined(__wasm__)
  for (auto& thread : started_) thread.join();
#endif
}

void ThreadPool::stop() {
  stopped_.store(true);
  epoch_.fetch_add(1);
  wake_all(epoch_);
}

void ThreadPool::publish(int64_t first, uint32_t count, int stretches, Call call, void* fn) {
  call_ = call;
  fn_ = fn;
  first_ = first;
  count_ = count;
  stretches_ = stretches;
  done_.store(0, std::memory_order_relaxed);
  generation_++;
  for (int i = 0; i < stretches_; i++)
    stretch_[i].claim.store(uint64_t(generation_) << 32 | (begin(i + 1) - begin(i)), std::memory_order_release);
  epoch_.fetch_add(1);
  if (sleepers_.load() > 0) wake_all(epoch_);
}

// Claims and runs chunks of one stretch until none is left; returns how many.
uint32_t ThreadPool::work_on(int stretch, int thread) {
  uint32_t ran = 0;
  std::atomic<uint64_t>& word = stretch_[stretch].claim;
  uint64_t claim = word.load(std::memory_order_acquire);
  while (uint32_t(claim) > 0) {
    if (!word.compare_exchange_weak(claim, claim - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    call_(fn_, first_ + (begin(stretch + 1) - uint32_t(claim)), thread);
    ran++;
    claim = word.load(std::memory_order_acquire);
  }
  return ran;
}

// Its own stretch, then what is left of the others.
uint32_t ThreadPool::work(int thread) {
  uint32_t ran = 0;
  for (int i = 0; i < all_; i++) ran += work_on((thread + i) % all_, thread);
  return ran;
}

void ThreadPool::run(int64_t chunks, bool stretches, Call call, void* fn) {
  if (busy_) die("a kernel called parallel inside parallel");
  busy_ = true;
  if (threads_ == 1 || chunks <= 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) call(fn, chunk, 0);
    busy_ = false;
    return;
  }
  constexpr int64_t most = int64_t(1) << 31;
  for (int64_t first = 0; first < chunks; first += most) {
    const uint32_t count = uint32_t(chunks - first < most ? chunks - first : most);
    publish(first, count, stretches ? all_ : 1, call, fn);
    done_.fetch_add(work(0), std::memory_order_acq_rel);
    if (spin([&] { return done_.load(std::memory_order_acquire) == count; })) continue;
    caller_sleeps_.store(1);
    for (uint32_t done; (done = done_.load()) != count;) wait_while(done_, done);
    caller_sleeps_.store(0);
  }
  busy_ = false;
}

void ThreadPool::serve(int thread) {
  uint32_t seen = epoch_.load();
  while (!stopped_.load(std::memory_order_acquire)) {
    if (const uint32_t ran = work(thread); ran > 0) {
      done_.fetch_add(ran);
      if (caller_sleeps_.load() > 0) wake_all(done_);
    }
    const auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin(changed)) {
      sleepers_.fetch_add(1);
      while (epoch_.load() == seen) wait_while(epoch_, seen);
      sleepers_.fetch_sub(1);
    }
    seen = epoch_.load(std::memory_order_acquire);
  }
}

}  // namespace heed
