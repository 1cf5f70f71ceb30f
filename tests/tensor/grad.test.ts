import { describe, expect, test } from "vitest"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { reachable } from "../../src/tensor/graph.ts"
import {
  attention,
  checkpoint,
  grad,
  linear,
  Parameter,
  tensor,
  vectorJacobian,
  zeros,
} from "../../src/tensor/index.ts"

const wave = (shape: readonly number[], shift = 0) =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + shift)),
    shape,
  )

const values = (...tensors: Parameters<typeof evaluateReference>[0]) =>
  evaluateReference(tensors).map(data => [...data])

describe("grad", () => {
  test("of parameters, by name of the thing itself", () => {
    const w = new Parameter(wave([2, 3]), { name: "w" })
    const x = wave([4, 3], 1)
    const [dw] = grad(linear(x, w).sum(), [w])
    const [actual, expected] = values(dw!, x.sum(0).broadcastTo([2, 3]))
    for (const [i, v] of actual!.entries()) expect(v).toBeCloseTo(expected![i]!, 5)
  })

  test("of a value that is used twice adds up", () => {
    const x = wave([3])
    const [dx] = grad(x.mul(x).add(x).sum(), [x])
    const [actual, expected] = values(dx!, x.mul(2).add(1))
    for (const [i, v] of actual!.entries()) expect(v).toBeCloseTo(expected![i]!, 5)
  })

  test("is zero without a connection", () => {
    const [dx, dy] = grad(wave([3]).sum(), [zeros([2]), wave([4])])
    expect(values(dx!, dy!)).toEqual([
      [0, 0],
      [0, 0, 0, 0],
    ])
    expect(vectorJacobian([wave([2])], [wave([2])], [zeros([1])])).toEqual([null])
  })

  test("stops where it is told", () => {
    const x = wave([3])
    const [dx] = grad(x.detach().mul(x).sum(), [x])
    expect(values(dx!)[0]).toEqual(values(x)[0])
  })

  test("of an intermediate value", () => {
    const x = wave([3])
    const h = x.mul(2)
    const [dh] = grad(h.mul(h).sum(), [h])
    expect(values(dh!)[0]).toEqual(values(h.mul(2))[0])
  })

  test("three times", () => {
    const x = wave([3])
    const first = grad(x.pow(4).sum(), [x])[0]!
    const second = grad(first.sum(), [x])[0]!
    const third = grad(second.sum(), [x])[0]!
    const [actual, expected] = values(third, x.mul(24))
    for (const [i, v] of actual!.entries()) expect(v).toBeCloseTo(expected![i]!, 4)
  })
})

describe("checkpoint", () => {
  const w = new Parameter(wave([6, 6], 2))
  const block = (x: ReturnType<typeof wave>) => {
    const heads = linear(x, w).rearrange("B T (H K) -> B H T K", { H: 2 })
    return x.add(attention(heads, heads, heads, { causal: true }).rearrange("B H T K -> B T (H K)")).gelu()
  }

  test("gives the same values and gradients", () => {
    const x = wave([1, 4, 6])
    const plain = block(block(x))
    const saved = checkpoint(block)(checkpoint(block)(x))
    const all = values(plain, saved, ...grad(plain.mul(plain).sum(), [x, w]), ...grad(saved.mul(saved).sum(), [x, w]))
    expect(all[1]).toEqual(all[0])
    expect(all[4]).toEqual(all[2])
    expect(all[5]).toEqual(all[3])
  })

  test("computes inner values again in the backward pass", () => {
    const x = wave([1, 4, 6])
    const y = checkpoint(block)(x)
    const count = (name: string) => reachable(grad(y.sum(), [x])).filter(node => node.op?.name === name).length
    expect(count("checkpoint")).toBe(0)
    expect(count("attention")).toBe(1)
    expect(count("barrier")).toBeGreaterThan(0)
  })

  test("gradients of gradients", () => {
    const x = wave([1, 4, 6])
    const twice = (f: typeof block) => grad(grad(f(x).mul(x).sum(), [x])[0]!.mul(x).sum(), [x])[0]!
    const [actual, expected] = values(twice(checkpoint(block)), twice(block))
    for (const [i, v] of actual!.entries()) expect(v).toBeCloseTo(expected![i]!, 3)
  })
})
