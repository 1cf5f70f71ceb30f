// The contract of a device, on every device that runs here: programs, their order, failures, aborts, memory, threads, event loop.
import { setImmediate as turn } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { kernelNames } from "../../src/kernels/table.ts"
import type { ProgramDevice, Storage } from "../../src/runtime/device.ts"
import { defaultThreads, measurePeak, nativeProblem, openNative } from "../../src/runtime/native.ts"
import { openWasm } from "../../src/runtime/wasm.ts"
import { type At, gatherRows, iota, matmul, program } from "./program.ts"

type Open = (threads?: number) => Promise<ProgramDevice>
const options = (threads: number | undefined) => (threads === undefined ? {} : { threads })
const wasm: [string, Open] = ["wasm", threads => openWasm(options(threads))]
const native: [string, Open] = ["native", async threads => openNative(options(threads))]
const devices = nativeProblem() === null ? [native, wasm] : [wasm]

/** A storage holding the given numbers. */
function holding(device: ProgramDevice, data: Float32Array | Int32Array): Storage {
  const storage = device.allocate(data.byteLength)
  device.write(storage, 0, data)
  return storage
}

function floats(device: ProgramDevice, storage: Storage): Float32Array {
  const out = new Float32Array(storage.bytes / 4)
  device.read(storage, 0, out)
  return out
}

const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37 + seed))

/** Square products in a row, alternating between slots 1 and 2 (slot 0 is the right operand): long work in many kernels. */
function longProgram(size: number, kernels: number) {
  const at: [At, At] = [
    [1, 0],
    [2, 0],
  ]
  const bytes = size * size * 4
  const calls = Array.from({ length: kernels }, (_, i) =>
    matmul(at[i % 2 === 0 ? 0 : 1], [0, 0], at[i % 2 === 0 ? 1 : 0], size, size, size),
  )
  return { image: program([bytes, bytes, bytes], ...calls), bytes }
}

