import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { FileError } from "../../src/files/errors.ts"
import { createRun, openRun, type Run } from "../../src/files/run.ts"
import { openSafetensors } from "../../src/files/safetensors.ts"
import { safetensorsContent } from "../../src/files/safetensors-bytes.ts"
import { freshFolder } from "./folder.ts"

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"))
const saved = (run: Run) => readdirSync(join(run.folder, "checkpoints")).sort((a, b) => Number(a) - Number(b))
const steps = async (run: Run) => (await run.checkpoints()).map(checkpoint => checkpoint.step)

describe("a run", () => {
  test("from creation to resuming", async () => {
    const folder = join(await freshFolder(), "runs", "first")
    const run = await createRun(folder, { layers: 2 })
    await run.appendMetrics({ step: 1, loss: 2.5 })
    await run.appendMetrics({ step: 2, loss: Number.NaN, norm: Number.POSITIVE_INFINITY })
    await run.appendSample({ step: 2, text: "NaN" })
    const weights = safetensorsContent({ w: { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) } })
    const checkpoint = await run.saveCheckpoint(2, {
      "model.safetensors": weights,
      "state.json": () => '{"position":7}',
    })
    await run.close()

    expect(checkpoint).toMatchObject({
      step: 2,
      sequence: 1,
      files: { "model.safetensors": weights.bytes, "state.json": 14 },
    })
    expect(readJson(join(folder, "latest.json"))).toEqual({ step: 2, folder: "checkpoints/2" })
    const again = await openRun(folder)
    expect(again.config).toEqual({ layers: 2 })
    expect(await again.readMetrics()).toEqual([
      { step: 1, loss: 2.5 },
      { step: 2, loss: Number.NaN, norm: Number.POSITIVE_INFINITY },
    ])
    expect(await again.readSamples()).toEqual([{ step: 2, text: "NaN" }])
    expect(await again.latest()).toEqual(checkpoint)
    expect(await again.best()).toBeUndefined()
    const file = await openSafetensors(join(checkpoint.folder, "model.safetensors"))
    expect((await file.read("w")).data).toEqual(Float32Array.of(1, 2))
    await file.close()
  })

  test("a folder that holds something is refused, an abandoned creation is not", async () => {
    const folder = await freshFolder()
    const run = await createRun(folder, {})
    await run.close()
    await expect(createRun(folder, {})).rejects.toThrow(
      /new or empty folder, but it holds config\.json.*\n {2}hint: resume the run/,
    )
    rmSync(join(folder, "config.json"))
    await createRun(folder, {})
    const other = await freshFolder()
    writeFileSync(join(other, "thesis.txt"), "mine")
    await expect(createRun(other, {})).rejects.toThrow(/holds thesis\.txt/)
    await expect(openRun(other)).rejects.toThrow(/expected a run folder with a config\.json, but got a folder without/)
    await expect(openRun(join(other, "no"))).rejects.toThrow(/no such folder/)
    await expect(createRun(await freshFolder(), { rate: Number.NaN })).rejects.toThrow(/NaN for "rate"/)
    await expect(createRun(await freshFolder(), {}, { saveTotalLimit: 0 })).rejects.toThrow(
      /saveTotalLimit of 1 or more, but got 0/,
    )
  })
})

