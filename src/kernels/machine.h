// The elementwise machine: runs the code of `pointwise` and `reduce` block by block in the first-level cache. Registers are
// blocks of lanes of 32 bits; one instruction is one tight loop over a block, so its cost is a call per few hundred numbers.
// Operands that lie in memory as lanes do are used where they lie; the others are loaded run by run and converted.
#pragma once
#include "generated/pointwise.h"
#include "machine_operand.h"

namespace heed {
namespace HEED_TIER {
namespace machine {

// ---- instructions

using Instruction = void (*)(char* to, const char* a, const char* b, const char* c, int64_t lanes);

constexpr bool same_text(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

template <char Kind> struct LaneType {
  using V = vi;
  using T = int32_t;
};
template <> struct LaneType<'f'> {
  using V = vf;
  using T = float;
};

template <char Kind> HEED_INLINE auto lanes_at(const char* from) {
  auto x = load(reinterpret_cast<const typename LaneType<Kind>::T*>(from));
  if constexpr (Kind == 's') return vi(x != 0);
  else return x;
}
template <char Kind> HEED_INLINE auto lanes_at(const char* from, int n) {
  auto x = load_partial(reinterpret_cast<const typename LaneType<Kind>::T*>(from), n);
  if constexpr (Kind == 's') return vi(x != 0);
  else return x;
}

// One loop of an instruction: In the first operand's kind, Rest the others', Out the result's.
template <int Arity, char In, char Rest, char Out, class Apply>
HEED_INLINE void each_vector(char* to, const char* a, const char* b, const char* c, int64_t lanes, Apply apply) {
  using T = typename LaneType<Out>::T;
  constexpr int64_t step = W * 4;
  const int64_t bytes = lanes * 4, whole = bytes - bytes % step;
  int64_t i = 0;
  for (; i < whole; i += step) {
    T* at = reinterpret_cast<T*>(to + i);
    if constexpr (Arity == 1) store(at, apply(lanes_at<In>(a + i), 0, 0));
    else if constexpr (Arity == 2) store(at, apply(lanes_at<In>(a + i), lanes_at<Rest>(b + i), 0));
    else store(at, apply(lanes_at<In>(a + i), lanes_at<Rest>(b + i), lanes_at<Rest>(c + i)));
  }
  if (const int n = int(bytes - whole) / 4; n > 0) {
    T* at = reinterpret_cast<T*>(to + i);
    if constexpr (Arity == 1) store_partial(at, apply(lanes_at<In>(a + i, n), 0, 0), n);
    else if constexpr (Arity == 2) store_partial(at, apply(lanes_at<In>(a + i, n), lanes_at<Rest>(b + i, n), 0), n);
    else store_partial(at, apply(lanes_at<In>(a + i, n), lanes_at<Rest>(b + i, n), lanes_at<Rest>(c + i, n)), n);
  }
}

#define HEED_INSTRUCTION(opcode, name, arity, signature, expression)                                                  \
  inline void instruction_##opcode(char* to, const char* a, const char* b, const char* c, int64_t lanes) {            \
    constexpr char in = #signature[0], out = #signature[1], rest = in == 's' ? out : in;                              \
    each_vector<arity, in, rest, out>(                                                                                \
        to, a, b, c, lanes,                                                                                           \
        []([[maybe_unused]] auto a, [[maybe_unused]] auto b, [[maybe_unused]] auto c) HEED_LAMBDA_INLINE {            \
          return expression;                                                                                          \
        });                                                                                                           \
  }
#define HEED_LAMBDA_INLINE __attribute__((always_inline))
HEED_POINTWISE(HEED_INSTRUCTION)
#undef HEED_LAMBDA_INLINE
#undef HEED_INSTRUCTION

struct Opcode {
  Instruction run;
  int arity;
  bool floats;  // the result is f32
  bool copies;  // the result is the operand
};
constexpr int constant_f32 = 0, constant_i32 = 1;
#define HEED_OPCODE(opcode, name, arity, signature, expression) \
  {instruction_##opcode, arity, #signature[1] == 'f', same_text(#expression, "a")},
inline constexpr Opcode opcodes[] = {{nullptr, 0, true, false}, {nullptr, 0, false, false}, HEED_POINTWISE(HEED_OPCODE)};
#undef HEED_OPCODE

// ---- linked code

struct Line {
  Instruction run;
  int32_t to, a, b, c;
};

struct Slot {
  int64_t lanes;     // where in a thread's scratch memory, in bytes; -1: in an operand's memory
  uint32_t value;    // of a constant
  bool is_constant, floats;
};

struct Code {
  int64_t total;  // lanes of the iteration space
  int64_t block;  // lanes of one block
  int inputs, outputs, lines, slots;
  Operand* operands;
  Line* line;
  Slot* slot;
  int32_t* result;  // slot of each output; its operand's own slot when the last instruction writes to memory itself
  size_t scratch;   // bytes per thread
  void* extra;
};

struct Source {
  const List<Buffer>& buffers;
  const List<int64_t>& types;
  const List<int64_t>& strides;
  const List<int64_t>& code;
  const List<double>& constants;
  const int64_t* shape;
  int64_t rank;
  const int64_t* results;
  int outputs;
};

// Turns code into lines over slots. `unit`: every block the caller asks for starts at a multiple of it (0: the machine
// chooses blocks itself, see Code::block). `extra_bytes` of shared memory come with it. False (and a failure) for malformed code.
bool link(Code& code, Context& context, const char* kernel, const Source& source, int64_t unit, size_t extra_bytes);

// One thread's registers.
class Registers {
 public:
  Registers(const Code& code, void* scratch);
  // Runs the code for lanes first .. first+lanes-1 (at most a block) and stores the outputs.
  void run(int64_t first, int64_t lanes);
  const char* at(int slot) const { return at_[slot]; }

 private:
  const Code& code_;
  char* memory_;
  char** at_;  // of each slot
  int64_t filled_ = 0;  // lanes that repeated operands hold
};

}  // namespace machine
}  // namespace HEED_TIER
}  // namespace heed
