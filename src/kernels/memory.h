// Aligned memory of the machine; one implementation for operating systems (memory.cpp), one for WebAssembly (wasm.cpp).
#pragma once
#include <cstddef>

namespace heed {

// 64-byte aligned, zeroed memory; null when there is none left. Zero bytes give a valid address.
void* allocate(size_t bytes);

// Gives back memory of `allocate`; `bytes` is what was asked for. Null is ignored.
void release(void* memory, size_t bytes);

// Ends with a message: there is no way to go on. In WebAssembly the device reports it as an error.
[[noreturn]] void die(const char* what);

}  // namespace heed
