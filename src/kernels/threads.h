// A pool that runs the chunks of one job at a time: threads claim chunks from shared counters, spin briefly when there is nothing to
// do, then sleep. The calling thread is thread 0 and works too. A job is one stretch of chunks, which threads claim in turn, or one
// stretch for each thread, which helps the others when its own is done: then a thread reads memory in its order, and what it fetches
// ahead is its own.
#pragma once
#include <atomic>
#include <cstdint>

#if !defined(__wasm__)
#include <thread>
#include <vector>
#endif

namespace heed {

// Sleeps while `word` holds `value` (it may wake early).
void wait_while(std::atomic<uint32_t>& word, uint32_t value);

// Wakes everyone asleep on `word`.
void wake_all(std::atomic<uint32_t>& word);

class ThreadPool {
 public:
  using Call = void (*)(void* fn, int64_t chunk, int thread);

  // Starts threads 1..threads-1; in WebAssembly the caller starts workers, each of which calls `serve`.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Runs call(fn, chunk, thread) for every chunk in 0..chunks-1 and returns when all are done. Not reentrant.
  void run(int64_t chunks, bool stretches, Call call, void* fn);

  // The life of thread 1..threads-1: work, wait, until `stop`.
  void serve(int thread);
  void stop();

 private:
  void publish(int64_t first, uint32_t count, int stretches, Call call, void* fn);
  uint32_t work(int thread);
  uint32_t work_on(int stretch, int thread);

  // generation << 32 | chunks not yet claimed: one word, so that a thread that comes late can never claim with stale facts.
  struct alignas(64) Stretch {
    std::atomic<uint64_t> claim{0};
  };
  static constexpr int most_stretches = 64;  // further threads help
  // First chunk of a stretch of the job.
  uint32_t begin(int stretch) const {
    const uint64_t all = uint64_t(stretches_);
    return uint32_t((uint64_t(count_) * uint64_t(stretch) + all - 1) / all);
  }

  const int threads_, all_;  // all_: stretches at most
  Stretch stretch_[most_stretches];
  // The job; written before claims are published, read only after a claim (a job lives until its last claimed chunk is done).
  Call call_ = nullptr;
  void* fn_ = nullptr;
  int64_t first_ = 0;
  uint32_t count_ = 0;
  int stretches_ = 1;
  uint32_t generation_ = 0;
  alignas(64) std::atomic<uint32_t> done_{0};
  std::atomic<uint32_t> caller_sleeps_{0};
  alignas(64) std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stopped_{false};
  bool busy_ = false;
#if !defined(__wasm__)
  std::vector<std::thread> started_;
#endif
};

}  // namespace heed
