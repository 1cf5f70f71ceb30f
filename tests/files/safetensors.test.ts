import { mkdirSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { FileError } from "../../src/files/errors.ts"
import type { HostTensor } from "../../src/files/host.ts"
import { openSafetensors, writeSafetensors } from "../../src/files/safetensors.ts"
import { openWeights } from "../../src/files/weights.ts"
import { freshFolder } from "./folder.ts"

const tensor = (...values: number[]): HostTensor => ({
  dtype: "f32",
  shape: [values.length],
  data: Float32Array.from(values),
})

describe("one file", () => {
  test("written, opened, read by name, closed", async () => {
    const path = join(await freshFolder(), "model.safetensors")
    await writeSafetensors(path, { a: tensor(1, 2), b: { dtype: "i64", shape: [1], data: BigInt64Array.of(-3n) } })
    const file = await openSafetensors(path)
    expect(file.names).toEqual(["b", "a"])
    expect(file.metadata).toEqual({ format: "pt" })
    expect(file.info("a")).toMatchObject({ dtype: "f32", shape: [2], bytes: 8 })
    expect(await file.read("a")).toEqual(tensor(1, 2))
    expect(await file.read("b")).toEqual({ dtype: "i64", shape: [1], data: BigInt64Array.of(-3n) })
    const into = new Uint8Array(8)
    expect((await file.read("a", into)).data.buffer).toBe(into.buffer)
    expect(new Float32Array(into.buffer)).toEqual(Float32Array.of(1, 2))
    await expect(file.read("a", new Uint8Array(9))).rejects.toThrow(
      /expected memory of 8 bytes to read into, but got 9/,
    )
    await expect(file.read("c")).rejects.toThrow(/expected a tensor "c"/)
    await file.close()
    await file.close()
    await expect(file.read("a")).rejects.toThrow(/expected an open file, but it was closed/)
  })

  test("a 5 GB file opens and gives its last tensor in little memory", async () => {
    const path = join(await freshFolder(), "big.safetensors")
    const big = 5_000_000_000
    const json = `{"big":{"dtype":"BF16","shape":[${big / 2}],"data_offsets":[0,${big}]},"last":{"dtype":"F32","shape":[2],"data_offsets":[${big},${big + 8}]}}`
    const handle = await open(path, "w") // sparse: it takes no room on the disk
    const start = Buffer.alloc(8)
    start.writeBigUInt64LE(BigInt(json.length))
    await handle.write(Buffer.concat([start, Buffer.from(json)]))
    await handle.write(Buffer.from(Float32Array.of(4, 5).buffer), 0, 8, 8 + json.length + big)
    await handle.close()
    const before = process.memoryUsage()
    const file = await openSafetensors(path)
    expect(file.info("big").bytes).toBe(big)
    expect(await file.read("last")).toEqual(tensor(4, 5))
    const after = process.memoryUsage()
    await file.close()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e6)
    expect(after.rss - before.rss).toBeLessThan(200e6)
  })

  test("a file cut while it is open is refused when read", async () => {
    const path = join(await freshFolder(), "model.safetensors")
    await writeSafetensors(path, { a: tensor(1, 2, 3, 4) })
    const file = await openSafetensors(path)
    const handle = await open(path, "r+")
    await handle.truncate((await handle.stat()).size - 4)
    await handle.close()
    await expect(file.read("a")).rejects.toThrow(/tensor "a": expected 16 bytes .* but the file ended after 12 bytes/)
    await file.close()
    await expect(openSafetensors(path)).rejects.toThrow(
      /model\.safetensors: expected tensor "a" \[0 16\] within 12 bytes/,
    )
  })

  test("no file, a folder, a header that claims more than there is", async () => {
    const folder = await freshFolder()
    await expect(openSafetensors(join(folder, "no"))).rejects.toThrow(/expected a file or folder, but there is none/)
    await expect(openSafetensors(folder)).rejects.toThrow(FileError)
    writeFileSync(join(folder, "x"), Buffer.from("ffffffffffffff7f00", "hex"))
    await expect(openSafetensors(join(folder, "x"))).rejects.toThrow(/its length says 9223372036854775807 bytes/)
  })
})

describe("a folder of shards", () => {
  async function shards(map: unknown = { a: "one.safetensors", b: "two.safetensors" }): Promise<string> {
    const folder = await freshFolder()
    await writeSafetensors(join(folder, "one.safetensors"), { a: tensor(1) })
    await writeSafetensors(join(folder, "two.safetensors"), { b: tensor(2) })
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: map }))
    return folder
  }

  test("reads as one", async () => {
    const file = await openWeights(await shards())
    expect(file.names).toEqual(["a", "b"])
    expect(await file.read("b")).toEqual(tensor(2))
    expect(file.info("a").dtype).toBe("f32")
    await expect(file.read("c")).rejects.toThrow(/expected a tensor "c"/)
    await file.close()
  })

  test("model.safetensors alone", async () => {
    const folder = await freshFolder()
    await expect(openWeights(join(folder, "no"))).rejects.toThrow(/there is no such folder/)
    await expect(openWeights(folder)).rejects.toThrow(
      /expected model\.safetensors, pytorch_model\.bin or the index of their shards, but got none/,
    )
    await writeSafetensors(join(folder, "model.safetensors"), { a: tensor(1) })
    const file = await openWeights(folder)
    expect(file.names).toEqual(["a"])
    await file.close()
  })

  test.each([
    "../one.safetensors",
    "/etc/one.safetensors",
    "sub/one.safetensors",
    "..\\one.safetensors",
    ".safetensors",
    "C:one.safetensors",
    "one.bin",
    7,
  ])("a shard at %j is refused", async shard => {
    const folder = await shards({ a: shard })
    mkdirSync(join(folder, "sub"))
    await writeSafetensors(join(folder, "sub", "one.safetensors"), { a: tensor(1) })
    await expect(openWeights(folder)).rejects.toThrow(/tensor "a" in a \.safetensors file of the same folder/)
  })

  test("index and shards that disagree", async () => {
    const part = await openWeights(await shards({ a: "one.safetensors" }))
    expect(part.names).toEqual(["a"])
    await part.close()
    await expect(openWeights(await shards({ a: "one.safetensors", b: "one.safetensors" }))).rejects.toThrow(
      /tensor "b" in "one\.safetensors", but it is not there/,
    )
    await expect(openWeights(await shards({ a: "two.safetensors" }))).rejects.toThrow(
      /tensor "b" of .*two\.safetensors to be listed/,
    )
    await expect(openWeights(await shards({ a: "three.safetensors" }))).rejects.toThrow(
      /three\.safetensors: expected a file/,
    )
    await expect(openWeights(await shards([]))).rejects.toThrow(/weight_map/)
  })
})
