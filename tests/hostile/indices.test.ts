// Indices that only the running program sees, and more memory than there is: the error names what was where, the process lives and
// the same program runs again.
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import {
  compile,
  crossEntropy,
  embedding,
  gather,
  grad,
  HeedError,
  linearCrossEntropy,
  ones,
  readSlice,
  scatterAdd,
  scatterAddAlong,
  type Tensor,
  takeAlong,
  tensor,
  uniform,
  useDevice,
  writeSlice,
  zeros,
} from "../../src/index.ts"
import { nativeProblem } from "../../src/runtime/native.ts"

const devices = nativeProblem() === null ? (["native", "wasm"] as const) : (["wasm"] as const)
const ids = (...values: number[]): Tensor => tensor(Int32Array.from(values))
const table = tensor(new Float32Array(12).fill(1), [4, 3])
const column = (i: Tensor): Tensor => i.reshape([-1, 1])

/** What indices do, how many there must be, and the kernel that checks them. */
const uses: readonly (readonly [string, (i: Tensor) => Tensor, limit: number, kernel: string])[] = [
  ["gather", i => gather(table, i), 4, "gather_rows"],
  ["gather, last axis", i => gather(table, i, 1), 3, ""],
  ["embedding", i => embedding(table, i), 4, "gather_rows"],
  ["gradient of embedding", i => grad(embedding(table, i).sum(), [table])[0]!, 4, ""],
  ["takeAlong", i => takeAlong(ones([2, 3]), column(i), 1), 3, "take_along"],
  ["scatterAdd", i => scatterAdd(table, i, ones([2, 3])), 4, ""],
  ["scatterAddAlong", i => scatterAddAlong(ones([2, 3]), column(i), ones([2, 1]), 1), 3, ""],
  ["crossEntropy", i => crossEntropy(ones([2, 3]), i), 3, "cross_entropy"],
  ["gradient of crossEntropy", i => grad(crossEntropy(table, i.repeat([2])), [table])[0]!, 3, "cross_entropy"],
  ["linearCrossEntropy", i => linearCrossEntropy(ones([2, 3]), table, i), 4, "linear_cross_entropy"],
]

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(HeedError)
  return (error as Error).message
}

describe.each(devices)("on %s", device => {
  beforeAll(() => useDevice(device))
  afterAll(() => useDevice("auto"))

  describe.each(uses)("%s", (_, use, limit, kernel) => {
    test.each([limit, -1, 2 ** 31 - 1, -(2 ** 31)])("with the index %i", async bad => {
      const fn = compile(use)
      const whole = [...(await (await fn(ids(0, 1))).read())]
      for (const [first, second, position] of [
        [0, bad, 1],
        [bad, 0, 0],
      ] as const) {
        const message = await failure(fn(ids(first, second)))
        expect(message).toMatch(
          new RegExp(`^${kernel || "\\w+"}: expected .+, but got ${bad} at position ${position}$`),
        )
        expect(message).toContain(`in 0..${limit - 1}`)
      }
      expect([...(await (await fn(ids(0, 1))).read())]).toEqual(whole)
    })
  })

  test.each([5, 4, -1, 2 ** 31 - 1, -(2 ** 31)])("slices that start at %i", async bad => {
    const at = (start: number): Tensor => tensor([start], [], "i32")
    const reading = compile((start: Tensor) => readSlice(table, start, 2))
    const writing = compile((start: Tensor) => writeSlice(table, zeros([2, 3]), start))
    for (const fn of [reading, writing]) {
      const whole = [...(await (await fn(at(2))).read())]
      expect(await failure(fn(at(bad)))).toMatch(new RegExp(`_slice: expected .+ in 0\\.\\.2, but got ${bad}`))
      expect([...(await (await fn(at(2))).read())]).toEqual(whole)
    }
  })

  test("any key draws numbers", async () => {
    const draw = compile((key: Tensor) => uniform([100], key))
    for (const key of [ids(-1, -1), ids(2 ** 31 - 1, -(2 ** 31))])
      expect((await (await draw(key)).read()).every(x => x >= 0 && x < 1)).toBe(true)
  })

  test("more memory than there is", async () => {
    const huge = zeros([2 ** 22, 2 ** 22]).add(ones([2 ** 22, 1]))
    expect(await failure(huge.read())).toMatch(/expected memory for \d+ bytes, but/)
    const inside = compile((x: Tensor) =>
      x
        .reshape([-1, 1])
        .cumsum(0)
        .mul(ones([1, 2 ** 42]))
        .cumsum(0)
        .sum(),
    )
    expect(await failure(inside(ones([8])))).toMatch(/expected memory for|expected fewer/)
    expect([...(await table.sum().read())]).toEqual([12])
    expect(await (await compile((x: Tensor) => x.sum())(table)).item()).toBe(12)
  })
})
