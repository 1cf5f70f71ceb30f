// Linking and running the code of the elementwise machine (see machine.h).
#pragma once
#include "machine.h"

namespace heed {
namespace HEED_TIER {
namespace machine {

constexpr int64_t most_block = 512;

// An axis of the walk: `size` steps of `scale` along axis k of the source.
struct Axis {
  int k;
  int64_t size, scale;
};
constexpr int most_rank = 32;

// The order of the walk: the first output is written in the order of memory. Where an operand runs across that order (a
// transposition), both axes are cut so that a block is a tile which uses whole cache lines of either.
inline int choose_walk(Axis* axes, const Source& s, int inputs) {
  const auto stride = [&](int operand, int k) { return s.strides[operand * s.rank + k]; };
  int count = 0;
  for (int k = 0; k < s.rank; k++)
    if (s.shape[k] != 1) axes[count++] = {k, s.shape[k], 1};
  if (s.outputs == 0) return count;
  const auto distance = [&](const Axis& axis) {
    const int64_t out = stride(inputs, axis.k);
    return out < 0 ? -out : out;
  };
  for (int i = 1; i < count; i++)
    for (int j = i; j > 0 && distance(axes[j]) > distance(axes[j - 1]); j--) {
      const Axis other = axes[j];
      axes[j] = axes[j - 1];
      axes[j - 1] = other;
    }
  if (count < 2 || axes[count - 1].size % tile_columns != 0) return count;
  const int last = axes[count - 1].k;
  for (int i = 0; i < inputs; i++) {
    if (stride(i, last) < 16) continue;
    for (int j = 0; j < count - 1; j++) {
      if (stride(i, axes[j].k) != 1 || axes[j].size % tile_rows != 0) continue;
      axes[j] = {axes[j].k, axes[j].size / tile_rows, tile_rows};
      axes[count - 1] = {last, axes[count - 1].size / tile_columns, tile_columns};
      axes[count] = {axes[j].k, tile_rows, 1};
      axes[count + 1] = {last, tile_columns, 1};
      return count + 2;
    }
  }
  return count;
}

// Every operand along the walk, its axes joined. False when it has too many.
inline bool read_operands(Code& code, const Source& s) {
  if (s.rank > most_rank) return false;
  Axis axes[most_rank + 2];
  const int walk = choose_walk(axes, s, code.inputs);
  for (int i = 0; i < code.inputs + code.outputs; i++) {
    Operand& o = code.operands[i];
    o.base = s.buffers[i].as<char>();
    o.type = s.types[i];
    o.bytes = element_bytes(o.type);
    o.axes = 0;
    o.repeated = o.copied = false;
    for (int j = 0; j < walk; j++)
      if (!add_axis(o, axes[j].size, s.strides[i * s.rank + axes[j].k] * axes[j].scale)) return false;
    finish_axes(o);
    o.direct = o.words() && o.in_order();
    const int n = o.axes;
    o.across = o.words() && n > 1 && o.size[n - 1] == tile_columns && o.size[n - 2] == tile_rows && o.stride[n - 2] == 1;
  }
  return true;
}

// Lanes of a block: near the limit, and a multiple or a divisor of the period of operands that repeat.
inline int64_t choose_block(const Code& code, int64_t limit) {
  for (int i = 0; i < code.inputs; i++) {
    const Operand& o = code.operands[i];
    if (o.axes < 2) continue;
    const int64_t period = o.size[o.axes - 1];
    if (period <= limit) return limit / period * period;
    for (int64_t parts = (period + limit - 1) / limit; parts * 64 < period && parts < 64; parts++)
      if (period % parts == 0) return period / parts;
  }
  return limit;
}

inline bool link(Code& code, Context& context, const char* kernel, const Source& s, int64_t unit, size_t extra_bytes) {
  const auto refuse = [&](const char* what, int64_t position, int64_t value, int64_t limit) {
    context.fail(kernel, what, position, value, limit);
    return false;
  };
  code.outputs = s.outputs;
  code.inputs = int(s.buffers.size) - s.outputs;
  code.lines = 0;
  const int count = int(s.code.size / 5), operands = code.inputs + code.outputs;
  int64_t registers = code.inputs;
  for (int i = 0; i < count; i++)
    if (s.code[i * 5 + 1] >= registers) registers = s.code[i * 5 + 1] + 1;
  if (registers > 65536) return refuse("register", 0, registers, 65536);

  // memory: operands, lines, slots (operands, constants, registers), results, and the slot that each register has now
  const int64_t most_slots = operands + count + registers;
  const size_t sizes[] = {sizeof(Operand) * operands, sizeof(Line) * count, sizeof(Slot) * size_t(most_slots),
                          sizeof(int32_t) * size_t(code.outputs), sizeof(int32_t) * size_t(registers)};
  size_t bytes = 0;
  for (size_t size : sizes) bytes += (size + 63) & ~size_t(63);
  char* memory = static_cast<char*>(context.shared(bytes + extra_bytes));
  char* part[5];
  for (int i = 0; i < 5; i++) {
    part[i] = memory;
    memory += (sizes[i] + 63) & ~size_t(63);
  }
  code.operands = reinterpret_cast<Operand*>(part[0]);
  code.line = reinterpret_cast<Line*>(part[1]);
  code.slot = reinterpret_cast<Slot*>(part[2]);
  code.result = reinterpret_cast<int32_t*>(part[3]);
  int32_t* now = reinterpret_cast<int32_t*>(part[4]);
  code.extra = memory;

  code.total = 1;
  for (int64_t k = 0; k < s.rank; k++) code.total *= s.shape[k];
  if (!read_operands(code, s)) return refuse("axes", 0, s.rank, most_axes);

  // slots: operands first, then a slot for each constant, then one for each register that instructions write
  int slots = operands;
  for (int i = 0; i < operands; i++) code.slot[i] = {-1, 0, false, is_float(code.operands[i].type)};
  for (int64_t r = 0; r < registers; r++) now[r] = r < code.inputs ? int32_t(r) : -1;
  const int64_t first_register = operands + count;  // register r's own slot is first_register + r
  for (int64_t r = 0; r < registers; r++) code.slot[first_register + r] = {-1, 0, false, false};
  for (int i = 0; i < count; i++) {
    const int64_t* at = &s.code[i * 5];
    if (at[0] < 0 || at[0] >= pointwise_opcodes) return refuse("opcode", i, at[0], pointwise_opcodes);
    if (at[1] < 0) return refuse("register", i, at[1], registers);
    const Opcode& op = opcodes[at[0]];
    if (op.arity == 0) {
      if (at[2] < 0 || at[2] >= s.constants.size) return refuse("constant", i, at[2], s.constants.size);
      const double number = s.constants[at[2]];
      uint32_t word;
      if (at[0] == constant_f32) {
        const float x = float(number);
        std::memcpy(&word, &x, 4);
      } else {
        word = uint32_t(int64_t(number));
      }
      code.slot[slots] = {0, word, true, op.floats};
      now[at[1]] = slots++;
      continue;
    }
    int32_t from[3] = {0, 0, 0};
    for (int k = 0; k < op.arity; k++) {
      if (at[2 + k] < 0 || at[2 + k] >= registers || now[at[2 + k]] < 0)
        return refuse("register", i, at[2 + k], registers);
      from[k] = now[at[2 + k]];
    }
    // a copy of a constant or an operand is another name for it; registers may be written again
    if (op.copies && from[0] < first_register) {
      now[at[1]] = from[0];
      continue;
    }
    const int32_t to = int32_t(first_register + at[1]);
    code.slot[to].lanes = 0;
    code.slot[to].floats = op.floats;
    code.line[code.lines++] = {op.run, to, from[0], from[1], from[2]};
    now[at[1]] = to;
  }
  code.slots = int(first_register + registers);
  for (int i = slots; i < first_register; i++) code.slot[i] = {-1, 0, false, false};

  const int results = code.outputs > 0 ? code.outputs : 1;
  for (int k = 0; k < results; k++) {
    const int64_t r = s.results[k];
    if (r < 0 || r >= registers || now[r] < 0) return refuse("result", k, r, registers);
  }
  for (int k = 0; k < code.outputs; k++) {
    const int32_t from = now[s.results[k]];
    code.result[k] = from;
    // an operand that is a result is kept apart: outputs may lie where operands lie
    if (from < code.inputs) {
      code.operands[from].direct = false;
      code.operands[from].copied = true;
    }
  }
  // an output in the order of memory is written by the last instruction that makes it
  for (int k = 0; k < code.outputs; k++) {
    const Operand& out = code.operands[code.inputs + k];
    const int32_t from = code.result[k], own = int32_t(code.inputs + k);
    if (!out.direct || from < first_register) continue;
    int last = code.lines - 1;
    while (code.line[last].to != from) last--;
    bool safe = true;
    const auto overlaps = [&](int32_t slot) {
      return slot < code.inputs && code.operands[slot].direct && code.operands[slot].base == out.base;
    };
    for (int i = last + 1; i < code.lines; i++) {
      const Line& line = code.line[i];
      safe &= !overlaps(line.a) && !overlaps(line.b) && !overlaps(line.c);
    }
    if (!safe) continue;
    code.line[last].to = own;
    for (int i = last + 1; i < code.lines; i++) {
      Line& line = code.line[i];
      if (line.a == from) line.a = own;
      if (line.b == from) line.b = own;
      if (line.c == from) line.c = own;
    }
    for (int j = 0; j < code.outputs; j++)
      if (code.result[j] == from) code.result[j] = own;
  }
  if (code.outputs == 0) {
    code.result = now;
    now[0] = now[s.results[0]];
  }

  // scratch: pointers of all slots, then the lanes of those that are not used in place
  int64_t blocks = 0;
  const auto needs_lanes = [&](int i) {
    return i < code.inputs ? !code.operands[i].direct : i < operands ? false : code.slot[i].lanes >= 0;
  };
  for (int i = 0; i < code.slots; i++) blocks += needs_lanes(i);
  const int64_t limit = blocks <= 12 ? most_block : blocks <= 24 ? most_block / 2 : most_block / 4;
  code.block = unit > 0 ? most_block : choose_block(code, limit);
  if (unit == 0) unit = code.block;
  const int64_t step = (code.block * 4 + 63) & ~int64_t(63);
  int64_t at = (code.slots * int64_t(sizeof(char*)) + 63) & ~int64_t(63);
  for (int i = 0; i < code.slots; i++) {
    code.slot[i].lanes = needs_lanes(i) ? at : -1;
    if (needs_lanes(i)) at += step;
  }
  code.scratch = size_t(at);
  for (int i = 0; i < code.inputs; i++) {
    Operand& o = code.operands[i];
    o.repeated = o.axes == 0 || (o.axes == 2 && o.stride[0] == 0 && o.size[1] <= code.block && unit % o.size[1] == 0);
  }
  return true;
}

inline Registers::Registers(const Code& code, void* scratch) : code_(code), memory_(static_cast<char*>(scratch)), at_(static_cast<char**>(scratch)) {
  for (int i = 0; i < code.slots; i++) {
    at_[i] = code.slot[i].lanes >= 0 ? memory_ + code.slot[i].lanes : memory_;
    if (code.slot[i].is_constant) fill_words(at_[i], code.slot[i].value, code.block);
  }
}

inline void Registers::run(int64_t first, int64_t lanes) {
  const Code& code = code_;
  const bool fill = lanes > filled_;
  for (int i = 0; i < code.inputs; i++) {
    const Operand& o = code.operands[i];
    if (o.direct) {
      at_[i] = o.base + first * 4;
      continue;
    }
    if (o.repeated && !fill) continue;
    char* own = at_[i] = memory_ + code.slot[i].lanes;
    if (o.across && first % (4 * tile_columns) == 0 && lanes % (4 * tile_columns) == 0 && lanes <= tile_rows * tile_columns &&
        first / (tile_rows * tile_columns) == (first + lanes - 1) / (tile_rows * tile_columns)) {
      each_run(o, first, 1, [&](int64_t, int64_t offset, int64_t stride, int64_t) {
        load_across(own, o.base + offset, stride, lanes);
      });
      continue;
    }
    each_run(o, o.repeated ? 0 : first, lanes, [&](int64_t lane, int64_t offset, int64_t stride, int64_t count) {
      // a run of lanes that lies in memory is used there
      if (count == lanes && stride == 1 && o.words() && !o.repeated && !o.copied) {
        at_[i] = o.base + offset;
        return;
      }
      load_run(own + lane * 4, o.base + offset, o.type, o.bytes, stride, count);
    });
  }
  if (fill) filled_ = lanes;
  for (int k = 0; k < code.outputs; k++) {
    const Operand& o = code.operands[code.inputs + k];
    if (o.direct) at_[code.inputs + k] = o.base + first * 4;
  }
  for (int i = 0; i < code.lines; i++) {
    const Line& line = code.line[i];
    line.run(at_[line.to], at_[line.a], at_[line.b], at_[line.c], lanes);
  }
  for (int k = 0; k < code.outputs; k++) {
    const int32_t from = code.result[k];
    if (from == code.inputs + k) continue;
    const Operand& o = code.operands[code.inputs + k];
    each_run(o, first, lanes, [&](int64_t lane, int64_t offset, int64_t stride, int64_t count) {
      store_run(o.base + offset, at_[from] + lane * 4, o.type, o.bytes, stride, count);
    });
  }
}

// Runs the code over its whole space. Chunks are worth a thread; a small call stays on this one.
inline void run_all(const Code& code, Context& context) {
  const int64_t effort = code.lines + code.inputs + code.outputs;
  int64_t chunk = code.total;
  if (code.total * effort > 40000) {
    const int64_t blocks = 8192 / code.block;
    chunk = (blocks > 1 ? blocks : 1) * code.block;
  }
  context.parallel_stretches((code.total + chunk - 1) / chunk, [&](int64_t index, int thread) {
    Registers registers(code, context.scratch(thread, code.scratch));
    const int64_t end = (index + 1) * chunk < code.total ? (index + 1) * chunk : code.total;
    for (int64_t first = index * chunk; first < end; first += code.block)
      registers.run(first, end - first < code.block ? end - first : code.block);
  });
}

}  // namespace machine
}  // namespace HEED_TIER
}  // namespace heed
