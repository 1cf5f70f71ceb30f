// Attention that knows how far apart positions are: learned vectors for clipped distances (Shaw et al. 2018, "Self-attention with relative
// position representations") and the four terms of Transformer-XL (Dai et al. 2019). Biases of T5 and ALiBi are in positions.ts.

import {
  type AttentionOptions,
  arange,
  attention,
  matmul,
  pad,
  reshape,
  ShapeError,
  scatterAddAlong,
  slice,
  type Tensor,
  takeAlong,
  tap,
  zeros,
} from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import { softmaxOfSeen } from "./attention-kinds.ts"

/** What queries [B H T K] ask the distances, [B H T S] with columns as the rows of positions; in place of positions where few queries make that cheaper. */
export type DistanceAnswers = (queries: Tensor) => Tensor

/** What Transformer-XL's attention is given besides queries, keys and values. */
export interface DistanceTerms {
  /** [H S K]: projected positions, row p for the distance from the last query to key p (S - 1 - p without an offset: sinusoids of the form "reversed"). */
  readonly positions: Tensor | DistanceAnswers
  /** u [H K]: what every query asks the keys. */
  readonly contentBias: Tensor
  /** v [H K]: what every query asks the distances. */
  readonly positionBias: Tensor
}

/** Moves row i of [… T S] left by T - 1 - i places, so that column p, a distance, becomes column j, a key. Columns that come from beyond the row hold other rows' numbers. */
export function relativeShift(x: Tensor): Tensor {
  const [T, S] = x.shape.slice(-2) as [number, number]
  const outer = x.shape.slice(0, -2)
  const none: readonly [number, number] = [0, 0]
  const padded = pad(x, [...outer.map(() => none), none, [1, 0]]) // [… T S + 1]
  return reshape(slice(reshape(padded, [...outer, S + 1, T]), -2, 1), [...outer, T, S])
}

/**
 * softmax(((qᵢ + u)·kⱼ + (qᵢ + v)·r₍ᵢ₋ⱼ₎) · scale) v: content, position, and what is asked whatever the query (Dai et al. 2019, section 3.3). q [B H T K], k [B H S K]
 * and v [B H S V], with S - T keys before the first query or `offset` of them, -> [B H T V]; causal unless a mask says otherwise. Taps: `scores` and `pattern` [B H T S]. Throws ShapeError.
 */
export function transformerXLAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  terms: DistanceTerms,
  options: Omit<AttentionOptions, "bias"> = {},
): Tensor {
  const { positions, contentBias, positionBias } = terms
  const [, H, , K] = q.shape as [number, number, number, number]
  const S = k.shape[2]!
  if (typeof positions !== "function" && formatShape(positions.shape) !== formatShape([H, S, K]))
    throw new ShapeError(
      `transformerXLAttention: expected positions [H S K] = ${formatShape([H, S, K])}, but got ${formatShape(positions.shape)}`,
    )
  const everywhere = (bias: Tensor): Tensor => bias.reshape([1, H, 1, K])
  const scale = options.scale ?? K ** -0.5
  const answers = typeof positions === "function" ? positions : (x: Tensor) => matmul(x, positions.transpose())
  const asked = relativeShift(answers(q.add(everywhere(positionBias)))) // [B H T S]
  return attention(q.add(everywhere(contentBias)), k, v, { causal: true, ...options, scale, bias: asked.mul(scale) })
}

/** What Shaw's attention is given besides queries, keys and values. */
export interface DistanceVectors {
  /** [2D + 1, K]: added to keys at distance key - query = -D … D; farther ones count as D. */
  readonly keys: Tensor
  /** [2D + 1, V]: added to values alike. */
  readonly values?: Tensor
  /** bool, broadcastable to [B H T S]: true may be seen. */
  readonly mask?: Tensor
  /** Queries see no later keys. */
  readonly causal?: boolean
}

/**
 * softmax(qᵢ·(kⱼ + a₍ⱼ₋ᵢ₎) / √K) (vⱼ + b₍ⱼ₋ᵢ₎), distances clipped (Shaw et al. 2018, equations 3 and 4). q [B H T K], k [B H S K], v [B H S V] -> [B H T V]. The
 * vectors are never added to each pair: q meets each distance once, and weights are summed by distance. Taps: `scores` and `pattern` [B H T S]. Throws ShapeError.
 */
export function shawAttention(q: Tensor, k: Tensor, v: Tensor, vectors: DistanceVectors): Tensor {
  const [B, H, T, K] = q.shape as [number, number, number, number]
  const S = k.shape[2]!
  const { keys, values, mask, causal = false } = vectors
  const count = keys.shape[0]!
  if (keys.rank !== 2 || keys.shape[1] !== K || count % 2 === 0 || (values && values.shape[0] !== count))
    throw new ShapeError(
      `shawAttention: expected an odd number of vectors for keys [2D + 1, ${K}] and as many for values, but got ${formatShape(keys.shape)} and ${values ? formatShape(values.shape) : "none"}`,
    )
  const most = (count - 1) / 2
  const distance = arange(S).sub(
    arange(T)
      .add(S - T)
      .unsqueeze(1),
  ) // [T S]
  const row = distance.maximum(-most).minimum(most).add(most).reshape([1, 1, T, S])
  const asked = takeAlong(matmul(q, keys.transpose()), row, -1).mul(K ** -0.5) // [B H T S]
  const seen = causal ? (mask ? mask.and(distance.le(0)) : distance.le(0)) : mask
  if (!values) return attention(q, k, v, { bias: asked, ...(seen ? { mask: seen } : {}) })
  const scores = tap(
    "scores",
    matmul(q, k.transpose())
      .mul(K ** -0.5)
      .add(asked),
  )
  const pattern = tap("pattern", softmaxOfSeen(scores, seen))
  const byDistance = scatterAddAlong(zeros([B, H, T, count]), row.broadcastTo([B, H, T, S]), pattern, -1)
  return matmul(pattern, v).add(matmul(byDistance, values))
}
