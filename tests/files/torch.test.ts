// Checkpoints written by PyTorch itself (tests/files/torch, with the program that made them), hostile pickles written here, and
// mutated bytes.
import { readFileSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { FileError } from "../../src/files/errors.ts"
import type { HostTensor } from "../../src/files/host.ts"
import { toFloat32 } from "../../src/files/host.ts"
import { PickleDict, unpickle } from "../../src/files/pickle.ts"
import { writeSafetensors } from "../../src/files/safetensors.ts"
import type { TensorFile } from "../../src/files/tensor-file.ts"
import { openTorch } from "../../src/files/torch.ts"
import { openWeights } from "../../src/files/weights.ts"
import { freshFolder } from "./folder.ts"
import { archive, checkpoint, int, list, storage, storedZip, tensorCall, text, tuple } from "./torch-writer.ts"

const golden = (name: string) => join(import.meta.dirname, "torch", name)
const read = (name: string) => new Uint8Array(readFileSync(golden(name)))

interface Expected {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly values: readonly string[]
}

const state = JSON.parse(readFileSync(golden("state.json"), "utf8")) as Record<string, Expected>
const types: Readonly<Record<string, string>> = {
  float32: "f32",
  float64: "f64",
  float16: "f16",
  bfloat16: "bf16",
  int64: "i64",
  int32: "i32",
  int16: "i16",
  int8: "i8",
  uint8: "u8",
  bool: "bool",
}

function valuesOf(tensor: HostTensor): string[] {
  if (tensor.dtype === "bool") return Array.from(tensor.data, x => (x ? "True" : "False"))
  if (tensor.dtype === "i64") return Array.from(tensor.data, String)
  const data = tensor.dtype === "f64" ? tensor.data : toFloat32(tensor)
  return Array.from(data, x => (Object.is(x, -0) ? "-0" : String(x)))
}

/** Python's way to write a number, turned into ours. */
const plain = (value: string): string =>
  /^(True|False)$/.test(value) || /^-?\d{16,}$/.test(value)
    ? value
    : value === "-0.0"
      ? "-0"
      : String(Number(value.replace("inf", "Infinity")))

async function expectState(file: TensorFile): Promise<void> {
  expect([...file.names]).toEqual(Object.keys(state))
  for (const [name, { dtype, shape, values }] of Object.entries(state)) {
    const tensor = await file.read(name)
    expect(file.info(name)).toMatchObject({ name, dtype: types[dtype], shape })
    expect([name, tensor.dtype, tensor.shape]).toEqual([name, types[dtype], shape])
    expect([name, valuesOf(tensor)]).toEqual([name, values.map(plain)])
  }
}

async function opened(bytes: Uint8Array): Promise<TensorFile> {
  const path = join(await freshFolder(), "pytorch_model.bin")
  writeFileSync(path, bytes)
  return openTorch(path)
}

describe("what PyTorch wrote", () => {
  test.each(["state.bin", "state-legacy.bin", "nested.pt", "nested-protocol4.pt"])(
    "%s: every type, views, shared storage, parameters",
    async name => {
      const file = await openTorch(golden(name))
      await expectState(file)
      await expect(file.read("f3")).rejects.toThrow(/expected a tensor "f3"/)
      await file.close()
      await file.close()
      await expect(file.read("f32")).rejects.toThrow(/expected an open file, but it was closed/)
    },
  )

  test("tensors are read into given memory of their length, views too", async () => {
    const file = await openTorch(golden("state.bin"))
    for (const name of file.names) {
      const into = new Uint8Array(file.info(name).bytes)
      const tensor = await file.read(name, into)
      expect(tensor.data.buffer).toBe(into.buffer)
      expect(valuesOf(tensor)).toEqual(state[name]!.values.map(plain))
    }
    await expect(file.read("f32", new Uint8Array(4))).rejects.toThrow(
      /expected memory of 24 bytes to read into, but got 4/,
    )
    await file.close()
  })

  test("types without a storage class of their own", async () => {
    const file = await openTorch(golden("odd.pt"))
    expect(await file.read("a")).toEqual({ dtype: "f8_e4m3", shape: [2], data: Uint8Array.of(0x38, 0x40) })
    expect(await file.read("b")).toEqual({ dtype: "u16", shape: [2], data: Uint16Array.of(1, 2) })
    await file.close()
  })

  test("a whole module and a namespace are refused by name", async () => {
    await expect(openTorch(golden("module.pt"))).rejects.toThrow(/asks for "torch.nn.modules.linear.Linear": refused/)
    await expect(openTorch(golden("namespace.pt"))).rejects.toThrow(/asks for "argparse.Namespace": refused/)
  })
})

describe("what the tests write", () => {
  test("an archive and a row of pickles give the same", async () => {
    const parts = { a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5) }
    for (const form of ["archive", "row"] as const) {
      const file = await opened(checkpoint(parts, form))
      expect(await file.read("a")).toEqual({ dtype: "f32", shape: [4], data: parts.a })
      expect(await file.read("b")).toEqual({ dtype: "f32", shape: [1], data: parts.b })
      await file.close()
    }
  })

  test("a 5 GB archive (ZIP64) opens and gives its last tensor in little memory", async () => {
    const path = join(await freshFolder(), "pytorch_model.bin")
    const big = 5_000_000_000
    const { start, end, tail } = storedZip([
      {
        name: "m/data.pkl",
        bytes: list.dict([
          ["big", tensorCall(storage("0", "HalfStorage", big / 2), 0, [big / 2], [1])],
          ["last", tensorCall(storage("1", "FloatStorage", 2), 0, [2], [1])],
        ]),
      },
      { name: "m/data/0", hole: big },
      { name: "m/data/1", bytes: new Uint8Array(Float32Array.of(4, 5).buffer) },
    ])
    const handle = await open(path, "w") // sparse: it takes no room on the disk
    for (const { at, bytes } of start) await handle.write(bytes, 0, bytes.length, at)
    await handle.write(tail, 0, tail.length, end)
    await handle.close()
    const before = process.memoryUsage()
    const file = await openTorch(path)
    expect(file.info("big").bytes).toBe(big)
    expect(await file.read("last")).toEqual({ dtype: "f32", shape: [2], data: Float32Array.of(4, 5) })
    const after = process.memoryUsage()
    await file.close()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1e6)
    expect(after.rss - before.rss).toBeLessThan(200e6)
  })

  test("Python 2's dicts, sets and texts", () => {
    const nothing = { find: () => undefined, load: () => null }
    const run = (code: string) =>
      unpickle(
        Uint8Array.from(code, c => c.charCodeAt(0)),
        nothing,
        "test",
      ).value
    expect(run("(dVx\nI12\ns.")).toEqual(new PickleDict([["x", 12]]))
    expect(run("c__builtin__\nset\n(](I1\nI2\netR.")).toEqual(new Set([1, 2]))
    expect(run("ccollections\nOrderedDict\n((lp0\n(Va\nI01\ntatR.")).toEqual(new PickleDict([["a", true]]))
    expect(run("U\x03ab\xe9.")).toBe("abé")
    expect(run("(F1.5\nF-2e3\nL5L\nN\x88\x89\x8a\x01\xfft.")).toMatchObject({
      items: [1.5, -2000, 5, null, true, false, -1],
    })
  })
})

