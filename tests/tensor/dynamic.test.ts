import { describe, expect, test } from "vitest"
import { compile, evaluateOn, scalar } from "../../src/runtime/index.ts"
import { arange, fromHost, full, grad, Parameter, readSlice, type Tensor, writeSlice } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const machines = (await machineDevices()) as ("native" | "wasm")[]

const base = (): Tensor => arange(24).cast("f32").reshape([2, 4, 3])

describe.each(["reference", ...machines] as const)("%s", device => {
  const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn(device, [x]))[0]!]

  test("a slice is written and read where the scalar says", async () => {
    for (const [axis, shape, start] of [
      [0, [1, 4, 3], 1],
      [1, [2, 2, 3], 2],
      [2, [2, 4, 1], 0],
      [1, [2, 4, 3], 0],
    ] as const) {
      const written = writeSlice(base(), full(shape, -1), scalar(start, "i32"), axis)
      const inside = (i: number): boolean => {
        const at = [Math.floor(i / 12), Math.floor(i / 3) % 4, i % 3][axis]!
        return at >= start && at < start + shape[axis]!
      }
      expect(await numbers(written)).toEqual(Array.from({ length: 24 }, (_, i) => (inside(i) ? -1 : i)))
      const part = readSlice(base(), scalar(start, "i32"), shape[axis]!, axis)
      expect(part.shape).toEqual(shape)
      expect(await numbers(part)).toEqual(await numbers(base().slice(axis, start, start + shape[axis]!)))
    }
  })

  test("other types keep their bits", async () => {
    const ids = writeSlice(arange(6), full([2], -5, "i32"), scalar(3, "i32"))
    expect(await numbers(ids)).toEqual([0, 1, 2, -5, -5, 5])
    const short = writeSlice(base().cast("bf16"), full([2, 1, 3], 0.5).cast("bf16"), scalar(3, "i32"), 1)
    expect((await numbers(short.cast("f32"))).slice(6, 12)).toEqual([6, 7, 8, 0.5, 0.5, 0.5])
  })

  test("gradients go where the elements went", async () => {
    const [x, y] = [base(), full([2, 2, 3], 1)]
    const weights = arange(24).cast("f32").reshape([2, 4, 3])
    const [dx, dy] = grad(writeSlice(x, y, scalar(1, "i32"), 1).mul(weights).sum(), [x, y])
    expect(await numbers(dx!)).toEqual(
      Array.from({ length: 24 }, (_, i) => ([1, 2].includes(Math.floor(i / 3) % 4) ? 0 : i)),
    )
    expect(await numbers(dy!)).toEqual([3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20])
    const [dz] = grad(readSlice(x, scalar(2, "i32"), 1, 1).sum(), [x])
    expect(await numbers(dz!)).toEqual(Array.from({ length: 24 }, (_, i) => (Math.floor(i / 3) % 4 === 2 ? 1 : 0)))
  })

  test("a place outside is an error when the program runs", async () => {
    for (const start of [-1, 3])
      await expect(numbers(writeSlice(base(), full([2, 2, 3], 1), scalar(start, "i32"), 1))).rejects.toThrow(/start/i)
    await expect(numbers(readSlice(base(), scalar(4, "i32"), 1, 1))).rejects.toThrow(/start/i)
  })
})

test.each(machines)("a parameter is written in place, at another place each time: %s", async device => {
  const store = new Parameter(full([4, 2], 0))
  const write = compile(
    (x: Tensor, at: Tensor) => {
      store.assign(writeSlice(store, x, at))
      return store.sum()
    },
    { device },
  )
  for (let i = 0; i < 4; i++) await write(full([1, 2], i + 1), scalar(i, "i32"))
  expect([...(await evaluateOn(device, [store]))[0]!]).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
  const programs = [...write.programs().values()]
  expect(programs.length).toBe(1)
  expect(programs[0]!.steps.flatMap(step => step.label).filter(label => label.startsWith("copy"))).toEqual([])
})

test("shapes and types that do not fit are named", () => {
  const at = scalar(0, "i32")
  expect(() => writeSlice(base(), full([2, 5, 3], 1), at, 1)).toThrow(/up to 4 along axis 1, but got \[2 5 3\]/)
  expect(() => writeSlice(base(), full([2, 1, 2], 1), at, 1)).toThrow(/\[2 4 3\]/)
  expect(() => writeSlice(base(), full([2, 1, 3], 1, "i32"), at, 1)).toThrow(/type f32, but got i32/)
  expect(() => writeSlice(base(), full([2, 1, 3], 1), scalar(0), 1)).toThrow(/whole numbers/)
  expect(() => writeSlice(base(), full([2, 1, 3], 1), fromHost(Int32Array.of(0, 1), [2], "i32"), 1)).toThrow(
    /one element/,
  )
  expect(() => readSlice(base(), at, 5, 1)).toThrow(/size/)
})
