// A pool that runs the chunks of one job at a time: threads claim chunks from a shared counter, spin briefly when
// there is nothing to do, then sleep. The calling thread is thread 0 and works too.
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
  void run(int64_t chunks, Call call, void* fn);

  // The life of thread 1..threads-1: work, wait, until `stop`.
  void serve(int thread);
  void stop();

 private:
  void publish(int64_t first, uint32_t count, Call call, void* fn);
  uint32_t work(int thread);

  const int threads_;
  // generation << 32 | chunks not yet claimed: one word, so that a thread that comes late can never claim with stale facts.
  alignas(64) std::atomic<uint64_t> claim_{0};
  // The job; written before claim_ is published, read only after a claim (a job lives until its last claimed chunk is done).
  Call call_ = nullptr;
  void* fn_ = nullptr;
  int64_t first_ = 0;
  uint32_t count_ = 0;
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