describe("folders", () => {
  const parts = { a: Float32Array.of(1), b: Float32Array.of(2) }

  test("safetensors before .bin, one file before shards", async () => {
    const folder = await freshFolder()
    await expect(openWeights(folder)).rejects.toThrow(/expected model.safetensors, pytorch_model.bin or the index/)
    await expect(openWeights(join(folder, "no"))).rejects.toThrow(/there is no such folder/)
    writeFileSync(join(folder, "one.bin"), checkpoint({ a: parts.a }, "archive"))
    writeFileSync(join(folder, "two.bin"), checkpoint({ b: parts.b }, "row"))
    const index = { weight_map: { a: "one.bin", b: "two.bin" } }
    writeFileSync(join(folder, "pytorch_model.bin.index.json"), JSON.stringify(index))
    const shards = await openWeights(folder)
    expect([...shards.names]).toEqual(["a", "b"])
    expect((await shards.read("b")).data).toEqual(parts.b)
    await shards.close()
    writeFileSync(join(folder, "pytorch_model.bin"), checkpoint({ c: parts.a }, "archive"))
    const one = await openWeights(folder)
    expect([...one.names]).toEqual(["c"])
    await one.close()
    await writeSafetensors(join(folder, "model.safetensors"), { d: { dtype: "f32", shape: [1], data: parts.a } })
    const safe = await openWeights(folder)
    expect([...safe.names]).toEqual(["d"])
    await safe.close()
  })

  test("shards that lead out of the folder are refused", async () => {
    const folder = await freshFolder()
    for (const shard of ["../one.bin", "/etc/passwd.bin", "a/b.bin", ".bin", "one.safetensors", 3]) {
      writeFileSync(join(folder, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: { a: shard } }))
      await expect(openWeights(folder)).rejects.toThrow(/expected tensor "a" in a \.bin file of the same folder/)
    }
  })
})

