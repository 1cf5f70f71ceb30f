import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { FileError } from "../../src/files/errors.ts"
import { bytesOf, castFloats, type HostTensor, type HostType, toFloat32, toInt32 } from "../../src/files/host.ts"
import { parseSafetensors, safetensorsBytes, safetensorsContent } from "../../src/files/safetensors-bytes.ts"

/** A file with this header and that many bytes of data. */
function fileOf(header: unknown, dataBytes = 0, headerBytes?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header))
  const out = new Uint8Array(8 + json.length + dataBytes)
  new DataView(out.buffer).setBigUint64(0, headerBytes ?? BigInt(json.length), true)
  out.set(json, 8)
  for (let i = 0; i < dataBytes; i++) out[8 + json.length + i] = i
  return out
}

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: "F32", shape, data_offsets: [begin, end] })

function refusal(bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes, "w.safetensors")
  } catch (error) {
    expect(error).toBeInstanceOf(FileError)
    expect((error as FileError).hint).toBeTruthy()
    return (error as FileError).message
  }
  throw new Error("expected a refusal")
}

describe("reading", () => {
  test("a file written by hand", () => {
    const file = parseSafetensors(
      fileOf(
        { __metadata__: { format: "pt" }, b: f32([2], 0, 8), a: { dtype: "U8", shape: [], data_offsets: [8, 9] } },
        9,
      ),
    )
    expect(file.names).toEqual(["b", "a"])
    expect(file.metadata).toEqual({ format: "pt" })
    expect(file.info("b")).toMatchObject({ dtype: "f32", shape: [2], bytes: 8 })
    expect(file.read("a")).toEqual({ dtype: "u8", shape: [], data: Uint8Array.of(8) })
    expect(bytesOf(file.read("b").data)).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7))
  })

  test("data that begins at an odd place, escaped names, spaces, zero-sized tensors", () => {
    const file = parseSafetensors(
      fileOf(
        '{ "a\\u00e9\\"" : {"shape" : [ 2 ,1 ],\n"dtype":"I32","data_offsets":[0,8]}, "z": {"dtype":"F64","shape":[3,0],"data_offsets":[8,8]} }   ',
        8,
      ),
    )
    expect(file.names).toEqual(['aé"', "z"])
    expect(file.read('aé"')).toEqual({ dtype: "i32", shape: [2, 1], data: Int32Array.of(0x03020100, 0x07060504) })
    expect(file.read("z").data.length).toBe(0)
  })

  test("a tensor named __proto__ is a tensor like any other", () => {
    const file = parseSafetensors(fileOf('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1))
    expect(file.names).toEqual(["__proto__"])
  })

  test("an unknown name is refused with names that are near", () => {
    const file = parseSafetensors(fileOf({ "model.wte.weight": f32([1], 0, 4) }, 4))
    expect(() => file.read("wte.weight")).toThrow(/"wte.weight".*\n {2}hint: there is "model.wte.weight"/s)
  })
})

