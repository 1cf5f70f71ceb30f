import { describe, expect, test } from "vitest"
import { compile, fromHost, Parameter, read, useDevice } from "../../src/index.ts"
import { engineOf, hostMemory } from "../../src/runtime/index.ts"

describe("host memory", () => {
  test.each(["native", "wasm", "reference"] as const)(
    "%s: what is written there is what the tensor holds",
    async name => {
      useDevice(name)
      try {
        const data = new Float32Array((await hostMemory())(24))
        expect(data).toEqual(new Float32Array(6))
        data.set([1, 2, 3, 4, 5, 6])
        const x = fromHost(data, [2, 3], "f32")
        expect(await read(x.add(1))).toEqual(Float32Array.of(2, 3, 4, 5, 6, 7))
        expect(await read(x)).toEqual(data)
        const part = fromHost(data.subarray(1, 3), [2], "f32") // not all of it: copied
        expect(await read(part.mul(2))).toEqual(Float32Array.of(4, 6))
      } finally {
        useDevice("auto")
      }
    },
  )

  test("the native device computes from it without a copy, and gives other memory a copy", async () => {
    useDevice("native")
    const memory = (await hostMemory())(8)
    useDevice("auto")
    const { device } = await engineOf("native")
    expect(device.storageOf?.(new Float32Array(memory))?.bytes).toBe(8)
    expect(device.storageOf?.(new Float32Array(memory, 4))).toBeUndefined()
    expect(device.storageOf?.(new Float32Array(2))).toBeUndefined()
  })

  test("a parameter made of it is trained in place, and its tensors from before keep their values", async () => {
    const data = new Float32Array((await hostMemory())(8))
    data.set([1, 2])
    const weight = new Parameter(fromHost(data, [2], "f32"))
    const step = compile(() => {
      weight.assign(weight.mul(10))
      return weight.sum()
    })
    await step()
    await step()
    expect(await read(weight)).toEqual(Float32Array.of(100, 200))
  })
})
