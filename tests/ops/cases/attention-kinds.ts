// Kinds of attention by their scores, made of operations: additive, relative (Shaw, Transformer-XL), without scale.

import {
  additiveAttention,
  dotProductAttention,
  relativeShift,
  scaledDotProductAttention,
  shawAttention,
  transformerXLAttention,
} from "../../../src/nn/index.ts"
import { numbers, op, truths } from "../case.ts"

const [B, H, T, S, K] = [2, 2, 3, 5, 4]
const q = numbers([B, H, T, K])
const k = numbers([B, H, S, K])
const v = numbers([B, H, S, 3])

export const attentionKindCases = [
  op("scaled dot-product attention", (a, b, c) => scaledDotProductAttention(a, b, c, { causal: true }), [q, k, v]),
  op("dot-product attention", (a, b, c) => dotProductAttention(a, b, c), [q, k, v]),
  op("additive attention", (a, b, c, w) => additiveAttention(a, b, c, w), [
    numbers([B, T, K]),
    numbers([B, S, K]),
    numbers([B, S, 3]),
    numbers([K]),
  ]),
  op("additive attention, mask", (a, b, c, w, mask) => additiveAttention(a, b, c, w, { mask: mask! }), [
    numbers([B, T, K]),
    numbers([B, S, K]),
    numbers([B, S, 3]),
    numbers([K]),
    truths([B, T, S]),
  ]),
  op("relativeShift", x => relativeShift(x), [numbers([H, T, S])]),
  op(
    "Transformer-XL attention",
    (a, b, c, positions, contentBias, positionBias) =>
      transformerXLAttention(a, b, c, {
        positions: positions!,
        contentBias: contentBias!,
        positionBias: positionBias!,
      }),
    [q, k, v, numbers([H, S, K]), numbers([H, K]), numbers([H, K])],
  ),
  op("Shaw attention, keys", (a, b, c, keys) => shawAttention(a, b, c, { keys: keys! }), [q, k, v, numbers([5, K])]),
  op(
    "Shaw attention, keys and values, causal",
    (a, b, c, keys, values) => shawAttention(a, b, c, { keys: keys!, values: values!, causal: true }),
    [q, k, v, numbers([5, K]), numbers([5, 3])],
  ),
]