describe.each(devices)("%s", (name, open) => {
  test("describes itself and has every kernel", async () => {
    const device = await open()
    expect(device.info.name).toBe(name)
    expect(device.info.threads).toBe(defaultThreads())
    expect(device.info.why.length).toBeGreaterThan(10)
    expect([...device.kernels].sort()).toEqual([...kernelNames].sort())
  })

  test("runs a program over its slots, with offsets", async () => {
    const device = await open(2)
    const loaded = device.load(
      program([64, 48], iota([0, 16], 12, 5, -2), [
        "copy",
        { input: [0, 16], output: [1, 0], width: 4, shape: [4, 3], inputStrides: [1, 4], outputStrides: [3, 1] },
      ]),
    )
    const slots = [device.allocate(64), device.allocate(48)]
    await loaded.run(slots)
    const out = new Int32Array(12)
    device.read(slots[1]!, 0, out)
    expect([...out]).toEqual([5, -3, -11, 3, -5, -13, 1, -7, -15, -1, -9, -17])
    const other = [device.allocate(64), device.allocate(100)]
    await loaded.run(other)
    const part = new Int32Array(2)
    device.read(other[1]!, 40, part)
    expect([...part]).toEqual([-9, -17])
  })

  test("has zeroed memory that is written and read in part", async () => {
    const device = await open(1)
    const storage = device.allocate(1 << 20)
    expect(floats(device, storage).every(x => x === 0)).toBe(true)
    device.write(storage, 8, Float32Array.of(1, 2))
    expect([...floats(device, storage).subarray(0, 5)]).toEqual([0, 0, 1, 2, 0])
    expect(() => device.write(storage, (1 << 20) - 4, Float32Array.of(1, 2))).toThrow(/write: expected bytes inside/)
    expect(() => device.read(storage, -4, new Float32Array(1))).toThrow(/read: expected bytes inside/)
    expect(() => device.read(storage, 0, new Float64Array((1 << 17) + 1))).toThrow(/read: expected bytes inside/)
    expect(() => device.allocate(-1)).toThrow(/expected a size/)
    expect(() => device.allocate(2 ** 47)).toThrow(/expected memory/)
    const none = device.allocate(0)
    device.write(none, 0, new Float32Array(0))
  })

  test("starts runs in the order they were asked for", async () => {
    const device = await open(2)
    const size = 64
    const { image, bytes } = longProgram(size, 40)
    const first = device.load(image)
    const second = device.load(program([bytes], iota([0, 0], 16)))
    const slots = [0, 1, 2].map(seed => holding(device, numbers(size * size, seed)))
    const done: string[] = []
    const long = first.run(slots).then(() => done.push("long"))
    // Reads what the long run reads: it must not be overtaken.
    const short = second.run([slots[0]!]).then(() => done.push("short"))
    await Promise.all([long, short])
    expect(done).toEqual(["long", "short"])
    const alone = [0, 1, 2].map(seed => holding(device, numbers(size * size, seed)))
    await first.run(alone)
    expect(floats(device, slots[1]!)).toEqual(floats(device, alone[1]!))
  })

  test("gives the same bits with any number of threads", async () => {
    const results: Float32Array[] = []
    for (const threads of [1, 2, 5]) {
      const device = await open(threads)
      const { image } = longProgram(150, 3)
      const slots = [0, 1, 2].map(seed => holding(device, numbers(150 * 150, seed)))
      const loaded = device.load(image)
      for (let i = 0; i < 20; i++) await loaded.run(slots)
      results.push(floats(device, slots[1]!), floats(device, slots[2]!))
    }
    for (let i = 2; i < results.length; i++) expect(results[i]).toEqual(results[i % 2])
  })

  test("says where a kernel met a bad index, and goes on with the next run", async () => {
    const device = await open(2)
    const loaded = device.load(program([16, 80, 32], gatherRows([1, 0], [0, 0], [2, 0], 10, 4, 2)))
    const slots = [
      holding(device, Int32Array.of(3, 0, 77, -1)),
      holding(device, numbers(20, 0)),
      device.allocate(32),
    ] as const
    await expect(loaded.run(slots)).rejects.toThrow(/gather_rows: expected .* in 0\.\.9, but got 77 at position 2/)
    device.write(slots[0], 8, Int32Array.of(9, 9))
    await loaded.run(slots)
    const expected = [3, 0, 9, 9].flatMap(row => [...numbers(20, 0).subarray(row * 2, row * 2 + 2)])
    expect([...floats(device, slots[2])]).toEqual(expected)
  })

  test("stops between kernels when it is aborted", async () => {
    const device = await open(2)
    const { image } = longProgram(128, 4000)
    const loaded = device.load(image)
    const slots = [0, 1, 2].map(seed => holding(device, numbers(128 * 128, seed)))
    const control = new AbortController()
    const reason = new Error("enough")
    const running = loaded.run(slots, control.signal)
    const waiting = loaded.run(slots, control.signal)
    const unharmed = device.load(program([64], iota([0, 0], 16))).run([device.allocate(64)])
    await turn()
    control.abort(reason)
    await expect(running).rejects.toBe(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(loaded.run(slots, control.signal)).rejects.toBe(reason)
    await unharmed
  })

  test("leaves the event loop free while it runs", async () => {
    const device = await open(1)
    const { image } = longProgram(256, 60)
    const slots = [0, 1, 2].map(seed => holding(device, numbers(256 * 256, seed)))
    let ended = false
    const running = device
      .load(image)
      .run(slots)
      .then(() => (ended = true))
    let turns = 0
    for (; !ended; turns++) await turn()
    await running
    expect(turns).toBeGreaterThan(10)
  })

  test("refuses broken programs and slots that do not fit", async () => {
    const device = await open(1)
    const good = program([64], iota([0, 0], 16))
    const broken = (at: number, value: number) => ({
      ...good,
      words: good.words.map((word, i) => (i === at ? value : word)),
    })
    expect(() => device.load(broken(0, 999))).toThrow(/call 0: there is no kernel 999/)
    expect(() => device.load(broken(0, 0.5))).toThrow(/expected an integer/)
    expect(() => device.load(broken(0, Number.NaN))).toThrow(/expected an integer/)
    expect(() => device.load(broken(1, 1))).toThrow(/call 0 \(iota\): slot 1 of 1/)
    expect(() => device.load(broken(1, -1))).toThrow(/call 0 \(iota\): a buffer that must be there is absent/)
    expect(() => device.load(broken(2, 65))).toThrow(/call 0 \(iota\): byte 65 is outside slot 0/)
    expect(() => device.load(broken(2, -8))).toThrow(/outside slot/)
    expect(() => device.load({ ...good, words: good.words.subarray(0, 4) })).toThrow(/the program ends inside a call/)
    const call = program(
      [64],
      ["copy", { input: [0, 0], output: [0, 0], width: 4, shape: [1], inputStrides: [1], outputStrides: [1] }],
    )
    const long = { ...call, words: call.words.map((word, i) => (i === 6 ? 2 ** 40 : word)) }
    expect(() => device.load(long)).toThrow(/a list of 1099511627776 items is longer than the program/)
    const loaded = device.load(good)
    await expect(loaded.run([])).rejects.toThrow(/expected 1 storages, but got 0/)
    await expect(loaded.run([device.allocate(63)])).rejects.toThrow(/expected 64 bytes in slot 0, but got 63/)
    await expect(loaded.run([{ bytes: 64 }])).rejects.toThrow(/expected a storage of this device/)
    await expect(open(0)).rejects.toThrow(/threads, but got 0/)
  })

  test("gives memory back that nobody holds", async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const device = await open(1)
    const bytes = 64 << 20
    const data = new Uint8Array(1 << 20).fill(1)
    const before = process.memoryUsage().rss
    let highest = 0
    for (let round = 0; round < 72; round++) {
      const storage = device.allocate(bytes) // 4.5 GiB in all
      for (let at = 0; at < bytes; at += 8 << 20) device.write(storage, at, data)
      if (round % 6 === 5) {
        collect()
        await turn()
        await turn()
      }
      highest = Math.max(highest, process.memoryUsage().rss)
    }
    expect(highest - before).toBeLessThan(1.5e9)
  })
})

test.skipIf(nativeProblem() !== null)("native counts the time of each kernel and measures the machine", async () => {
  const device = openNative({ threads: 1 })
  const { image } = longProgram(64, 4)
  const slots = [0, 1, 2].map(seed => holding(device, numbers(64 * 64, seed)))
  const loaded = device.load(image)
  device.profile(true)
  await loaded.run(slots)
  expect([...device.profiled().keys()]).toEqual(["matmul"])
  device.profile(false)
  expect(measurePeak("f32", 1)).toBeGreaterThan(1e8)
  expect(measurePeak("read", 1)).toBeGreaterThan(1e8)
})

test("many devices come and go", async () => {
  for (let round = 0; round < 5; round++) {
    const opened = await Promise.all(devices.map(([, open]) => open(3)))
    for (const device of opened) {
      const slot = device.allocate(64)
      await device.load(program([64], iota([0, 0], 16))).run([slot])
      const out = new Int32Array(16)
      device.read(slot, 0, out)
      expect(out[15]).toBe(15)
    }
  }
})
