// Attention by its formula, softmax(q·kᵀ/√K + mask)·v, and by the operation that never makes the [T T] matrix.
import { attention, grad, lowerTriangle, normal, ones, randomKey, softmax, type Tensor, where } from "heed"

const [B, H, T, K] = [2, 3, 8, 16]
const draw = (seed: number): Tensor => normal([B, H, T, K], randomKey(seed), { stream: 0 })
const [q, k, v] = [draw(1), draw(2), draw(3)]

function byFormula(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const scores = q.matmul(k.transpose()).div(Math.sqrt(K)) // [B H T T]
  const seen = lowerTriangle(ones([T, T])).gt(0) // query i sees keys up to i
  const pattern = softmax(where(seen, scores, Number.NEGATIVE_INFINITY), -1)
  return pattern.matmul(v) // [B H T K]
}

const formula = byFormula(q, k, v)
const streamed = attention(q, k, v, { causal: true })
const farthest = async (a: Tensor, b: Tensor): Promise<number> => a.sub(b).abs().max().item()
console.log("values differ by at most   ", (await farthest(formula, streamed)).toExponential(1))

// the same holds for gradients: the streaming kernel has its own
const slopes = [formula, streamed].map(z => grad(z.mul(z).sum(), [q, k, v]))
for (const [i, name] of ["q", "k", "v"].entries())
  console.log(
    `gradients of ${name} differ by at most`,
    (await farthest(slopes[0]![i]!, slopes[1]![i]!)).toExponential(1),
  )
