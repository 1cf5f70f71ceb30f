import { describe, expect, test } from "vitest"
import { bf16ToF32 } from "../../src/files/pure.ts"
import { compile, Parameter, read, useDevice } from "../../src/index.ts"
import { aligned, engineOf, hostBlocks } from "../../src/runtime/index.ts"

describe("host blocks", () => {
  test.each(["native", "wasm", "reference"] as const)("%s: what is written there is what tensors hold", async name => {
    useDevice(name)
    try {
      const block = (await hostBlocks())(aligned(24) + 8)
      expect(block.bytes).toEqual(new Uint8Array(72))
      new Float32Array(block.bytes.buffer, block.bytes.byteOffset, 6).set([1, 2, 3, 4, 5, 6])
      new Int32Array(block.bytes.buffer, block.bytes.byteOffset + 64, 2).set([7, 8])
      const x = block.tensor({ offset: 0, shape: [2, 3], name: "x" }, "f32")
      const n = block.tensor({ offset: 64, shape: [2] }, "i32")
      expect(await read(x.add(1))).toEqual(Float32Array.of(2, 3, 4, 5, 6, 7))
      expect(await read(x)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
      expect(await read(n)).toEqual(Int32Array.of(7, 8))
    } finally {
      useDevice("auto")
    }
  })

  test.each(["native", "wasm"] as const)("%s: bf16 becomes f32 as bf16ToF32 has it, every bit", async name => {
    useDevice(name)
    try {
      const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits)
      const block = (await hostBlocks())(aligned(6) + all.byteLength)
      expect(block.widens).toBe(true)
      const fill = (numbers: Uint16Array, offset: number): void =>
        block.bytes.set(new Uint8Array(numbers.buffer, 0, numbers.byteLength), offset)
      fill(all.slice(16256, 16259), 0)
      fill(all, 64)
      const places = [
        { offset: 0, shape: [3] },
        { offset: 64, shape: [256, 256] },
      ]
      const [few, many] = await block.widened(places)
      block.bytes.fill(255) // it may be used again
      const bits = async (x: typeof few): Promise<Uint32Array> => new Uint32Array((await read(x!)).buffer)
      expect(await bits(few)).toEqual(new Uint32Array(bf16ToF32(all.slice(16256, 16259)).buffer))
      expect(await bits(many)).toEqual(new Uint32Array(bf16ToF32(all).buffer))
      expect(many!.shape).toEqual([256, 256])
    } finally {
      useDevice("auto")
    }
  })

  test("the reference device does not cast what lies there", async () => {
    useDevice("reference")
    try {
      const block = (await hostBlocks())(64)
      expect(block.widens).toBe(false)
      await expect(block.widened([{ offset: 0, shape: [1] }])).rejects.toThrow(/reference/)
    } finally {
      useDevice("auto")
    }
  })

  test("what lies in a native block can be computed by another device", async () => {
    useDevice("native")
    const block = (await hostBlocks())(8)
    useDevice("wasm")
    try {
      new Float32Array(block.bytes.buffer, block.bytes.byteOffset, 2).set([3, 4])
      expect(await read(block.tensor({ offset: 0, shape: [2] }, "f32").mul(2))).toEqual(Float32Array.of(6, 8))
    } finally {
      useDevice("auto")
    }
  })

  test.each(["native", "wasm"] as const)("%s: a part lies inside its storage, at a multiple of 64", async name => {
    const { device } = await engineOf(name)
    const storage = device.allocate(128)
    device.write(device.part(storage, 64, 4), 0, Uint8Array.of(1, 2, 3, 4))
    const bytes = new Uint8Array(4)
    device.read(storage, 64, bytes)
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(() => device.part(storage, 64, 65)).toThrow(/inside 0..128/)
    expect(() => device.part(storage, 8, 4)).toThrow(/multiple of 64/)
  })

  test("parameters of one block are trained in place, each for itself", async () => {
    const block = (await hostBlocks())(72)
    const numbers = (offset: number): Float32Array =>
      new Float32Array(block.bytes.buffer, block.bytes.byteOffset + offset, 2)
    numbers(0).set([1, 2])
    numbers(64).set([3, 4])
    const [weight, other] = [0, 64].map(offset => new Parameter(block.tensor({ offset, shape: [2] }, "f32")))
    const step = compile(() => {
      weight!.assign(weight!.mul(10))
      return weight!.sum()
    })
    await step()
    await step()
    expect(await read(weight!)).toEqual(Float32Array.of(100, 200))
    expect(await read(other!)).toEqual(Float32Array.of(3, 4))
  })
})
