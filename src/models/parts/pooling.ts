// One vector for a whole text from the vectors of its tokens (Reimers & Gurevych 2019, "Sentence-BERT"): their mean, the first, or the
// largest of each element; padding does not count.

import { ShapeError, type Tensor, ValueError, where } from "../../tensor/index.ts"
import { formatShape } from "../../tensor/shape.ts"

/** Ways to pool: the mean of all tokens, the first one (CLS), the largest of each element. */
export const poolings = ["mean", "cls", "max"] as const

/** A way to pool. */
export type Pooling = (typeof poolings)[number]

/** The mask as bool [B T 1], checked. */
function tokensOf(what: string, hidden: Tensor, mask: Tensor): Tensor {
  const [B, T] = hidden.shape as [number, number]
  if (hidden.rank !== 3 || mask.rank !== 2 || mask.shape[0] !== B || mask.shape[1] !== T)
    throw new ShapeError(
      `${what}: expected vectors [B T D] and a mask [B T], but got ${formatShape(hidden.shape)} and ${formatShape(mask.shape)}`,
    )
  return (mask.dtype === "bool" ? mask : mask.ne(0)).unsqueeze(2)
}

function checkVectors(what: string, hidden: Tensor): void {
  if (hidden.rank !== 3) throw new ShapeError(`${what}: expected vectors [B T D], but got ${formatShape(hidden.shape)}`)
}

/** Mean of the tokens whose mask [B T] is true or not 0; of all without a mask. hidden [B T D] -> [B D]. Throws ShapeError. */
export function meanPooled(hidden: Tensor, mask?: Tensor): Tensor {
  checkVectors("meanPooled", hidden)
  if (!mask) return hidden.mean(1)
  const counts = tokensOf("meanPooled", hidden, mask).cast("f32")
  return hidden.mul(counts).sum(1).div(counts.sum(1).maximum(1e-9))
}

/** The first token's vector. hidden [B T D] -> [B D]. Throws ShapeError. */
export function firstPooled(hidden: Tensor): Tensor {
  checkVectors("firstPooled", hidden)
  return hidden.select(1, 0)
}

/** The largest of each element among the tokens whose mask [B T] is true or not 0. hidden [B T D] -> [B D]. Throws ShapeError. */
export function maxPooled(hidden: Tensor, mask?: Tensor): Tensor {
  checkVectors("maxPooled", hidden)
  return (mask ? where(tokensOf("maxPooled", hidden, mask), hidden, -1e9) : hidden).max(1)
}

/** x divided by its length over the last axis, or by 1e-12 where it is shorter. x [… D] -> [… D]. */
export function normalized(x: Tensor): Tensor {
  return x.div(x.mul(x).sum(-1, { keepDims: true }).sqrt().maximum(1e-12))
}

/** hidden [B T D] -> [B D], pooled in that way. Throws ShapeError, ValueError. */
export function pooled(hidden: Tensor, pooling: Pooling, mask?: Tensor): Tensor {
  switch (pooling) {
    case "mean":
      return meanPooled(hidden, mask)
    case "cls":
      return firstPooled(hidden)
    case "max":
      return maxPooled(hidden, mask)
    default:
      throw new ValueError(`pooled: expected one of ${poolings.join(", ")}, but got ${String(pooling)}`)
  }
}