describe("refusals name what is wrong", () => {
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /at least 8 bytes, but got 0 bytes\n {2}hint: the file is empty/],
    ["seven bytes", new Uint8Array(7), /at least 8 bytes, but got 7 bytes/],
    ["a header longer than the file", fileOf("{}", 0, 3n), /within the file's 10 bytes, but its length says 3 bytes/],
    ["a header of 2^64 - 1 bytes", fileOf("{}", 0, (1n << 64n) - 1n), /length says 18446744073709551615 bytes/],
    ["a zip archive", new TextEncoder().encode("PK\x03\x04 archive of pickles"), /PyTorch/],
    ["a Git LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1"), /git lfs pull/],
    ["a web page", new TextEncoder().encode("<!DOCTYPE html><html>404"), /web page/],
    ["no JSON", fileOf("hello"), /a header that begins with \{, but got "hello" at byte 8/],
    ["JSON cut short", fileOf('{"a":{"dtype":"F32"'), /, or \} in tensor "a", but got the end of the header/],
    ["an open string", fileOf('{"a'), /a closing quote, but got the end/],
    ["a wrong escape", fileOf('{"a\\x":1}'), /valid JSON string/],
    ["text after the JSON", fileOf('{} {"a":1}'), /only spaces after/],
    ["wrong UTF-8", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff), /UTF-8/],
    ["deep nesting", fileOf(`{"a":${"[".repeat(10000)}`), /tensor "a" as an object/],
    [
      "an unknown dtype",
      fileOf({ a: { dtype: "F99", shape: [1], data_offsets: [0, 4] } }, 4),
      /"a" with a dtype of F64 F32 .*"F99"/,
    ],
    ["a negative size", fileOf({ a: f32([-1], 0, 4) }, 4), /"a" with a shape of whole numbers from 0.*"-1"/],
    ["a NaN size", fileOf('{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', 4), /"a" with a shape .*"NaN"/],
    ["a fraction", fileOf({ a: f32([1.5], 0, 4) }, 4), /"a" with a shape .*"1.5"/],
    [
      "a size beyond 2^53",
      fileOf('{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}', 4),
      /9007199254740993/,
    ],
    [
      "a product that overflows",
      fileOf({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4),
      /"a" with a shape whose product can be counted/,
    ],
    ["a hidden overflow", fileOf({ a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }), /product can be counted/],
    ["too many axes", fileOf({ a: f32(Array(65).fill(1), 0, 4) }, 4), /at most 64 numbers/],
    [
      "too few bytes",
      fileOf({ a: f32([2], 0, 4) }, 4),
      /"a" f32 \[2\] to take 8 bytes, but got data_offsets \[0 4\]: 4/,
    ],
    ["offsets backwards", fileOf({ a: f32([1], 4, 0) }, 4), /"a" with data_offsets that grow, but got \[4 0\]/],
    [
      "three offsets",
      fileOf({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4, 8] } }, 8),
      /two data_offsets, but got 3/,
    ],
    ["overlap", fileOf({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8), /"a" \[0 8\] and "b" \[4 8\] overlap/],
    ["the same bytes twice", fileOf({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4), /overlap/],
    ["a gap", fileOf({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /"b" to begin at 4, but it begins at 8: a gap/],
    ["a gap at the start", fileOf({ a: f32([1], 4, 8) }, 8), /"a" to begin at 0/],
    ["bytes left over", fileOf({ a: f32([1], 0, 4) }, 7), /to end after 4 bytes, but got 3 more/],
    [
      "data cut short",
      fileOf({ a: f32([2], 0, 8) }, 7),
      /"a" \[0 8\] within 7 bytes of data.*\n {2}hint: the file was cut short/,
    ],
    [
      "a name twice",
      fileOf(
        '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      ),
      /every name once, but got tensor "a" twice/,
    ],
    [
      "a missing field",
      fileOf({ a: { dtype: "F32", shape: [1] } }),
      /"a" with dtype, shape and data_offsets, but got no data_offsets/,
    ],
    ["an unknown field", fileOf({ a: { ...f32([1], 0, 4), strides: [1] } }, 4), /field "strides"/],
    ["a field twice", fileOf('{"a":{"dtype":"U8","dtype":"U8"}}'), /each once, but got field "dtype"/],
    ["metadata that is no text", fileOf({ __metadata__: { a: 1 } }), /a text for metadata "a"/],
    [
      "half a byte",
      fileOf({ a: { dtype: "F4", shape: [3], data_offsets: [0, 1] } }, 1),
      /"a" f4 \[3\] to take 1.5 bytes/,
    ],
  ]
  test.each(cases)("%s", (_, bytes, message) => {
    expect(refusal(bytes)).toMatch(message)
  })

  test("a header above 100 MB, although the file is that long", () => {
    const bytes = new Uint8Array(100_000_100)
    new DataView(bytes.buffer).setBigUint64(0, 100_000_001n, true)
    expect(refusal(bytes)).toMatch(/at most 100 MB/)
  })
})

const anyTensor: fc.Arbitrary<HostTensor> = fc
  .tuple(
    fc.constantFrom(
      "f64",
      "f32",
      "f16",
      "bf16",
      "i64",
      "u64",
      "i32",
      "u32",
      "i16",
      "u16",
      "i8",
      "u8",
      "bool",
      "f8_e4m3",
    ),
    fc.array(fc.nat(4), { maxLength: 3 }),
    fc.infiniteStream(fc.nat(255)),
  )
  .map(([dtype, shape, stream]) => {
    const count = shape.reduce((a, b) => a * b, 1)
    const fill = <A extends { buffer: ArrayBufferLike }>(data: A): A => {
      const bytes = new Uint8Array(data.buffer)
      for (let i = 0; i < bytes.length; i++) bytes[i] = stream.next().value!
      return data
    }
    const kinds = {
      f64: Float64Array,
      f32: Float32Array,
      f16: Uint16Array,
      bf16: Uint16Array,
      i64: BigInt64Array,
      u64: BigUint64Array,
      i32: Int32Array,
      u32: Uint32Array,
      i16: Int16Array,
      u16: Uint16Array,
      i8: Int8Array,
      u8: Uint8Array,
      bool: Uint8Array,
      f8_e4m3: Uint8Array,
    }
    return { dtype, shape, data: fill(new kinds[dtype as keyof typeof kinds](count)) } as HostTensor
  })

const anyTensors = fc
  .uniqueArray(
    fc.tuple(
      fc.string({ maxLength: 12 }).filter(name => name !== "__metadata__"),
      anyTensor,
    ),
    { maxLength: 6, selector: ([name]) => name },
  )
  .map(pairs => Object.fromEntries(pairs) as Record<string, HostTensor>)

describe("round trips", () => {
  test("what is written is read back, and the same tensors give the same bytes in any order", async () => {
    await fc.assert(
      fc.asyncProperty(anyTensors, fc.dictionary(fc.string(), fc.string()), async (tensors, metadata) => {
        const bytes = await safetensorsBytes(tensors, { metadata })
        const file = parseSafetensors(bytes)
        expect([...file.names].sort()).toEqual(Object.keys(tensors).sort())
        expect({ ...file.metadata }).toEqual({ ...metadata })
        for (const [name, tensor] of Object.entries(tensors)) {
          const back = file.read(name)
          expect(back.dtype).toBe(tensor.dtype)
          expect(back.shape).toEqual(tensor.shape)
          expect(bytesOf(back.data)).toEqual(bytesOf(tensor.data)) // bytes: NaN payloads count
          expect(file.info(name).offset % tensor.data.BYTES_PER_ELEMENT).toBe(0)
        }
        const turned = Object.fromEntries(Object.entries(tensors).reverse())
        expect(await safetensorsBytes(turned, { metadata })).toEqual(bytes)
      }),
      { numRuns: 150 },
    )
  })

  test("changed bytes are read or refused, never a crash, and never more memory than the file", async () => {
    const edit = fc.record({ at: fc.nat(), byte: fc.nat(255) })
    await fc.assert(
      fc.asyncProperty(
        anyTensors,
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        fc.nat(20),
        async (tensors, edits, cut) => {
          const good = await safetensorsBytes(tensors)
          const bytes = good.slice(0, Math.max(0, good.length - (cut > 10 ? cut - 10 : 0)))
          // most edits go to the header, where they hurt
          const header = 8 + Number(new DataView(good.buffer).getBigUint64(0, true))
          for (const { at, byte } of edits) if (bytes.length > 0) bytes[at % Math.min(header, bytes.length)] = byte
          try {
            const file = parseSafetensors(bytes)
            const total = file.names.reduce((sum, name) => sum + file.read(name).data.byteLength, 0)
            expect(total).toBeLessThanOrEqual(bytes.length)
          } catch (error) {
            expect(error).toBeInstanceOf(FileError)
            expect((error as Error).message.length).toBeLessThan(800)
          }
        },
      ),
      { numRuns: 400 },
    )
  })

  test("any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, plausible) => {
        if (plausible && bytes.length >= 9) new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true)
        try {
          parseSafetensors(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe("writing", () => {
  const x: HostTensor = { dtype: "f32", shape: [3], data: Float32Array.of(1, -2.5, 1e-3) }
  const ids: HostTensor = { dtype: "i32", shape: [2], data: Int32Array.of(7, -7) }

  test.each(["f32", "bf16", "f16"] as const)("floats as %s, integers as they are", async dtype => {
    const file = parseSafetensors(await safetensorsBytes({ x, ids }, { dtype }))
    expect(file.info("x").dtype).toBe(dtype)
    expect(file.read("ids")).toEqual(ids)
    const values = toFloat32(file.read("x"))
    for (let i = 0; i < 3; i++)
      expect(Math.abs(values[i]! - x.data[i]!)).toBeLessThanOrEqual(Math.abs(x.data[i]!) / 128)
  })

  test("the header is the one other libraries write: wide types first, then names, padded to eight", async () => {
    const bytes = await safetensorsBytes({ b: x, a: x, "0": ids, half: castFloats(x, "f16") })
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    expect(new TextDecoder().decode(bytes.subarray(8, 8 + length)).trimEnd()).toBe(
      '{"__metadata__":{"format":"pt"},"0":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},' +
        '"b":{"dtype":"F32","shape":[3],"data_offsets":[20,32]},"half":{"dtype":"F16","shape":[3],"data_offsets":[32,38]}}',
    )
  })

  test("lazy tensors are loaded one at a time, when their turn comes", async () => {
    const events: string[] = []
    const loaded = (name: string) => {
      events.push(name)
      return x
    }
    const lazy = (name: string) => ({ dtype: "f32" as const, shape: [3], load: () => loaded(name) })
    const content = safetensorsContent({ a: lazy("a"), b: lazy("b") })
    expect(events).toEqual([])
    let total = 0
    for await (const chunk of content) {
      total += chunk.length
      events.push("chunk")
    }
    expect(total).toBe(content.bytes)
    expect(events).toEqual(["chunk", "a", "chunk", "b", "chunk"])
  })

  test("a large tensor is converted in slices", async () => {
    const data = Float32Array.from({ length: (1 << 20) + 5 }, (_, i) => i % 256)
    let largest = 0
    const content = safetensorsContent({ x: { dtype: "f32", shape: [data.length], data } }, { dtype: "bf16" })
    for await (const chunk of content) largest = Math.max(largest, chunk.length)
    expect(largest).toBe(1 << 21)
    const back = toFloat32(
      parseSafetensors(
        await safetensorsBytes({ x: { dtype: "f32", shape: [data.length], data } }, { dtype: "bf16" }),
      ).read("x"),
    )
    expect(Buffer.compare(bytesOf(back), bytesOf(data))).toBe(0)
  })

  test("tensors that disagree with themselves are refused by name", () => {
    const refused = (tensor: unknown, message: RegExp) =>
      expect(() => safetensorsContent({ "h.0.w": tensor as HostTensor })).toThrow(message)
    refused({ dtype: "f32", shape: [4], data: x.data }, /"h.0.w": expected 16 bytes for f32 \[4\], but got 12/)
    refused(
      { dtype: "bf16", shape: [3], data: x.data },
      /"h.0.w": expected Uint16Array for dtype bf16, but got Float32Array/,
    )
    refused({ dtype: "f33", shape: [3], data: x.data }, /known dtype, but got "f33"/)
    refused({ dtype: "f32", shape: [-3], data: x.data }, /whole numbers from 0, but got \[-3\]/)
    expect(() => safetensorsContent({ __metadata__: x })).toThrow(/__metadata__/)
    expect(() => safetensorsContent({ x }, { metadata: { a: 1 as unknown as string } })).toThrow(/"a": expected a text/)
    expect(() => safetensorsContent({ x }, { dtype: "f8" as "f16" })).toThrow(/f32, bf16 or f16, but got dtype "f8"/)
  })

  test("a lazy tensor that loads something else is refused", async () => {
    const lazy = { dtype: "f32" as const, shape: [2], load: () => x }
    await expect(safetensorsBytes({ w: lazy })).rejects.toThrow(
      /"w": expected f32 \[2\] as announced, but load\(\) gave f32 \[3\]/,
    )
  })
})

describe("conversion", () => {
  const of = (dtype: HostType, data: HostTensor["data"]) => ({ dtype, shape: [data.length], data }) as HostTensor
  test("to f32", () => {
    expect(toFloat32(of("f64", Float64Array.of(0.1)))).toEqual(Float32Array.of(0.1))
    expect(toFloat32(of("i64", BigInt64Array.of(-5n)))).toEqual(Float32Array.of(-5))
    expect(toFloat32(of("bf16", Uint16Array.of(0x3f80)))).toEqual(Float32Array.of(1))
    expect(toFloat32(of("f16", Uint16Array.of(0x3c00)))).toEqual(Float32Array.of(1))
    expect(() => toFloat32(of("f8_e4m3", Uint8Array.of(1)), "w")).toThrow(
      /^w: expected a dtype that converts to float32, but got f8_e4m3/,
    )
  })
  test("to i32", () => {
    expect(toInt32(of("i64", BigInt64Array.of(-5n, 7n)))).toEqual(Int32Array.of(-5, 7))
    expect(toInt32(of("bool", Uint8Array.of(1, 0)))).toEqual(Int32Array.of(1, 0))
    expect(() => toInt32(of("i64", BigInt64Array.of(0n, 1n << 40n)), "ids")).toThrow(
      /^ids: .*1099511627776 at position 1/,
    )
    expect(() => toInt32(of("u32", Uint32Array.of(4e9)))).toThrow(/4000000000 at position 0/)
    expect(() => toInt32(of("f32", Float32Array.of(1)))).toThrow(
      /but got f32\n {2}hint: floats do not become integers silently/,
    )
  })
})
