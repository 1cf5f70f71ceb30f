// The WebAssembly side of the device: the allocator of the shared memory, and the functions the JavaScript side calls.
// Every thread is an instance of the module on the same memory; see src/runtime/wasm.ts.
#include <cstdint>
#include <cstring>
#include <new>

// One unit: the compiler from npm starts slowly, so it is started once per binary.
#include "run.cpp"
#include "threads.cpp"
#include "tier.cpp"

#define HEED_EXPORT(NAME) extern "C" __attribute__((export_name(#NAME)))

extern "C" {
extern unsigned char __heap_base;
[[noreturn]] __attribute__((import_module("env"), import_name("die"))) void heed_die(const char* what);
}

namespace heed {
namespace {

constexpr size_t unit = 64;
constexpr size_t page = 65536;

// In front of every block; as large as the alignment. Blocks lie side by side from the heap's start to its end.
struct alignas(unit) Header {
  size_t size;       // of the block with its header
  size_t free;       // 1 or 0
  Header* before;    // the block in front of it in memory
  Header* previous;  // in the list of free blocks
  Header* next;
};
static_assert(sizeof(Header) == unit);

std::atomic<uint32_t> lock{0};
Header* free_list = nullptr;
Header* last = nullptr;  // the block at the heap's end
uintptr_t heap_end = 0;

// Held for a few instructions only; the browser's main thread may not sleep, so waiting spins.
struct Hold {
  Hold() {
    while (lock.exchange(1, std::memory_order_acquire) != 0) {
    }
  }
  ~Hold() { lock.store(0, std::memory_order_release); }
};

Header* after(Header* block) {
  return block == last ? nullptr : reinterpret_cast<Header*>(reinterpret_cast<char*>(block) + block->size);
}

void put(Header* block) {
  block->free = 1;
  block->previous = nullptr;
  block->next = free_list;
  if (free_list != nullptr) free_list->previous = block;
  free_list = block;
}

void take(Header* block) {
  block->free = 0;
  if (block->previous != nullptr) block->previous->next = block->next;
  else free_list = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
}

// Cuts a used block down to `size` bytes and frees the rest.
void trim(Header* block, size_t size) {
  if (block->size - size < 2 * unit) return;
  Header* rest = reinterpret_cast<Header*>(reinterpret_cast<char*>(block) + size);
  rest->size = block->size - size;
  rest->before = block;
  if (block == last) last = rest;
  else after(block)->before = rest;
  block->size = size;
  put(rest);
}

// A free block of at least `size` bytes at the heap's end, from the host; null when it gives no more.
Header* grow(size_t size) {
  if (heap_end == 0) heap_end = (reinterpret_cast<uintptr_t>(&__heap_base) + unit - 1) / unit * unit;
  const size_t end = __builtin_wasm_memory_size(0) * page;
  const bool extend = last != nullptr && last->free;
  const size_t held = (end - heap_end) + (extend ? last->size : 0);
  if (held < size) {
    const size_t pages = (size - held + page - 1) / page;
    // The last page stays unused, so that the end of a block never wraps to zero.
    if (pages + __builtin_wasm_memory_size(0) >= 65536) return nullptr;
    if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) return nullptr;
  }
  const size_t fresh = __builtin_wasm_memory_size(0) * page - heap_end;
  Header* block = reinterpret_cast<Header*>(heap_end);
  if (extend) {
    block = last;
    block->size += fresh;
  } else {
    block->size = fresh;
    block->before = last;
    last = block;
    put(block);
  }
  heap_end += fresh;
  return block;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > SIZE_MAX - 2 * page) return nullptr;
  const size_t size = unit + (bytes + unit - 1) / unit * unit;
  Header* best = nullptr;
  {
    Hold hold;
    for (Header* block = free_list; block != nullptr; block = block->next)
      if (block->size >= size && (best == nullptr || block->size < best->size)) best = block;
    if (best == nullptr) best = grow(size);
    if (best == nullptr) return nullptr;
    take(best);
    trim(best, size);
  }
  return std::memset(reinterpret_cast<char*>(best) + unit, 0, size - unit);
}

