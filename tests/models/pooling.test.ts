import fc from "fast-check"
import { expect, test } from "vitest"
import { firstPooled, maxPooled, meanPooled, normalized, pooled } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, type Tensor } from "../../src/tensor/index.ts"

const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]
const tensorOf = (values: readonly number[], shape: number[]): Tensor =>
  fromHost(Float32Array.from(values), shape, "f32")

test("each way of pooling is what it says, over the tokens of the mask", async () => {
  const element = fc.float({ min: -4, max: 4, noNaN: true })
  const rows = fc.array(fc.tuple(fc.boolean(), fc.array(element, { minLength: 3, maxLength: 3 })), {
    minLength: 1,
    maxLength: 6,
  })
  await fc.assert(
    fc.asyncProperty(rows, async tokens => {
      fc.pre(tokens.some(([real]) => real))
      const hidden = tensorOf(
        tokens.flatMap(([, vector]) => vector),
        [1, tokens.length, 3],
      )
      const mask = fromHost(
        Int32Array.from(tokens, ([real]) => Number(real)),
        [1, tokens.length],
        "i32",
      )
      const real = tokens.filter(([isReal]) => isReal).map(([, vector]) => vector)
      for (const [i, x] of (await numbers(meanPooled(hidden, mask))).entries())
        expect(x).toBeCloseTo(real.reduce((total, vector) => total + vector[i]!, 0) / real.length, 4)
      expect(await numbers(maxPooled(hidden, mask))).toEqual(
        [0, 1, 2].map(i => Math.fround(Math.max(...real.map(vector => vector[i]!)))),
      )
      expect(await numbers(firstPooled(hidden))).toEqual([...Float32Array.from(tokens[0]![1])])
    }),
    { numRuns: 30 },
  )
})

test("without a mask every token counts; bool masks are masks", async () => {
  const hidden = tensorOf([1, 2, 3, 6], [1, 2, 2])
  expect(await numbers(meanPooled(hidden))).toEqual([2, 4])
  expect(await numbers(maxPooled(hidden))).toEqual([3, 6])
  const mask = fromHost(Int32Array.of(1, 0), [1, 2], "i32").ne(0)
  for (const way of ["mean", "cls", "max"] as const) expect(await numbers(pooled(hidden, way, mask))).toEqual([1, 2])
})

test("normalized vectors have length 1, and zero stays zero", async () => {
  expect(await numbers(normalized(tensorOf([3, 4, 0, 0], [2, 2])))).toEqual([Math.fround(0.6), Math.fround(0.8), 0, 0])
})

test("wrong shapes and ways are refused", () => {
  const hidden = tensorOf([1, 2], [1, 1, 2])
  expect(() => meanPooled(tensorOf([1], [1]))).toThrow(/meanPooled: expected vectors \[B T D\], but got \[1\]/)
  expect(() => maxPooled(hidden, fromHost(Int32Array.of(1, 1), [1, 2], "i32"))).toThrow(/a mask \[B T\].*\[1 2\]/)
  expect(() => pooled(hidden, "last" as "mean")).toThrow(/one of mean, cls, max, but got last/)
})
