import { describe, expect, test } from "vitest"
import { simplify } from "../../src/compiler/simplify.ts"
import { type Tensor, tensor } from "../../src/index.ts"
import { reachable } from "../../src/tensor/graph.ts"

const names = (outputs: readonly Tensor[]): string[] =>
  reachable(simplify(outputs)).map(node => node.op?.name ?? "leaf")

describe("simplify", () => {
  const x = tensor([1, 2, 3])

  test("equal operations are computed once", () => {
    const twice = x.mul(0.5).exp().add(x.mul(0.5).exp())
    expect(names([twice])).toEqual(["leaf", "full", "mul", "exp", "add"])
  })

  test("attributes and inputs make the difference", () => {
    expect(names([x.slice(0, 0, 2), x.slice(0, 1, 3), x.sum(), x.max()])).toEqual([
      "leaf",
      "slice",
      "slice",
      "reduce",
      "reduce",
    ])
  })

  test("neutral constants disappear", () => {
    expect(names([x.add(0), x.mul(1), x.mul(1).add(0)])).toEqual(["leaf"])
  })
})
