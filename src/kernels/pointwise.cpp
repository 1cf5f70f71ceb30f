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
  if (machine::link(code, context, "pointwise", source, 0, 0)) machine::run_all(code, context);
}

}  // namespace HEED_TIER
}  // namespace heed
