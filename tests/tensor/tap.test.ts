import { describe, expect, test } from "vitest"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { reachable } from "../../src/tensor/graph.ts"
import { attention, collectTaps, grad, ones, tap, tapNames, tensor, withScope } from "../../src/tensor/index.ts"

const wave = (shape: readonly number[], shift = 0) =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i + shift)),
    shape,
  )

const q = wave([1, 2, 3, 4])
const k = wave([1, 2, 3, 4], 1)
const v = wave([1, 2, 3, 4], 2)

/** Two layers that attend, each under its own path. */
const model = () =>
  withScope("blocks", () => {
    const first = withScope("0", () => tap("z", attention(q, k, v, { causal: true })))
    return withScope("1", () => tap("z", attention(first, k, v, { softCap: 3 })))
  })

describe("taps", () => {
  test("names are paths, inner taps included", () => {
    expect(tapNames([model()])).toEqual([
      "blocks.0.scores",
      "blocks.0.pattern",
      "blocks.0.z",
      "blocks.1.scores",
      "blocks.1.pattern",
      "blocks.1.z",
    ])
  })

  test("an unread tap changes nothing", () => {
    const y = model()
    const { outputs, taps } = collectTaps([y], () => false)
    expect(outputs[0]!.node).toBe(y.node)
    expect(taps.size).toBe(0)
  })

  test("reading a tap keeps the outputs and gives the pattern", () => {
    const y = model()
    const { outputs, taps } = collectTaps([y], name => name === "blocks.1.pattern" || name === "blocks.0.z")
    expect([...taps.keys()]).toEqual(["blocks.0.z", "blocks.1.pattern"])
    const pattern = taps.get("blocks.1.pattern")!
    expect(pattern.shape).toEqual([1, 2, 3, 3])
    const [before, after, rows] = evaluateReference([y, outputs[0]!, pattern.sum(-1)])
    expect(after).toEqual(before)
    for (const total of rows!) expect(total).toBeCloseTo(1, 6)
    // only the layer that was asked for is opened
    const composites = reachable(outputs).filter(node => node.op?.taps)
    expect(composites.map(node => node.scope)).toEqual(["blocks.0"])
  })

  test("scores stand before masking", () => {
    const { taps } = collectTaps([attention(q, k, v, { causal: true, scale: 1 })], name => name === "scores")
    const [scores, product] = evaluateReference([taps.get("scores")!, q.matmul(k.transpose())])
    for (const [i, x] of scores!.entries()) expect(x).toBeCloseTo(product![i]!, 5)
  })

  test("a replacement changes what follows", () => {
    const y = model()
    const even = (name: string) => name === "blocks.0.pattern"
    const { outputs } = collectTaps([y], even, (_, x) => ones(x.shape).div(3))
    const first = v.mean(2, { keepDims: true }).broadcastTo(v.shape)
    const [actual, expected] = evaluateReference([outputs[0]!, attention(first, k, v, { softCap: 3 })])
    for (const [i, x] of actual!.entries()) expect(x).toBeCloseTo(expected![i]!, 5)
  })

  test("gradients reach a tap", () => {
    const { outputs, taps } = collectTaps([attention(q, k, v)], name => name === "pattern")
    const [slope] = grad(outputs[0]!.sum(), [taps.get("pattern")!])
    // d Σ z / d pattern[t s] = Σ over the width of v[s]
    const [actual, expected] = evaluateReference([slope!, v.sum(-1).unsqueeze(2).broadcastTo([1, 2, 3, 3])])
    for (const [i, x] of actual!.entries()) expect(x).toBeCloseTo(expected![i]!, 5)
  })

  test("a name met again gets a number", () => {
    const y = tap("a", tap("a", q).mul(2))
    expect([...collectTaps([y], name => name === "a").taps.keys()]).toEqual(["a", "a#2"])
  })

  test("a replacement of another shape is refused", () => {
    const y = tap("a", q)
    expect(() =>
      collectTaps(
        [y],
        () => true,
        () => q.sum(),
      ),
    ).toThrow("tap a: expected a replacement f32 [1 2 3 4], but got f32 []")
  })
})
