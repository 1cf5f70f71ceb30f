// Kinds of attention by their scores: scaled and plain dot products and the additive score of the first attention. Relative positions are in
// relative-attention.ts, buckets in lsh-attention.ts; which keys are seen at all is a pattern (see `attention`).

import {
  type AttentionOptions,
  attention,
  exp,
  matmul,
  type Parameter,
  ShapeError,
  softmax,
  sum,
  type Tensor,
  tanh,
  tap,
  where,
} from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Linear } from "./layers.ts"
import { Module } from "./module.ts"

/** softmax(q kᵀ / √K) v (Vaswani et al. 2017, "Attention is all you need", equation 1). q [B H T K], k [B G S K], v [B G S V] -> [B H T V]. */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: Omit<AttentionOptions, "scale"> = {},
): Tensor {
  return attention(q, k, v, options)
}

/** softmax(q kᵀ) v, not scaled (Luong et al. 2015, "Effective approaches to attention-based neural machine translation", score "dot"; T5). */
export function dotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: Omit<AttentionOptions, "scale"> = {},
): Tensor {
  return attention(q, k, v, { ...options, scale: 1 })
}

/**
 * softmax(w · tanh(qᵢ + kⱼ)) v (Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and translate", appendix A.1.2, with q and k already
 * projected). q [B T A], k [B S A], v [B S V], w [A] -> [B T V]. mask: bool, broadcastable to [B T S], true may be seen; rows that see nothing give 0. Taps: `scores`
 * and `pattern` [B T S]. Time and memory grow with T · S · A. Throws ShapeError.
 */
export function additiveAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  w: Tensor,
  options: { readonly mask?: Tensor } = {},
): Tensor {
  const A = q.shape.at(-1)
  if (q.rank !== 3 || k.rank !== 3 || v.rank !== 3 || k.shape[2] !== A || w.rank !== 1 || w.shape[0] !== A)
    throw new ShapeError(
      `additiveAttention: expected q [B T A], k [B S A], v [B S V] and w [A], but got ${[q, k, v, w].map(x => formatShape(x.shape)).join(", ")}`,
    )
  const scores = tap("scores", sum(tanh(q.unsqueeze(2).add(k.unsqueeze(1))).mul(w), -1)) // [B T S]
  return matmul(tap("pattern", softmaxOfSeen(scores, options.mask)), v)
}

/** Softmax over the last axis of scores that may be seen (bool, broadcastable); rows that see nothing are 0. */
export function softmaxOfSeen(scores: Tensor, seen?: Tensor): Tensor {
  if (!seen) return softmax(scores, -1)
  const visible = where(seen, scores, -Infinity)
  const top = visible.max(-1, { keepDims: true }).detach()
  const e = exp(visible.sub(where(top.eq(-Infinity), 0, top)))
  const total = e.sum(-1, { keepDims: true })
  return e.div(where(total.gt(0), total, 1))
}

/** Additive attention with its projections: x [B T D] asks a memory [B S M] -> [B T M]. Taps as of additiveAttention. */
export class AdditiveAttention extends Module {
  readonly query: Linear
  readonly key: Linear
  /** [A] */
  readonly score: Parameter

  /** inner: width A of the layer that scores; memoryWidth: M, the width of x by default. */
  constructor(
    init: Initializer,
    width: number,
    options: { readonly inner: number; readonly memoryWidth?: number; readonly deviation?: number },
  ) {
    super()
    const { inner, memoryWidth = width, deviation } = options
    const spread = deviation === undefined ? {} : { deviation }
    this.query = new Linear(init, width, inner, { bias: false, ...spread })
    this.key = new Linear(init, memoryWidth, inner, spread)
    this.score = init.normal([inner], deviation ?? inner ** -0.5)
  }

  forward(x: Tensor, memory: Tensor, options: { readonly mask?: Tensor } = {}): Tensor {
    return additiveAttention(this.query.forward(x), this.key.forward(memory), memory, this.score, options)
  }
}
