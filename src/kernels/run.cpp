// Decodes flat programs and runs them; the Context that kernels see is the Engine here.
#include "run.h"

#include <cstring>

#if !defined(__wasm__)
#include <chrono>
#endif

#include "generated/table.h"
#include "memory.h"

namespace heed {

// The tiers of this build, best first. HEED_ONLY_TIER names a single one, for builds with sanitizers.
#if defined(HEED_ONLY_TIER)
#define HEED_TIERS(X) X(HEED_ONLY_TIER)
#elif defined(__wasm__)
#define HEED_TIERS(X) X(wasm)
#elif defined(__x86_64__)
#define HEED_TIERS(X) X(avx512) X(avx2) X(baseline)
#elif defined(__aarch64__)
#define HEED_TIERS(X) X(neon)
#else
#define HEED_TIERS(X) X(baseline)
#endif

#define HEED_DECLARE(name) namespace name { extern const Tier tier; }
HEED_TIERS(HEED_DECLARE)

namespace {

#define HEED_ADDRESS(name) &name::tier,
constexpr const Tier* tiers[] = {HEED_TIERS(HEED_ADDRESS)};

// Whether this machine has the instructions of a tier.
bool supported(const Tier& tier) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (std::strcmp(tier.name, "avx2") == 0) return avx2;
  if (std::strcmp(tier.name, "avx512") == 0)
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
#else
  (void)tier;
#endif
  return true;
}

}  // namespace

const Tier* find_tier(const char* name) {
  for (const Tier* tier : tiers)
    if ((name == nullptr || *name == 0 || std::strcmp(name, tier->name) == 0) && supported(*tier)) return tier;
  return nullptr;
}

namespace {

// Reads an image number by number and says what is wrong with it.
struct Reader {
  const double* next;
  const double* end;
  Message error;

  bool number(double& value) {
    if (next == end) {
      error << "the program ends inside a call";
      return false;
    }
    value = *next++;
    return true;
  }
  bool integer(int64_t& value) {
    double read = 0;
    if (!number(read)) return false;
    const bool fits = read >= -9007199254740992.0 && read <= 9007199254740992.0;
    value = fits ? int64_t(read) : 0;
    if (fits && double(value) == read) return true;
    error << "expected an integer, but got ";
    if (fits) error << "a fraction near " << value;
    else error << "a number beyond them";
    return false;
  }
  // The length of a list whose items take `width` numbers.
  bool length(int64_t& value, int64_t width) {
    if (!integer(value)) return false;
    if (value >= 0 && value <= (end - next) / width) return true;
    error << "a list of " << value << " items is longer than the program";
    return false;
  }
};

// Nanoseconds on a clock that only moves forward; WebAssembly has none.
double now() {
#if defined(__wasm__)
  return 0;
#else
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
}

uint64_t bits_of(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, 8);
  return bits;
}

}  // namespace

Message& Message::operator<<(const char* text) {
  while (*text != 0 && size_ + 1 < sizeof text_) text_[size_++] = *text++;
  return *this;
}

Message& Message::operator<<(int64_t number) {
  char digits[24];
  char* next = digits + sizeof digits;
  *--next = 0;
  uint64_t rest = number < 0 ? 0 - uint64_t(number) : uint64_t(number);
  do *--next = char('0' + rest % 10);
  while (rest /= 10);
  if (number < 0) *--next = '-';
  return *this << next;
}

