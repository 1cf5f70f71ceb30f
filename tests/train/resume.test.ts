// A run that was stopped goes on bit for bit: losses, weights and optimizer states are those of a run that was not.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import { createRun, openRun, type Run } from "../../src/files/index.ts"
import { useDevice } from "../../src/runtime/index.ts"
import { type TrainingEvent, train } from "../../src/train/index.ts"
import { freshFolder } from "../files/folder.ts"
import { collect, context, eventsOf, metricsOf, tinyData, tinyGpt } from "./tiny.ts"

const config = {
  steps: 20,
  batchSize: 4,
  context,
  gradientAccumulationSteps: 2,
  learningRate: 3e-3,
  seed: 7,
  evalSteps: 5,
  evalBatches: 2,
  saveSteps: 10,
}

const { tokenizer, data } = await tinyData()
const newModel = () => tinyGpt({ vocabulary: tokenizer.vocabularySize, dropout: 0.2, seed: 3 })
const freshRun = async () => closing(await createRun(await freshFolder(), config))
const reopened = async (run: Run) => closing(await openRun(run.folder))

/** A run that is closed when the test ends. */
function closing(run: Run): Run {
  onTestFinished(() => run.close())
  return run
}

/** What must not differ: every file of the last checkpoint, and the metrics. */
async function outcome(run: Run) {
  const { folder, files, step } = (await run.latest())!
  const bytes = Object.keys(files).map(name => [name, readFileSync(join(folder, name)).toString("base64")])
  return { step, files: Object.fromEntries(bytes), metrics: await metricsOf(run) }
}

/** Trains until an event asks to stop, as Ctrl-C would. */
async function trainUntil(run: Run, stop: (event: TrainingEvent) => boolean, more = {}): Promise<TrainingEvent[]> {
  const control = new AbortController()
  const events: TrainingEvent[] = []
  for await (const event of train({
    model: newModel(),
    data,
    tokenizer,
    config,
    run,
    signal: control.signal,
    ...more,
  })) {
    events.push(event)
    if (stop(event)) control.abort()
  }
  return events
}

const resume = async (run: Run, more = {}) =>
  collect({ model: newModel(), data, tokenizer, config, run: await reopened(run), resume: true, ...more })

const straight = async (precision = "fp32") => {
  const run = await freshRun()
  await collect({ model: newModel(), data, tokenizer, config: { ...config, precision }, run })
  return outcome(run)
}

afterEach(() => useDevice("auto"))

describe("resume", () => {
  test("20 steps are 10 and 10, with dropout and accumulation", async () => {
    const run = await freshRun()
    const first = await trainUntil(run, event => event.type === "step" && event.step === 9)
    const stopped = eventsOf(first, "stopped")[0]!
    expect(stopped).toMatchObject({ reason: "aborted", step: 10 })
    expect(stopped.message).toContain(`--resume ${run.folder}`)
    const second = await resume(run)
    expect(eventsOf(second, "start")[0]).toMatchObject({ step: 10, steps: 20 })
    expect(eventsOf(second, "warning")).toEqual([])
    expect(await outcome(run)).toEqual(await straight())
  })

  test("one thread gives what two give, and bf16 resumes too", async () => {
    const expected = await straight("bf16")
    useDevice("auto", { threads: 1 })
    const run = await freshRun()
    const bf16 = { ...config, precision: "bf16" }
    await trainUntil(run, event => event.type === "step" && event.step === 12, { config: bf16 })
    useDevice("auto", { threads: 2 })
    await resume(run, { config: bf16 })
    expect(await outcome(run)).toEqual(expected)
  })

  test("an evaluation that was cut short is made up for", async () => {
    const run = await freshRun()
    const control = new AbortController()
    // stopped when the evaluation of step 15 is due
    for await (const event of train({ model: newModel(), data, tokenizer, config, run, signal: control.signal }))
      if (event.type === "step" && event.step === 15) control.abort()
    expect(JSON.parse(readFileSync(join((await run.latest())!.folder, "state.json"), "utf8"))).toMatchObject({
      step: 15,
      evaluatedStep: 10,
    })
    await resume(run)
    const expected = await straight()
    expect(await metricsOf(run)).toEqual(expected.metrics)
    expect((await outcome(run)).files).toEqual(expected.files)
  })

  test("rows after the checkpoint are forgotten", async () => {
    const run = await freshRun()
    // broken off between checkpoints, as by a kill
    for await (const event of train({ model: newModel(), data, tokenizer, config, run }))
      if (event.type === "step" && event.step === 17) break
    expect((await run.latest())?.step).toBe(15) // the best so far
    await resume(run)
    expect(await outcome(run)).toEqual(await straight())
  })

  test("without a checkpoint the run begins anew and says so", async () => {
    const run = await freshRun()
    for await (const event of train({ model: newModel(), data, tokenizer, config, run }))
      if (event.type === "step" && event.step === 3) break
    const events = await resume(run)
    expect(eventsOf(events, "warning")[0]?.message).toMatch(/begins anew/)
    expect(await outcome(run)).toEqual(await straight())
  })

  test("a run that is over has nothing left to do", async () => {
    const run = await freshRun()
    await collect({ model: newModel(), data, tokenizer, config, run })
    expect((await resume(run)).map(({ type }) => type)).toEqual(["start", "end"])
  })

  test("other data, options or weights are refused", async () => {
    const run = await freshRun()
    await trainUntil(run, event => event.type === "step" && event.step === 2)
    await expect(resume(run, { config: { ...config, batchSize: 5 } })).rejects.toThrow(
      /resume: expected batchSize 4, with which the run began, but got 5\n {2}hint: /,
    )
    await expect(resume(run, { config: { ...config, optimizer: "sgd" } })).rejects.toThrow(/expected optimizer adamw/)
    const other = (await tinyData("abc ".repeat(500))).data
    await expect(resume(run, { data: other })).rejects.toThrow(/resume: expected the corpus of \d+ tokens/)
    await expect(collect({ model: newModel(), data, config, run })).rejects.toThrow(/expected a new run, but .* holds/)
    const events = await resume(run, { config: { ...config, learningRate: 1e-3 } })
    expect(eventsOf(events, "warning")[0]?.message).toMatch(/other options than it began with: learningRate/)
  })
})
