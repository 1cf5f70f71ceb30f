// Attention: every kind of mask, alone and together.

import { type AttentionOptions, attention, type Tensor } from "../../../src/tensor/index.ts"
import { type CaseOptions, given, type Input, key, numbers, op, truths } from "../case.ts"

const [B, H, T, S, K] = [2, 4, 5, 7, 8]

const q = numbers([B, H, T, K], -1.5, 1.5)
const k = numbers([B, H, S, K], -1.5, 1.5)
const v = numbers([B, H, S, K])
const square = numbers([B, H, T, K], -1.5, 1.5)

/** A case with q, k, v and further inputs that `options` places. */
function attend(
  name: string,
  options: AttentionOptions | ((...extra: Tensor[]) => AttentionOptions),
  inputs: readonly Input[] = [q, k, v],
  more: CaseOptions = {},
) {
  const place = typeof options === "function" ? options : () => options
  return op(`attention, ${name}`, (a, b, c, ...rest) => attention(a!, b!, c!, place(...rest)), inputs, more)
}

const lengths = given([B], [3, 7], "i32")

export const attentionCases = [
  attend("no mask", {}, [q, k, v], { second: true }),
  attend("causal", { causal: true }, [square, square, square], { second: true }),
  attend("causal, more keys than queries", { causal: true }),
  attend("causal, more queries than keys", { causal: true }, [
    numbers([1, 2, 6, 4]),
    numbers([1, 2, 4, 4]),
    numbers([1, 2, 4, 4]),
  ]),
  attend("window", { window: 2 }),
  attend("causal window", { causal: true, window: 3 }, [square, square, square]),
  attend("lengths", n => ({ lengths: n! }), [q, k, v, lengths]),
  attend("lengths, no keys for one row", n => ({ lengths: n! }), [q, k, v, given([B], [0, 4], "i32")]),
  attend("lengths and causal", n => ({ lengths: n!, causal: true }), [
    square,
    square,
    square,
    given([B], [2, 5], "i32"),
  ]),
  attend("boolean mask of keys", m => ({ mask: m! }), [q, k, v, truths([B, 1, 1, S])]),
  attend("boolean mask of scores", m => ({ mask: m! }), [q, k, v, truths([T, S])]),
  attend("boolean mask, hidden rows", m => ({ mask: m!.and(m!.cast("i32").cumsum(2).gt(3)) }), [
    q,
    k,
    v,
    truths([B, H, T, S]),
  ]),
  attend("bias for all heads", b => ({ bias: b! }), [q, k, v, numbers([H, T, S])], { second: true }),
  attend("bias for each batch", b => ({ bias: b! }), [q, k, v, numbers([B, 1, T, S])]),
  attend("bias without a gradient", b => ({ bias: b!.detach() }), [q, k, v, numbers([1, 1, 1, S])], {
    gradient: false,
  }),
  attend("bias that hides keys", b => ({ bias: b! }), [q, k, v, given([S], [0, -Infinity, 0, 0, 1, 0, 0])], {
    gradient: false,
  }),
  attend("scale", { scale: 0.3 }),
  attend("negative scale", { scale: -0.3 }),
  attend("soft cap", { softCap: 2 }, [q, k, v], { second: true }),
  attend("soft cap, causal, bias", b => ({ softCap: 2, causal: true, bias: b! }), [
    square,
    square,
    square,
    numbers([H, 5, 5]),
  ]),
  attend("grouped heads", {}, [q, numbers([B, 2, S, K]), numbers([B, 2, S, K])], { second: true }),
  attend("one group, causal, window", { causal: true, window: 4 }, [q, numbers([B, 1, S, K]), numbers([B, 1, S, K])]),
  attend("grouped heads with bias", b => ({ bias: b! }), [
    q,
    numbers([B, 2, S, K]),
    numbers([B, 2, S, K]),
    numbers([H, T, S]),
  ]),
  attend("other width of values", {}, [q, k, numbers([B, H, S, 3])]),
  attend("odd widths", { causal: true }, [numbers([1, 1, 3, 5]), numbers([1, 1, 3, 5]), numbers([1, 1, 3, 1])]),
  attend("one query", { causal: true }, [numbers([B, H, 1, K]), k, v]),
  attend("position known at run time", o => ({ causal: true, offset: o! }), [
    numbers([B, H, 2, K]),
    k,
    v,
    given([], [3], "i32"),
  ]),
  attend("position and window known at run time", o => ({ causal: true, window: 2, offset: o! }), [
    numbers([B, H, 1, K]),
    k,
    v,
    given([1], [4], "i32"),
  ]),
  attend("dropout", r => ({ dropout: 0.3, key: r!, stream: 5 }), [q, k, v, key], { second: true }),
  attend("dropout, causal, grouped", r => ({ dropout: 0.5, key: r!, stream: 1, causal: true }), [
    square,
    numbers([B, 2, 5, K]),
    numbers([B, 2, 5, K]),
    key,
  ]),
  attend("no keys", {}, [q, numbers([B, H, 0, K]), numbers([B, H, 0, K])], { gradient: false }),
  op(
    "attention, views of one projection",
    x => {
      const [a, b, c] = x.rearrange("B T (n H K) -> n B H T K", { n: 3, H: 2 }).unstack(3)
      return attention(a!, b!, c!, { causal: true }).rearrange("B H T K -> B T (H K)")
    },
    [numbers([2, 6, 24])],
  ),
  op(
    "attention, keys in bf16",
    (a, b, c) => attention(a, b.cast("bf16"), c.cast("bf16"), { causal: true }),
    [square, square, square],
    {
      gradient: false,
      tolerance: 1e-4,
    },
  ),
  op(
    "attention, many keys",
    (a, b, c) => attention(a, b, c, { causal: true }),
    [numbers([1, 2, 70, 16]), numbers([1, 1, 150, 16]), numbers([1, 1, 150, 16])],
    { tolerance: 1e-4 },
  ),
]