void release(void* memory, size_t) {
  if (memory == nullptr) return;
  Hold hold;
  Header* block = reinterpret_cast<Header*>(static_cast<char*>(memory) - unit);
  if (Header* next = after(block); next != nullptr && next->free) {
    take(next);
    if (next == last) last = block;
    block->size += next->size;
    if (Header* further = after(block); further != nullptr) further->before = block;
  }
  if (Header* before = block->before; before != nullptr && before->free) {
    take(before);
    if (block == last) last = before;
    before->size += block->size;
    if (Header* further = after(before); further != nullptr) further->before = before;
    block = before;
  }
  put(block);
}

void die(const char* what) { heed_die(what); }

}  // namespace heed

// The C and C++ libraries allocate from the same heap: theirs is not made for threads.
extern "C" {
void* malloc(size_t bytes) { return heed::allocate(bytes); }
void free(void* memory) { heed::release(memory, 0); }
void* calloc(size_t count, size_t bytes) {
  return bytes != 0 && count > SIZE_MAX / bytes ? nullptr : heed::allocate(count * bytes);
}
void* realloc(void* memory, size_t bytes) {
  void* made = heed::allocate(bytes);
  if (memory == nullptr || made == nullptr) return made;
  const size_t held = reinterpret_cast<heed::Header*>(static_cast<char*>(memory) - heed::unit)->size - heed::unit;
  std::memcpy(made, memory, held < bytes ? held : bytes);
  heed::release(memory, 0);
  return made;
}
void* aligned_alloc(size_t alignment, size_t bytes) { return alignment <= heed::unit ? heed::allocate(bytes) : nullptr; }
int posix_memalign(void** made, size_t alignment, size_t bytes) {
  *made = aligned_alloc(alignment, bytes);
  return *made == nullptr;
}
}

void* operator new(size_t bytes) {
  void* made = heed::allocate(bytes);
  if (made == nullptr) heed::die("no memory left");
  return made;
}
void operator delete(void* memory) noexcept { heed::release(memory, 0); }
void operator delete(void* memory, size_t) noexcept { heed::release(memory, 0); }
void* operator new(size_t bytes, std::align_val_t) { return operator new(bytes); }
void operator delete(void* memory, std::align_val_t) noexcept { heed::release(memory, 0); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { heed::release(memory, 0); }

namespace {
heed::Message problem;  // of the last load
}

HEED_EXPORT(allocate) void* heed_allocate(size_t bytes) { return heed::allocate(bytes); }
HEED_EXPORT(release) void heed_release(void* memory) { heed::release(memory, 0); }
HEED_EXPORT(engine) heed::Engine* heed_engine(int threads) { return new heed::Engine(threads, *heed::find_tier(nullptr)); }
HEED_EXPORT(serve) void heed_serve(heed::Engine* engine, int thread) { engine->pool().serve(thread); }
HEED_EXPORT(stop) void heed_stop(heed::Engine* engine) { engine->pool().stop(); }
HEED_EXPORT(table) const char* heed_table() { return heed::table_text; }
HEED_EXPORT(has) int heed_has(heed::Engine* engine, int kernel) { return engine->tier().kernels[kernel] != nullptr; }

// Null when the program is wrong; `problem` then says why.
HEED_EXPORT(load)
heed::Program* heed_load(heed::Engine* engine, const double* words, size_t size, const double* slot_bytes, size_t slots) {
  auto* program = new heed::Program;
  problem = program->load(words, size, slot_bytes, slots, engine->tier());
  if (problem.empty()) return program;
  delete program;
  return nullptr;
}
HEED_EXPORT(problem) const char* heed_problem() { return problem.text(); }
HEED_EXPORT(unload) void heed_unload(heed::Program* program) { delete program; }

// 0 done, 1 aborted, 2 failed.
HEED_EXPORT(run)
int heed_run(heed::Engine* engine, heed::Program* program, const uint64_t* slots, const std::atomic<uint32_t>* abort) {
  return int(engine->run(*program, slots, abort));
}

// Where the last run failed: kernel and what (32-bit addresses of text), then position, value, limit (64-bit integers).
HEED_EXPORT(failure) const heed::Failure* heed_failure(heed::Engine* engine) { return &engine->failure(); }
