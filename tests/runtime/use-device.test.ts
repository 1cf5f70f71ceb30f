// Which device computes, and what of it.
import { afterEach, describe, expect, test } from "vitest"
import { compile, deviceInfo, fromHost, type Tensor, useDevice } from "../../src/index.ts"
import { read } from "../../src/runtime/index.ts"
import { nativeProblem } from "../../src/runtime/native.ts"

afterEach(() => useDevice("auto"))

describe.skipIf(nativeProblem() !== null)("native", () => {
  test("uses the instructions it is told to", async () => {
    const best = (await deviceInfo()).tier
    useDevice("native", { tier: "baseline", threads: 1 })
    const info = await deviceInfo()
    expect([info.name, info.tier, info.threads]).toEqual(["native", "baseline", 1])
    const double = compile((x: Tensor) => x.mul(2))
    expect(await read(await double(fromHost(Float32Array.of(1, 2, 3), [3], "f32")))).toEqual(Float32Array.of(2, 4, 6))
    useDevice("auto")
    expect((await deviceInfo()).tier).toBe(best)
  })
  test("refuses instructions that this machine or this build lacks", async () => {
    useDevice("native", { tier: "avx1024" })
    await expect(deviceInfo()).rejects.toThrow(/avx1024/)
  })
})

test("unknown options are named", () => {
  expect(() => useDevice("native", { thread: 2 } as never)).toThrow(/threads, tier, .*but got thread/)
  expect(() => useDevice("wasm", { tier: "avx2" })).toThrow(/no tier for wasm, but got avx2/)
  expect(() => useDevice("cuda" as never)).toThrow(/expected auto, native, wasm or reference, but got cuda/)
})
