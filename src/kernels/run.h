// Runs flat programs: a Program is decoded once, an Engine runs it with storages bound to its slots.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "kernel.h"
#include "threads.h"

namespace heed {

using KernelFunction = void (*)(const void* arguments, Context& context);

// One build of all kernels for one instruction set; a kernel this build does not have is null.
struct Tier {
  const char* name;
  const KernelFunction* kernels;
  bool bf16;  // whether it has bf16 dot products
};

// The tier of that name, or the best one for null or "": null when this build or this machine does not have it.
const Tier* find_tier(const char* name);

// A short text, cut at its end: messages without the standard library's strings, which are heavy in WebAssembly.
class Message {
 public:
  Message& operator<<(const char* text);
  Message& operator<<(int64_t number);
  const char* text() const { return text_; }
  bool empty() const { return size_ == 0; }

 private:
  char text_[240] = {};
  size_t size_ = 0;
};

// A decoded program: argument structs as the kernels read them, with buffers filled in at each run.
class Program {
 public:
  // Decodes `size` numbers (see table.ts and KernelFunction); slot_bytes: the least size of each slot. Empty, or what is wrong.
  Message load(const double* image, size_t size, const double* slot_bytes, size_t slots, const Tier& tier);

  struct Call {
    int64_t kernel;
    uint32_t arguments;  // index in words_
  };
  const std::vector<Call>& calls() const { return calls_; }
  const void* arguments(const Call& call) const { return &words_[call.arguments]; }
  size_t slots() const { return slots_; }

  // Binds slot i to address[i].
  void bind(const uint64_t* address);

 private:
  struct Fix {
    uint32_t word, slot;
    uint64_t offset;
  };
  std::vector<Call> calls_;
  std::vector<uint64_t> words_;
  std::vector<Fix> fixes_;
  std::vector<uint64_t> bound_;
  size_t slots_ = 0;
};

enum class Outcome { done, aborted, failed };

// Threads, scratch memory, and the one call that runs a program.
class Engine : public Context {
 public:
  Engine(int threads, const Tier& tier);
  ~Engine();

  // Runs a program; `abort` (may be null) is looked at between kernels. One run at a time.
  Outcome run(Program& program, const uint64_t* slots, const std::atomic<uint32_t>* abort);

  const Failure& failure() const { return failure_; }
  const Tier& tier() const { return tier_; }
  ThreadPool& pool() { return pool_; }

  // Nanoseconds spent in each kernel since `profile(true)`; kernel_count entries.
  void profile(bool on);
  const std::vector<double>& nanoseconds() const { return nanoseconds_; }

 private:
  friend class Context;
  struct alignas(64) Block {
    void* memory = nullptr;
    size_t bytes = 0;
    void* at_least(size_t wanted);
  };
  const Tier& tier_;
  ThreadPool pool_;
  std::vector<Block> scratch_;
  Block shared_;
  Failure failure_{};
  std::atomic<uint32_t> failed_{0}, failure_lock_{0};
  bool profiling_ = false;
  std::vector<double> nanoseconds_;
};

}  // namespace heed
