// Aligned memory from the operating system: large blocks come straight from it, already zeroed, on huge pages where it has them.
#include "memory.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// AddressSanitizer guards blocks of the C library only, and to the byte: there every block comes from it, unrounded.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define HEED_MAP 1
#include <sys/mman.h>
#endif

namespace heed {
namespace {

constexpr size_t alignment = 64;

[[maybe_unused]] size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(HEED_MAP)
constexpr size_t large = size_t(1) << 20;
constexpr size_t page = 4096;
constexpr size_t huge_page = size_t(1) << 21;

// Mapped at a multiple of the huge page, so that the kernel can back it with such pages.
void* map(size_t bytes) {
  const size_t length = round_up(bytes, page), span = length + huge_page;
  void* found = mmap(nullptr, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(found);
  char* first = reinterpret_cast<char*>(round_up(reinterpret_cast<uintptr_t>(start), huge_page));
  if (first > start) munmap(start, static_cast<size_t>(first - start));
  char* last = first + length;
  if (start + span > last) munmap(last, static_cast<size_t>(start + span - last));
  madvise(first, length, MADV_HUGEPAGE);  // a wish: memory works without it
  return first;
}
#endif

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
#if defined(HEED_MAP)
  if (bytes >= large) return map(bytes);
#endif
#if defined(__SANITIZE_ADDRESS__)
  const size_t size = bytes;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size) != 0) return nullptr;
#else
  const size_t size = round_up(bytes > 0 ? bytes : 1, alignment);
  void* memory = std::aligned_alloc(alignment, size);
#endif
  if (memory != nullptr) std::memset(memory, 0, size);
  return memory;
}

void release(void* memory, size_t bytes) {
  if (memory == nullptr) return;
#if defined(HEED_MAP)
  if (bytes >= large) {
    munmap(memory, round_up(bytes, page));
    return;
  }
#else
  (void)bytes;
#endif
  std::free(memory);
}

void die(const char* what) {
  std::fprintf(stderr, "heed: %s\n", what);
  std::abort();
}

}  // namespace heed
