// compile(fn) with functions, arguments and calls that do not fit: clear errors, and calls that overlap give what calls in a row give.
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import {
  arange,
  compile,
  full,
  gather,
  HeedError,
  ones,
  Parameter,
  placeholder,
  type Tensor,
  tensor,
  useDevice,
  zeros,
} from "../../src/index.ts"
import { nativeProblem } from "../../src/runtime/native.ts"

const devices = nativeProblem() === null ? (["native", "wasm"] as const) : (["wasm"] as const)
const x = tensor([1, 2, 3])

async function refusal(run: () => unknown): Promise<string> {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(HeedError)
    return (error as Error).message
  }
  throw new Error("expected a refusal")
}

const returning = (value: unknown) => compile((_: Tensor) => value)

describe.each(devices)("on %s", device => {
  beforeAll(() => useDevice(device))
  afterAll(() => useDevice("auto"))

  test.each([
    ["a number", 5, "but got number 5 as its result"],
    ["text", "text", 'but got the text "text" as its result'],
    ["a map", new Map([["a", x]]), "but got Map as its result"],
    ["a function in a list", [x, () => x], "but got function () => x as its result[1]"],
    ["a number in an object", { loss: x, step: 1 }, "but got number 1 as its result.step"],
    ["a promise", Promise.resolve(x), "but it is async"],
  ])("refuses a function that returns %s", async (_, value, message) => {
    expect(await refusal(() => returning(value)(x))).toContain(message)
  })

  test("refuses an async function, also one that fails later", async () => {
    const fn = compile(async (_: Tensor) => {
      throw new Error("late")
    })
    expect(await refusal(() => fn(x))).toContain("but it is async")
  })

  test("gives null, empty lists and nested structures back", async () => {
    const fn = compile((a: Tensor) => ({ none: null, empty: [], deep: [{ sum: a.sum() }] }))
    const result = await fn(x)
    expect(result.none).toBeNull()
    expect(result.empty).toEqual([])
    expect(await result.deep[0]!.sum.item()).toBe(6)
  })

  test.each([
    ["a typed array", new Float32Array(3), "but got Float32Array at argument [0]"],
    ["a map", new Map(), "but got Map at argument [0]"],
    ["text in an object", { mode: "fast" }, 'but got the text "fast" at argument [0].mode'],
    ["a truth value", true, "but got boolean true at argument [0]"],
  ])("refuses %s as an argument", async (_, value, message) => {
    const fn = compile((given: unknown) => (given ? x : x))
    expect(await refusal(() => fn(value))).toContain(message)
  })

  test("a function that throws leaves nothing behind", async () => {
    const weight = new Parameter(zeros([3]), { name: "weight" })
    let broken = true
    const fn = compile((a: Tensor) => {
      weight.assign(weight.add(a))
      if (broken) throw new Error("mine")
      return weight.sum()
    })
    await expect(fn(x)).rejects.toThrow("mine")
    expect([...(await weight.read())]).toEqual([0, 0, 0])
    expect([...(await weight.add(1).read())]).toEqual([1, 1, 1])
    broken = false
    expect(await (await fn(x)).item()).toBe(6)
  })

  test("the last of two assignments counts; another shape is refused", async () => {
    const weight = new Parameter(zeros([3]), { name: "weight" })
    await compile((a: Tensor) => {
      weight.assign(a)
      weight.assign(weight.mul(2))
      return a
    })(x)
    expect([...(await weight.read())]).toEqual([2, 4, 6])
    const wrong = compile((a: Tensor) => weight.assign(a.sum()))
    expect(await refusal(() => wrong(x))).toContain("assign: expected weight [3], but got []")
  })

  test("other shapes make other programs; a captured lazy tensor is part of each", async () => {
    const lazy = arange(3).cast("f32").mul(10)
    const fn = compile((a: Tensor) => a.add(lazy))
    expect([...(await (await fn(x)).read())]).toEqual([1, 12, 23])
    expect([...(await (await fn(ones([2, 3]))).read())]).toEqual([1, 11, 21, 1, 11, 21])
    expect(fn.programs().size).toBe(2)
    expect(await refusal(() => fn(ones([2])))).toContain("add: expected shapes that broadcast")
  })

  test("a placeholder of another function has no value", async () => {
    const stray = placeholder([3], "f32", "stray")
    expect(await refusal(() => compile((a: Tensor) => a.add(stray))(x))).toContain(
      "placeholder outside of its function",
    )
  })

  test("overlapping first calls record once and update in the order they were made", async () => {
    const weight = new Parameter(ones([1000]), { name: "weight" })
    let recorded = 0
    const step = compile((factor: Tensor) => {
      recorded++
      weight.assign(weight.mul(factor).add(1))
      return weight.max()
    })
    const calls = [2, 3, 4, 5].map(factor => step(factor))
    const sizes = await Promise.all(calls.map(async call => (await call).item()))
    expect(sizes).toEqual([3, 10, 41, 206])
    expect(new Set(await weight.read())).toEqual(new Set([206]))
    expect(recorded).toBe(1)
  })

  test("two functions over one parameter follow each other", async () => {
    const weight = new Parameter(ones([1000]))
    const double = compile(() => weight.assign(weight.mul(2)))
    const plus = compile(() => weight.assign(weight.add(1)))
    await Promise.all([double(), plus(), double(), plus(), double()])
    expect(new Set(await weight.read())).toEqual(new Set([14]))
  })

  test("reading a parameter waits for the update in progress", async () => {
    const weight = new Parameter(zeros([300, 300]))
    const step = compile((a: Tensor) => weight.assign(a.matmul(a).matmul(a).mul(0).add(weight).add(1)))
    const a = ones([300, 300])
    await step(a)
    const running = step(a)
    await Promise.resolve()
    await Promise.resolve()
    const seen = new Set(await weight.read())
    await running
    expect([...seen].length).toBe(1)
    expect(new Set(await weight.read())).toEqual(new Set([2]))
  })

  test("parameters never share memory that is updated", async () => {
    const start = tensor([1, 2, 3])
    const first = new Parameter(start, { name: "first" })
    const second = new Parameter(start, { name: "second" })
    const step = compile(() => {
      first.assign(first.add(1))
      second.assign(second.mul(10))
    })
    await step()
    await step()
    expect([...(await first.read())]).toEqual([3, 4, 5])
    expect([...(await second.read())]).toEqual([100, 200, 300])
    second.assign(first.value)
    await step()
    expect([...(await first.read())]).toEqual([4, 5, 6])
    expect([...(await second.read())]).toEqual([30, 40, 50])
  })

  test("a constant of one function is not updated by another", async () => {
    const start = tensor([1, 2, 3])
    const plusStart = compile((a: Tensor) => a.add(start))
    expect([...(await (await plusStart(x)).read())]).toEqual([2, 4, 6])
    const weight = new Parameter(start, { name: "weight" })
    await compile(() => weight.assign(weight.mul(0)))()
    expect([...(await (await plusStart(x)).read())]).toEqual([2, 4, 6])
    expect([...(await weight.read())]).toEqual([0, 0, 0])
    const held = weight.value
    expect(await refusal(() => compile((a: Tensor) => a.add(held))(x))).toContain("captured its value")
  })

  test("a parameter's value as an argument of the function that updates it is refused", async () => {
    const weight = new Parameter(ones([3]), { name: "weight" })
    const step = compile((a: Tensor) => weight.assign(weight.add(a)))
    await step(x)
    expect(await refusal(() => step(weight))).toContain("arguments other than the value of weight")
  })

  test("a run that fails leaves the function usable", async () => {
    const table = ones([4, 2])
    const fn = compile((ids: Tensor) => gather(table, ids))
    const bad = await refusal(() => fn(tensor([0, 9], [2], "i32")))
    expect(bad).toBe("gather_rows: expected index in 0..3, but got 9 at position 1")
    expect([...(await (await fn(tensor([0, 3], [2], "i32"))).read())]).toEqual([1, 1, 1, 1])
  })

  test("a signal stops a run, and the next run is whole", async () => {
    const fn = compile((a: Tensor) => {
      let y = a
      for (let i = 0; i < 200; i++) y = y.matmul(a)
      return y
    })
    const a = full([192, 192], 1 / 192)
    await fn(a)
    const control = new AbortController()
    const reason = new Error("enough")
    const running = fn.run([a], { signal: control.signal })
    setTimeout(() => control.abort(reason), 1)
    await expect(running).rejects.toBe(reason)
    await expect(fn.run([a], { signal: control.signal })).rejects.toBe(reason)
    expect((await (await fn(a)).read())[7]).toBeCloseTo(1 / 192)
  })
})

test.skipIf(devices.length < 2)("a tensor that lives on another device says so", async () => {
  const native = compile((a: Tensor) => a.add(1), { device: "native" })
  const wasm = compile((a: Tensor) => a.add(1), { device: "wasm" })
  const y = await native(x)
  expect(await refusal(() => wasm(y))).toContain("expected a value on wasm, but it lives on another device")
})
