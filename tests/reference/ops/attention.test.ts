// Golden numbers of attention: outputs, patterns, and gradients through both.

import { type AttentionOptions, attention, collectTaps, linear, type Tensor } from "../../../src/tensor/index.ts"
import { checkGolden } from "./check.ts"

/** Attention with its pattern, through the composed form. */
function withPattern(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): { y: Tensor; probs: Tensor } {
  const { outputs, taps } = collectTaps([attention(q, k, v, options)], name => name === "pattern")
  return { y: outputs[0]!, probs: taps.get("pattern")! }
}

const plain =
  (options: (inputs: Record<string, Tensor>) => AttentionOptions = () => ({})) =>
  (inputs: Record<string, Tensor>) =>
    withPattern(inputs.q!, inputs.k!, inputs.v!, options(inputs))

await checkGolden("attention", {
  plain: plain(),
  causal: plain(() => ({ causal: true })),
  key_mask: plain(({ mask }) => ({ mask: mask!.ne(0) })),
  key_mask_causal: plain(({ mask }) => ({ mask: mask!.ne(0), causal: true })),
  bias: plain(({ bias }) => ({ bias: bias! })),
  cross_scale: plain(() => ({ scale: 0.3 })),
  sliding_window: plain(() => ({ causal: true, window: 3 })),
  // without a pattern: the kernel itself where a device has one
  soft_cap: ({ q, k, v }) => ({ y: attention(q!, k!, v!, { softCap: 5, causal: true }) }),
  multihead_module: inputs => {
    const heads = 3
    const [wq, wk, wv] = inputs.in_proj_weight!.split(12, 0)
    const [bq, bk, bv] = inputs.in_proj_bias!.split(12, 0)
    const split = (x: Tensor, w: Tensor, b: Tensor): Tensor =>
      linear(x, w, b).rearrange("B T (H K) -> B H T K", { H: heads })
    const { y, probs } = withPattern(
      split(inputs.query!, wq!, bq!),
      split(inputs.key!, wk!, bk!),
      split(inputs.value!, wv!, bv!),
      { mask: inputs.key_padding_mask!.eq(0).rearrange("B S -> B 1 1 S") },
    )
    const merged = y.rearrange("B H T K -> B T (H K)")
    return { y: linear(merged, inputs.out_proj_weight!, inputs.out_proj_bias!), probs }
  },
})