Message Program::load(const double* image, size_t size, const double* slot_bytes, size_t slots, const Tier& tier) {
  Reader reader{image, image + size, {}};
  struct Pending {
    uint32_t list, items;
  };
  std::vector<Pending> lists;
  slots_ = slots;

  const auto buffer = [&](uint32_t word, bool optional) {
    int64_t slot = 0, offset = 0;
    if (!reader.integer(slot) || !reader.integer(offset)) return false;
    words_[word] = 0;
    if (slot == -1 && optional) return true;
    if (slot < 0 || slot >= int64_t(slots)) {
      if (slot == -1) reader.error << "a buffer that must be there is absent";
      else reader.error << "slot " << slot << " of " << int64_t(slots);
      return false;
    }
    if (offset < 0 || double(offset) > slot_bytes[slot]) {
      reader.error << "byte " << offset << " is outside slot " << slot;
      return false;
    }
    fixes_.push_back({word, uint32_t(slot), uint64_t(offset)});
    return true;
  };
  const auto list = [&](uint32_t word, int64_t width, auto&& item) {
    int64_t length = 0;
    if (!reader.length(length, width)) return false;
    const uint32_t items = uint32_t(words_.size());
    words_.resize(words_.size() + size_t(length));
    words_[word + 1] = uint64_t(length);
    if (length > 0) lists.push_back({word, items});
    for (int64_t i = 0; i < length; i++)
      if (!item(uint32_t(items + i))) return false;
    return true;
  };
  const auto integer = [&](uint32_t word) {
    int64_t value = 0;
    if (!reader.integer(value)) return false;
    words_[word] = uint64_t(value);
    return true;
  };
  const auto real = [&](uint32_t word) {
    double value = 0;
    if (!reader.number(value)) return false;
    words_[word] = bits_of(value);
    return true;
  };

  while (reader.next < reader.end) {
    Message wrong;
    wrong << "call " << int64_t(calls_.size());
    int64_t kernel = 0;
    if (!reader.integer(kernel)) return wrong << ": " << reader.error.text();
    if (kernel < 0 || kernel >= kernel_count) return wrong << ": there is no kernel " << kernel;
    const Signature& signature = signatures[kernel];
    wrong << " (" << signature.name << "): ";
    if (tier.kernels[kernel] == nullptr) return wrong << "this build has no such kernel";
    uint32_t word = uint32_t(words_.size());
    calls_.push_back({kernel, word});
    size_t width = 0;
    for (const char* field = signature.fields; *field; field++) width += *field == 'B' || *field == 'N' || *field == 'F' ? 2 : 1;
    words_.resize(words_.size() + width);
    bool good = true;
    for (const char* field = signature.fields; *field && good; field++) {
      switch (*field) {
        case 'b': good = buffer(word, false); word += 1; break;
        case 'o': good = buffer(word, true); word += 1; break;
        case 'n': good = integer(word); word += 1; break;
        case 'f': good = real(word); word += 1; break;
        case 'B': good = list(word, 2, [&](uint32_t item) { return buffer(item, false); }); word += 2; break;
        case 'N': good = list(word, 1, integer); word += 2; break;
        default: good = list(word, 1, real); word += 2; break;
      }
    }
    if (!good) return wrong << reader.error.text();
  }
  for (const Pending& pending : lists) words_[pending.list] = uint64_t(uintptr_t(&words_[pending.items]));
  return {};
}

void Program::bind(const uint64_t* address) {
  if (bound_.size() == slots_ && (slots_ == 0 || std::memcmp(bound_.data(), address, slots_ * 8) == 0)) return;
  for (const Fix& fix : fixes_) words_[fix.word] = address[fix.slot] + fix.offset;
  bound_.assign(address, address + slots_);
}

Engine::Engine(int threads, const Tier& tier) : tier_(tier), pool_(threads), scratch_(size_t(threads)) {}

Engine::~Engine() {
  pool_.stop();
  for (Block& block : scratch_) release(block.memory, block.bytes);
  release(shared_.memory, shared_.bytes);
}

Outcome Engine::run(Program& program, const uint64_t* slots, const std::atomic<uint32_t>* abort) {
  failure_ = {};
  failed_.store(0);
  program.bind(slots);
  for (const Program::Call& call : program.calls()) {
    if (abort != nullptr && abort->load(std::memory_order_relaxed) != 0) return Outcome::aborted;
    const double start = profiling_ ? now() : 0;
    tier_.kernels[call.kernel](program.arguments(call), *this);
    if (profiling_) nanoseconds_[size_t(call.kernel)] += now() - start;
    if (failed_.load(std::memory_order_relaxed) != 0) return Outcome::failed;
  }
  return Outcome::done;
}

void Engine::profile(bool on) {
  profiling_ = on;
  if (on) nanoseconds_.assign(size_t(kernel_count), 0);
}

void* Engine::Block::at_least(size_t wanted) {
  if (wanted <= bytes && memory != nullptr) return memory;
  release(memory, bytes);
  bytes = wanted + wanted / 4;  // room to grow: sizes of neighbouring kernels differ a little
  memory = allocate(bytes);
  if (memory == nullptr) die("no memory left for the scratch space of a kernel");
  return memory;
}

void* Context::scratch(int thread, size_t bytes) {
  return static_cast<Engine*>(this)->scratch_[size_t(thread)].at_least(bytes);
}

void* Context::shared(size_t bytes) { return static_cast<Engine*>(this)->shared_.at_least(bytes); }

int Context::threads() const { return static_cast<const Engine*>(this)->pool_.threads(); }

// Of the failures of one kernel the one at the lowest position is kept, so that the message does not depend on timing.
void Context::fail(const char* kernel, const char* what, int64_t position, int64_t value, int64_t limit) {
  Engine& engine = *static_cast<Engine*>(this);
  while (engine.failure_lock_.exchange(1, std::memory_order_acquire) != 0) {
  }
  if (engine.failure_.kernel == nullptr || position < engine.failure_.position)
    engine.failure_ = {kernel, what, position, value, limit};
  engine.failure_lock_.store(0, std::memory_order_release);
  engine.failed_.store(1);
}

void Context::run_parallel(int64_t chunks, bool stretches, void (*call)(void*, int64_t, int), void* fn) {
  static_cast<Engine*>(this)->pool_.run(chunks, stretches, call, fn);
}

}  // namespace heed
