// Fused elementwise code over any shape and strides (see machine.h): one pass over memory however long the code is.
#include "generated/table.h"
#include "machine_link.h"

namespace heed {
namespace HEED_TIER {

void pointwise(const pointwise_args& a, Context& context) {
  for (int64_t k = 0; k < a.shape.size; k++)
    if (a.shape[k] == 0) return;
  const machine::Source source = {a.operands, a.types,          a.strides,        a.code, a.constants,
                                  a.shape.data, a.shape.size, a.results.data, int(a.outputs)};
  machine::Code code;
  if (!machine::link(code, context, "pointwise", source, 0, 0)) return;
  // chunks that are worth a thread; a small call stays on this one
  const int64_t effort = code.lines + code.inputs + code.outputs;
  int64_t chunk = code.total;
  if (code.total * effort > 40000) {
    const int64_t blocks = 16384 / code.block;
    chunk = (blocks > 1 ? blocks : 1) * code.block;
  }
  context.parallel((code.total + chunk - 1) / chunk, [&](int64_t index, int thread) {
    machine::Registers registers(code, context.scratch(thread, code.scratch));
    const int64_t end = (index + 1) * chunk < code.total ? (index + 1) * chunk : code.total;
    for (int64_t first = index * chunk; first < end; first += code.block)
      registers.run(first, end - first < code.block ? end - first : code.block);
  });
}

}  // namespace HEED_TIER
}  // namespace heed
