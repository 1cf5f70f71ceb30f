// The textbook formula of attention and its gradients, in plain operations: what the kernels are tested against, and what runs when
// scores or patterns are asked for.

import type { Shape } from "../shape.ts"
import type { Tensor } from "../tensor.ts"
import { type PatternRule, visibleBy } from "./attention-pattern.ts"
import { arange } from "./create.ts"
import { type Compute, matmul } from "./matmul.ts"
import { reshape, transpose, unsqueeze } from "./move.ts"
import {
  abs,
  add,
  div,
  eq,
  exp,
  ge,
  gt,
  log,
  logicalAnd,
  lt,
  mul,
  stopGradient,
  sub,
  tanh,
  where,
} from "./pointwise.ts"
import { dropoutMask } from "./random.ts"
import { max, sum } from "./reduce.ts"

/** Inputs behind q, k and v, in this order where they are present. */
export const extras = ["bias", "mask", "lengths", "offset", "key", "marks"] as const

/** The name of an optional input. */
export type Extra = (typeof extras)[number]

/** What an attention node knows besides its inputs. */
export interface AttentionAttributes {
  readonly causal: boolean
  /** Keys at this distance or farther are hidden; 0: none. */
  readonly window: number
  /** A sparse pattern, or null. */
  readonly pattern: PatternRule | null
  readonly scale: number
  /** 0: none. */
  readonly cap: number
  /** Rate of dropped weights; 0: none. */
  readonly dropout: number
  readonly stream: number
  readonly compute: Compute
  /** Which extra inputs there are. */
  readonly extras: readonly Extra[]
}

/** The optional inputs by name. */
export type Named = { readonly [name in Extra]?: Tensor }

/** The inputs behind q, k and v, by name. */
export function named(inputs: readonly Tensor[], attributes: AttentionAttributes): Named {
  return Object.fromEntries(attributes.extras.map((name, i) => [name, inputs[i]!]))
}

/** Sizes by the letters of the house. */
export interface Sizes {
  readonly B: number
  readonly H: number
  readonly G: number
  readonly T: number
  readonly S: number
  readonly K: number
  readonly V: number
}

/** Sizes from q [B H T K], k [B G S K] and v [B G S V]. */
export function sizesOf(
  q: { readonly shape: Shape },
  k: { readonly shape: Shape },
  v: { readonly shape: Shape },
): Sizes {
  const [B, H, T, K] = q.shape as [number, number, number, number]
  return { B, H, G: k.shape[1]!, T, S: k.shape[2]!, K, V: v.shape[3]! }
}

/** Which keys each query may see, bool broadcastable to [B H T S]; null: all. */
function visibility(
  { T, S }: Sizes,
  { mask, lengths, offset, marks }: Named,
  { causal, window, pattern }: AttentionAttributes,
): Tensor | null {
  let seen: Tensor | null = mask ?? null
  const also = (condition: Tensor): void => {
    seen = seen ? logicalAnd(seen, condition) : condition
  }
  if (causal || window > 0 || pattern) {
    // positions counted so that query 0 stands at `offset`
    const query = unsqueeze(add(arange(T), offset ? reshape(offset, []) : S - T), 1)
    const key = arange(S)
    const distance = sub(query, key) // [T S]
    if (causal) also(ge(distance, 0))
    if (window > 0) also(lt(abs(distance), window))
    if (pattern) also(visibleBy(pattern, query, key, marks))
  }
  if (lengths) also(lt(arange(S), reshape(lengths, [-1, 1, 1, 1])))
  return seen
}

/** A [B H T X] Bᵀ-like product with grouped heads: the heads of a group share `b` [B G X Y]. */
export function grouped(a: Tensor, b: Tensor): Tensor {
  const [batch, heads, rows, inner] = a.shape as [number, number, number, number]
  const groups = b.shape[1]!
  if (heads === groups) return matmul(a, b)
  const y = matmul(reshape(a, [batch, groups, (heads / groups) * rows, inner]), b)
  return reshape(y, [batch, heads, rows, b.shape[3]!])
}

