// All kernels for one instruction set: compiled once per tier with -DHEED_TIER=<name> and that tier's flags.
#include "generated/table.h"
#include "run.h"

#if __has_include("matmul.cpp")
#include "matmul.cpp"
#endif
#if __has_include("linear_cross_entropy.cpp")
#include "linear_cross_entropy.cpp"
#endif
#if __has_include("attention.cpp")
#include "attention.cpp"
#endif
#if __has_include("pointwise.cpp")
#include "pointwise.cpp"
#endif
#if __has_include("reduce.cpp")
#include "reduce.cpp"
#endif
#if __has_include("copy.cpp")
#include "copy.cpp"
#endif
#if __has_include("norm.cpp")
#include "norm.cpp"
#endif
#if __has_include("softmax.cpp")
#include "softmax.cpp"
#endif
#if __has_include("cross_entropy.cpp")
#include "cross_entropy.cpp"
#endif
#if __has_include("gather.cpp")
#include "gather.cpp"
#endif
#if __has_include("random.cpp")
#include "random.cpp"
#endif
#if __has_include("ctc.cpp")
#include "ctc.cpp"
#endif
#if __has_include("sort.cpp")
#include "sort.cpp"
#endif

namespace heed {
namespace HEED_TIER {
namespace {

// For each kernel of the table: the function of that name in this namespace, or null when the build has none.
#define HEED_FIND(NAME)                                                                            \
  template <class Arguments> constexpr KernelFunction find_##NAME() {                              \
    if constexpr (requires(const Arguments& a, Context& context) { NAME(a, context); })            \
      return [](const void* a, Context& context) { NAME(*static_cast<const Arguments*>(a), context); }; \
    else                                                                                           \
      return nullptr;                                                                              \
  }
HEED_KERNELS(HEED_FIND)
#undef HEED_FIND

}  // namespace

namespace {
#define HEED_ENTRY(NAME) find_##NAME<NAME##_args>(),
constexpr KernelFunction kernels[] = {HEED_KERNELS(HEED_ENTRY)};
#undef HEED_ENTRY
}  // namespace

#define HEED_TEXT_OF(name) #name
#define HEED_TEXT(name) HEED_TEXT_OF(name)
#if defined(__wasm_relaxed_simd__)
#define HEED_TIER_NAME "relaxed-simd"
#elif defined(__wasm__)
#define HEED_TIER_NAME "simd128"
#else
#define HEED_TIER_NAME HEED_TEXT(HEED_TIER)
#endif
#if defined(__AVX512BF16__)
constexpr bool has_bf16 = true;
#else
constexpr bool has_bf16 = false;
#endif

extern const Tier tier;
const Tier tier{HEED_TIER_NAME, kernels, has_bf16};

}  // namespace HEED_TIER
}  // namespace heed