describe("hostile", () => {
  const bytes = (code: string) => Uint8Array.from(code, c => c.charCodeAt(0))

  test.each([
    ["cposix\nsystem\n(Vtouch /tmp/x\ntR.", "posix.system"],
    ["c__builtin__\neval\n(V1\ntR.", "__builtin__.eval"],
    ["\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", "builtins.exec"],
    ["cnumpy.core.multiarray\n_reconstruct\n.", "numpy.core.multiarray._reconstruct"],
    ["ctorch\nload\n.", "torch.load"],
    ["cconstructor\n__proto__\n.", "constructor.__proto__"],
  ])("%j is refused by name", async (code, name) => {
    await expect(opened(archive([["data.pkl", bytes(code)]]))).rejects.toThrow(`asks for "${name}": refused`)
  })

  test.each([
    ["(Vos\nVsystem\niposix\nsystem\n.", /tensors and containers only/],
    ["\x82\x01.", /tensors and containers only/],
    ["}}b.", /expected a dict of tensors/],
    ["]}b.", /attributes of a dict only/],
    ["h\x05.", /nothing under 5/],
    ["R.", /expected 2 values/],
    ["N(t.", /a tuple|dict of tensors/],
    ["NtR.", /a mark/],
    ["X\xff\xff\xff\xffab.", /more bytes of the pickle, but the file ends/],
    ["\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", /a length that a file can have/],
    ["\x8b\xff\xff\xff\x00.", /whole numbers of at most 64 bytes/],
    ["", /more bytes of the pickle/],
    ["N.", /expected a dict of tensors, but got something else/],
    ["\xff.", /an instruction that checkpoints use/],
  ])("broken pickle %j", async (code, message) => {
    await expect(opened(archive([["data.pkl", bytes(code)]]))).rejects.toThrow(message)
  })

  test("a pickle that holds itself ends", async () => {
    await expect(opened(archive([["data.pkl", bytes("}q\x00X\x05\x00\x00\x00modelh\x00s.")]]))).rejects.toThrow(
      /expected a dict of tensors/,
    )
  })

  test.each([
    ["beyond its storage", tensorCall(storage("0", "FloatStorage", 2), 0, [3], [1]), /within the 2 elements/],
    ["an offset beyond", tensorCall(storage("0", "FloatStorage", 2), 2, [1], [1]), /within the 2 elements/],
    ["strides beyond", tensorCall(storage("0", "FloatStorage", 2), 0, [2], [9]), /within the 2 elements/],
    ["fewer strides", tensorCall(storage("0", "FloatStorage", 2), 0, [1, 2], [1]), /within the 2 elements/],
    [
      "repeats without end",
      tensorCall(storage("0", "FloatStorage", 2), 0, [1e6, 1e6], [0, 0]),
      /repeats numbers to 4\.00 TB/,
    ],
    [
      "more than it has",
      tensorCall(storage("0", "FloatStorage", 1000), 0, [1000], [1]),
      /expected 4\.00 kB of f32 in "data\/0"/,
    ],
    ["no such storage", tensorCall(storage("../../x", "FloatStorage", 1), 0, [1], [1]), /there is no such entry/],
    ["a negative size", tensorCall(storage("0", "FloatStorage", 2), 0, [-1], [1]), /whole numbers from 0/],
  ])("a tensor with %s", async (_, tensor, message) => {
    const numbers = new Uint8Array(Float32Array.of(1, 2).buffer)
    const run = async () => {
      const file = await opened(
        archive([
          ["data.pkl", list.dict([["a", tensor]])],
          ["data/0", numbers],
        ]),
      )
      try {
        await file.read("a")
      } finally {
        await file.close()
      }
    }
    await expect(run()).rejects.toThrow(message)
  })

  test("what is no checkpoint says what it may be", async () => {
    await expect(opened(bytes("version https://git-lfs"))).rejects.toThrow(/git lfs pull/)
    await expect(opened(bytes("<html>404"))).rejects.toThrow(/web page/)
    await expect(opened(bytes(""))).rejects.toThrow(/expected a checkpoint of torch.save/)
    await expect(opened(bytes("PK\x03\x04 and no more of it"))).rejects.toThrow(/directory of a zip archive at its end/)
    await expect(opened(bytes("\x80\x02N."))).rejects.toThrow(/this pickle is something else/)
    await expect(
      opened(
        archive([
          ["data.pkl", list.dict([])],
          ["byteorder", bytes("big")],
        ]),
      ),
    ).rejects.toThrow(/big-endian/)
    await expect(opened(archive([["other", bytes("x")]]))).rejects.toThrow(/with a data.pkl, but got "m\/other"/)
    await expect(openTorch(await freshFolder())).rejects.toThrow(/this is a folder/)
  })

  test("mutated files give tensors or a FileError, never more memory than the file", async () => {
    const path = join(await freshFolder(), "pytorch_model.bin")
    const originals = [read("state.bin"), read("state-legacy.bin"), read("nested-protocol4.pt")]
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.integer({ min: 0, max: 255 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(edit, { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (original, edits, cut) => {
          const changed = original.slice(0, cut < 0.2 ? Math.floor(original.length * cut * 5) : original.length)
          for (const { at, byte } of edits) changed[Math.floor(at * (changed.length - 1))] = byte
          writeFileSync(path, changed)
          try {
            const file = await openTorch(path)
            try {
              for (const name of file.names)
                expect((await file.read(name)).data.byteLength).toBeLessThanOrEqual(1 << 20)
            } finally {
              await file.close()
            }
          } catch (error) {
            expect(error).toBeInstanceOf(FileError)
            expect((error as Error).message.length).toBeLessThan(2000)
          }
        },
      ),
      { numRuns: 600 },
    )
  })

  test("random pickles end in a value or a FileError", () => {
    const names = { find: () => undefined, load: () => null }
    const codes = [
      0x28, 0x2e, 0x30, 0x31, 0x32, 0x4e, 0x88, 0x4b, 0x5d, 0x7d, 0x8f, 0x29, 0x6c, 0x74, 0x85, 0x86, 0x64, 0x61, 0x65,
      0x73, 0x75, 0x90, 0x52, 0x81, 0x62, 0x51, 0x94, 0x68, 0x71, 0,
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...codes), { maxLength: 60 }), program => {
        try {
          unpickle(Uint8Array.from(program), names, "test")
        } catch (error) {
          expect(error).toBeInstanceOf(FileError)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test("an argument list that is no tuple, an id that is no storage", async () => {
    const odd = [text("x"), int(3), tuple([text("storage")])]
    for (const id of odd) {
      const code = Uint8Array.from([...id, 0x51, 0x2e])
      await expect(opened(archive([["data.pkl", code]]))).rejects.toThrow(/a persistent id is something else/)
    }
  })
})