/** Aᵀ B summed over the heads of a group: a [B H T X], b [B H T Y] -> [B G X Y]. */
function groupedSum(a: Tensor, b: Tensor, groups: number): Tensor {
  const fold = (t: Tensor): Tensor => {
    const [batch, heads, rows, inner] = t.shape as [number, number, number, number]
    return reshape(t, [batch, groups, (heads / groups) * rows, inner])
  }
  return matmul(transpose(fold(a)), fold(b))
}

interface Weights {
  /** After scale and cap. */
  readonly capped: Tensor
  /** After scale, cap and bias, before masking. */
  readonly scores: Tensor
  /** After the softmax, before dropout; rows without visible keys are 0. */
  readonly pattern: Tensor
  readonly logsumexp: Tensor
  /** What multiplies the pattern, or null without dropout. */
  readonly kept: Tensor | null
}

const keep = { keepDims: true }

/** The attention weights and what they are made of; `label` sees the values that can be tapped. */
export function weightsOf(
  q: Tensor,
  k: Tensor,
  sizes: Sizes,
  extra: Named,
  attributes: AttentionAttributes,
  label: (name: string, x: Tensor) => Tensor,
): Weights {
  const { B, H, T, S } = sizes
  const { scale, cap, dropout, stream } = attributes
  const raw = mul(grouped(q, transpose(k)), scale)
  const capped = cap > 0 ? mul(tanh(div(raw, cap)), cap) : raw
  const scores = label("scores", extra.bias ? add(capped, extra.bias) : capped)
  const seen = visibility(sizes, extra, attributes)
  const masked = seen ? where(seen, scores, -Infinity) : scores
  const top = stopGradient(max(masked, -1, keep))
  const shift = where(eq(top, -Infinity), 0, top)
  const e = exp(sub(masked, shift))
  const total = sum(e, -1, keep)
  const some = gt(total, 0)
  const pattern = label("pattern", div(e, where(some, total, 1)))
  const logsumexp = where(some, add(log(where(some, total, 1)), shift), -Infinity)
  const kept = dropout > 0 ? dropoutMask([B, H, T, S], dropout, extra.key!, stream) : null
  return { capped, scores, pattern, logsumexp: reshape(logsumexp, [B, H, T]), kept }
}

/** The textbook gradients. dbias has the bias's own shape (null without one). */
export function gradients(q: Tensor, k: Tensor, v: Tensor, dz: Tensor, extra: Named, attributes: AttentionAttributes) {
  const { scale, cap } = attributes
  const sizes = sizesOf(q, k, v)
  const { capped, pattern, kept } = weightsOf(q, k, sizes, extra, attributes, (_, x) => x)
  const drop = (x: Tensor): Tensor => (kept ? mul(x, kept) : x)
  const dpattern = drop(grouped(dz, transpose(v)))
  const dscores = mul(pattern, sub(dpattern, sum(mul(dpattern, pattern), -1, keep)))
  // d cap·tanh(x / cap) / dx = 1 - tanh²
  const slope = div(capped, cap || 1)
  const draw = cap > 0 ? mul(dscores, sub(1, mul(slope, slope))) : dscores
  const dsimilarity = mul(draw, scale)
  return {
    dq: grouped(dsimilarity, k),
    dk: groupedSum(dsimilarity, q, sizes.G),
    dv: groupedSum(drop(pattern), dz, sizes.G),
    dbias: extra.bias ? sumToShape(dscores, extra.bias.shape) : null,
  }
}

/** Sums over the axes along which `shape` (of the same rank) was repeated. */
function sumToShape(x: Tensor, shape: Shape): Tensor {
  const axes = x.shape.flatMap((n, i) => (shape[i] === 1 && n !== 1 ? [i] : []))
  return axes.length === 0 ? x : sum(x, axes, keep)
}
