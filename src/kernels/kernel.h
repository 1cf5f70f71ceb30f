// What every kernel sees: typed arguments (generated from table.ts), the thread context, element types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

// Before a loop of few steps, known to the compiler, over an array that is to stay in registers.
#if defined(__clang__)
#define HEED_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HEED_UNROLL _Pragma("GCC unroll 32")
#endif

namespace heed {

enum Element : int64_t { F32 = 0, I32 = 1, BOOL = 2, U8 = 3, BF16 = 4, F16 = 5 };

// A buffer argument: 8 bytes on every machine, null when absent.
struct Buffer {
  union {
    void* pointer;
    uint64_t bits;
  };
  template <class T> T* as() const { return static_cast<T*>(pointer); }
  float* f32() const { return as<float>(); }
  int32_t* i32() const { return as<int32_t>(); }
  uint8_t* u8() const { return as<uint8_t>(); }
  uint16_t* u16() const { return as<uint16_t>(); }
  explicit operator bool() const { return pointer != nullptr; }
};

// A list argument: 16 bytes on every machine.
template <class T> struct List {
  union {
    const T* data;
    uint64_t bits;
  };
  int64_t size;
  const T& operator[](int64_t i) const { return data[i]; }
};

// What a kernel can tell the caller about bad run-time data; the first one is kept.
struct Failure {
  const char* kernel;   // nullptr: none
  const char* what;     // e.g. "index"
  int64_t position, value, limit;
};

// Threads, scratch memory and failure of one running program.
class Context {
 public:
  // Runs fn(chunk, thread) once for each chunk in 0..chunks-1, on any thread, and waits. How work is cut into chunks
  // must depend on sizes only, never on the number of threads, so results have the same bits with any number of threads.
  template <class F> void parallel(int64_t chunks, F&& fn) {
    run_on_all(chunks, false, fn);
  }
  // The same where chunks are bound by memory that lies in their order: each thread has a stretch of them, one after the other.
  template <class F> void parallel_stretches(int64_t chunks, F&& fn) { run_on_all(chunks, true, fn); }
  // 64-byte aligned memory of one thread, valid until that thread's next scratch call; kept between kernels.
  void* scratch(int thread, size_t bytes);
  // 64-byte aligned memory shared by all threads of this kernel (call outside `parallel`), valid until the next shared call.
  void* shared(size_t bytes);
  void fail(const char* kernel, const char* what, int64_t position, int64_t value, int64_t limit);
  int threads() const;

 private:
  template <class F> void run_on_all(int64_t chunks, bool stretches, F& fn) {
    run_parallel(chunks, stretches, [](void* f, int64_t chunk, int thread) { (*static_cast<F*>(f))(chunk, thread); },
                 const_cast<void*>(static_cast<const void*>(&fn)));
  }
  void run_parallel(int64_t chunks, bool stretches, void (*call)(void*, int64_t, int), void* fn);
};

}  // namespace heed
