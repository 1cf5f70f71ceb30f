import { expect, test } from "vitest"
import { attention, crossEntropy, layerNorm, sum, tensor } from "../../src/index.ts"

const x = tensor([
  [1, 2],
  [3, 4],
])
/** As a caller without a type checker would: the options are whatever they are. */
const loose = (options: Record<string, unknown>): object => options

test("an option that does not exist is refused by name, with those that do", () => {
  expect(() => sum(x, 0, loose({ keepAxes: true }))).toThrow(/sum: expected the options keepDims, but got "keepAxes"/)
  expect(() => layerNorm(x, undefined, undefined, loose({ eps: 1e-5 }))).toThrow(/layerNorm: .*epsilon.*"eps"/)
  expect(() => crossEntropy(x, tensor([0, 1], [2], "i32"), loose({ ignore_index: 0 }))).toThrow(
    /crossEntropy: .*ignoreIndex/,
  )
  const q = x.reshape([1, 1, 2, 2])
  expect(() => attention(q, q, q, loose({ isCausal: true }))).toThrow(/attention: .*causal.*"isCausal"/)
})