describe("metrics", () => {
  test("a last line that a kill cut is dropped on reading and removed before appending", async () => {
    const run = await createRun(await freshFolder(), {})
    const path = join(run.folder, "metrics.jsonl")
    const whole = '{"step":1}\n{"step":2,"name":"é"}\n'
    const bytes = Buffer.from(whole)
    for (let cut = 0; cut < bytes.length; cut++) {
      writeFileSync(path, bytes.subarray(0, cut))
      const again = await openRun(run.folder)
      const expected = bytes.subarray(0, cut).toString().split("}").length - 1
      expect((await again.readMetrics()).map(row => row.step)).toEqual([1, 2].slice(0, expected))
      await again.appendMetrics({ step: 9 })
      await again.close()
      expect((await again.readMetrics()).map(row => row.step)).toEqual([...[1, 2].slice(0, expected), 9])
    }
  })

  test("a long cut line, longer than the blocks that are read", async () => {
    const run = await createRun(await freshFolder(), {})
    await run.appendMetrics({ step: 1, text: "x".repeat(200_000) })
    await run.close()
    appendFileSync(join(run.folder, "metrics.jsonl"), `{"text":"${"y".repeat(200_000)}`)
    await run.appendMetrics({ step: 2 })
    expect((await run.readMetrics()).map(row => row.step)).toEqual([1, 2])
    await run.close()
  })

  test("a broken line in the middle is refused by its number", async () => {
    const run = await createRun(await freshFolder(), {})
    writeFileSync(join(run.folder, "metrics.jsonl"), '{"step":1}\n{"st\n{"step":3}\n')
    await expect(run.readMetrics()).rejects.toThrow(/a JSON object on line 2, but got "\{\\"st"/)
  })

  test("appends that overlap keep their order", async () => {
    const run = await createRun(await freshFolder(), {})
    await Promise.all(Array.from({ length: 50 }, (_, step) => run.appendMetrics({ step })))
    expect((await run.readMetrics()).map(row => row.step)).toEqual(Array.from({ length: 50 }, (_, step) => step))
    await run.close()
  })

  test("rows JSON cannot hold are refused, and a refusal does not stop the next row", async () => {
    const run = await createRun(await freshFolder(), {})
    await expect(run.appendMetrics({ step: 1n })).rejects.toThrow(/the bigint 1 for "step"/)
    await expect(run.appendMetrics({ loss: Float32Array.of(1) })).rejects.toThrow(/a Float32Array for "loss"/)
    await expect(run.appendSample({ score: Number.NaN })).rejects.toThrow(/NaN for "score"/)
    await run.appendMetrics({ step: 2 })
    expect(await run.readMetrics()).toEqual([{ step: 2 }])
    await run.close()
  })

  test("a full disk says so, and the run goes on when there is room again", async () => {
    const run = await createRun(await freshFolder(), {})
    const path = join(run.folder, "metrics.jsonl")
    symlinkSync("/dev/full", path)
    await expect(run.appendMetrics({ step: 1 })).rejects.toThrow(
      /writing .*metrics\.jsonl .*expected room on the disk, but it is full/,
    )
    rmSync(path)
    writeFileSync(path, '{"step":0}\n{"st')
    await run.appendMetrics({ step: 1 })
    expect(await run.readMetrics()).toEqual([{ step: 0 }, { step: 1 }])
    await run.close()
  })

  test("rewind forgets what came after the step resumed from", async () => {
    const run = await createRun(await freshFolder(), {})
    for (const step of [1, 2, 3]) await run.appendMetrics({ step, loss: step === 2 ? Number.NaN : 1 })
    await run.appendMetrics({ note: "no step" })
    await run.appendSample({ step: 3, text: "late" })
    await run.rewind(2)
    await run.appendMetrics({ step: 3, loss: 9 })
    expect(await run.readMetrics()).toEqual([
      { step: 1, loss: 1 },
      { step: 2, loss: Number.NaN },
      { note: "no step" },
      { step: 3, loss: 9 },
    ])
    expect(await run.readSamples()).toEqual([])
    await run.close()
  })
})

describe("checkpoints", () => {
  const state = (step: number) => ({ "state.json": JSON.stringify({ step }) })

  test("the last N are kept, and the best", async () => {
    const run = await createRun(await freshFolder(), {}, { saveTotalLimit: 2 })
    for (let step = 1; step <= 6; step++)
      await run.saveCheckpoint(step, state(step), step === 2 ? { best: { metric: "loss", value: 0.5 } } : {})
    expect(saved(run)).toEqual(["2", "5", "6"])
    expect((await run.best())?.best).toEqual({ metric: "loss", value: 0.5 })
    expect(readJson(join(run.folder, "best.json"))).toEqual({
      step: 2,
      folder: "checkpoints/2",
      metric: "loss",
      value: 0.5,
    })
    await run.saveCheckpoint(7, state(7), { best: { metric: "loss", value: 0.4 } })
    expect(saved(run)).toEqual(["6", "7"])
    expect((await run.best())?.step).toBe(7)
  })

  test("a limit of one keeps the best beside the newest", async () => {
    const run = await createRun(await freshFolder(), {}, { saveTotalLimit: 1 })
    await run.saveCheckpoint(10, state(10), { best: { metric: "loss", value: 1 } })
    await run.saveCheckpoint(20, state(20))
    await run.saveCheckpoint(30, state(30))
    expect(saved(run)).toEqual(["10", "30"])
  })

  test("the newest is the one saved last, also after going back to an earlier step", async () => {
    const run = await createRun(await freshFolder(), {}, { saveTotalLimit: 2 })
    for (const step of [100, 200, 150, 150]) await run.saveCheckpoint(step, state(step))
    expect((await run.latest())?.step).toBe(150)
    expect(await steps(run)).toEqual([200, 150])
    expect((await run.latest())?.sequence).toBe(4)
  })

  test("damaged and unfinished folders do not count", async () => {
    const run = await createRun(await freshFolder(), {})
    for (const step of [1, 2, 3, 4]) await run.saveCheckpoint(step, state(step))
    truncateSync(join(run.folder, "checkpoints/4/state.json"), 3)
    rmSync(join(run.folder, "checkpoints/3/checkpoint.json"))
    mkdirSync(join(run.folder, "checkpoints/5"))
    mkdirSync(join(run.folder, "checkpoints/notes"))
    expect(await steps(run)).toEqual([1, 2])
    expect((await run.latest())?.step).toBe(2)
    await run.saveCheckpoint(5, state(5)) // replaces the damaged one
    expect((await run.latest())?.step).toBe(5)
  })

  test("a full disk in the middle leaves the earlier checkpoint and nothing half", async () => {
    const run = await createRun(await freshFolder(), {}, { saveTotalLimit: 1 })
    await run.saveCheckpoint(1, state(1))
    async function* full(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000)
      const handle = await open("/dev/full", "w")
      await handle.write("x").finally(() => handle.close())
    }
    const error = await run.saveCheckpoint(2, { ...state(2), "model.safetensors": full() }).catch(cause => cause)
    expect(error).toBeInstanceOf(FileError)
    expect(error.message).toMatch(/writing .*2.model\.safetensors: expected room on the disk, but it is full/)
    expect(saved(run)).toEqual(["1"])
    expect((await run.latest())?.step).toBe(1)
    await run.saveCheckpoint(2, state(2))
    expect((await run.latest())?.step).toBe(2)
  })

  test("saves that overlap happen one after the other", async () => {
    const run = await createRun(await freshFolder(), {})
    await Promise.all([1, 2, 3].map(step => run.saveCheckpoint(step, state(step))))
    expect((await run.checkpoints()).map(({ step, sequence }) => [step, sequence])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    await run.close()
  })

  test("bad arguments are refused", async () => {
    const run = await createRun(await freshFolder(), {})
    await expect(run.saveCheckpoint(-1, state(1))).rejects.toThrow(/a step of 0 or more, but got -1/)
    await expect(run.saveCheckpoint(1.5, state(1))).rejects.toThrow(/got 1\.5/)
    await expect(run.saveCheckpoint(1, {})).rejects.toThrow(/files to save, but got none/)
    await expect(run.saveCheckpoint(1, { "../x": "" })).rejects.toThrow(/plain file name/)
    await expect(run.saveCheckpoint(1, { "checkpoint.json": "" })).rejects.toThrow(/other names than checkpoint\.json/)
    await expect(run.saveCheckpoint(1, state(1), { best: { metric: "loss", value: Number.NaN } })).rejects.toThrow(
      /finite loss/,
    )
    expect(saved(run)).toEqual([])
  })

  test("read-only: nothing is changed, writing is refused", async () => {
    const run = await createRun(await freshFolder(), {})
    await run.saveCheckpoint(1, state(1))
    const leftover = join(run.folder, "checkpoints", ".2.999999999-0a1b2c3d.writing")
    mkdirSync(leftover)
    const watched = await openRun(run.folder, { readOnly: true })
    expect(existsSync(leftover)).toBe(true)
    expect((await watched.latest())?.step).toBe(1)
    await expect(watched.appendMetrics({ step: 1 })).rejects.toThrow(/opened read-only/)
    await expect(watched.saveCheckpoint(2, state(2))).rejects.toThrow(/opened read-only/)
    await openRun(run.folder)
    expect(existsSync(leftover)).toBe(false)
  })

  test("a checkpoint that stands aside while it is replaced still counts", async () => {
    const run = await createRun(await freshFolder(), {})
    await run.saveCheckpoint(1, state(1))
    renameSync(join(run.folder, "checkpoints/1"), join(run.folder, "checkpoints/.1.999999999-0a1b2c3d.aside"))
    expect((await (await openRun(run.folder, { readOnly: true })).latest())?.step).toBe(1)
    const again = await openRun(run.folder)
    expect(saved(again)).toEqual(["1"])
    expect((await again.latest())?.step).toBe(1)
  })
})
