// How runs end: early stopping, the best weights, an abort, a loss that is no number, a full disk.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Batch } from "../../src/data/index.ts"
import { createRun, openRun, type Run } from "../../src/files/index.ts"
import { loadModel, type Model } from "../../src/models/index.ts"
import { tensor } from "../../src/tensor/index.ts"
import { causalLanguageModelling, type Objective, TrainingError, train } from "../../src/train/index.ts"
import { freshFolder } from "../files/folder.ts"
import { collect, context, eventsOf, tinyData, tinyGpt } from "./tiny.ts"

const { tokenizer, data } = await tinyData()
const newModel = () => tinyGpt({ vocabulary: tokenizer.vocabularySize })
const config = { steps: 30, batchSize: 4, context, learningRate: 3e-3, evalSteps: 5, evalBatches: 2, saveSteps: 10 }

async function freshRun(): Promise<Run> {
  const run = await createRun(await freshFolder(), config)
  onTestFinished(() => run.close())
  return run
}

/** Losses as they are for some updates, then times a number. */
function spoilt(after: number, factor: number): Objective<Model, Batch> {
  const usual = causalLanguageModelling
  let seen = 0
  return {
    ...usual,
    tensors: batch => ({ ...usual.tensors(batch), factor: tensor(++seen > after ? factor : 1) }),
    total: (model, tensors) => usual.total(model, tensors).mul(tensors.factor!),
  }
}

const weightsOf = async (model: Model) => {
  const values = [...model.state()].map(async ([name, parameter]) => [name, [...(await parameter.read())]] as const)
  return Object.fromEntries(await Promise.all(values))
}

describe("early stopping", () => {
  // the loss cannot fall when nothing is learnt
  const still = { ...config, learningRate: 1e-12, earlyStoppingThreshold: 1e-3, earlyStoppingPatience: 2 }

  test("stops after evaluations without a better loss", async () => {
    const events = await collect({ model: newModel(), data, config: still })
    expect(eventsOf(events, "evaluation").map(({ step, isBest }) => [step, isBest])).toEqual([
      [5, true],
      [10, false],
      [15, false],
    ])
    expect(eventsOf(events, "stopped")).toMatchObject([{ reason: "early-stopping", step: 15 }])
    expect(eventsOf(events, "end")).toMatchObject([{ step: 15, best: { step: 5 }, folder: null }])
  })

  test("needs held-out data", async () => {
    await expect(collect({ model: newModel(), data: { train: data.train }, config: still })).rejects.toThrow(
      /expected held-out data with earlyStoppingPatience, but there is none\n {2}hint: /,
    )
  })
})

describe("the best weights", () => {
  const rising = { ...config, learningRate: 0.5, warmupSteps: 0, maxGradNorm: 0, optimizer: "sgd", steps: 15 }

  test("come back at the end from the run's best checkpoint, which is never removed", async () => {
    const run = await freshRun()
    const model = newModel()
    const events = await collect({
      model,
      data,
      tokenizer,
      // steps that only spoil: the first evaluation stays the best
      config: { ...rising, weightDecay: 0.9, lrSchedulerType: "constant", loadBestModelAtEnd: true, saveTotalLimit: 1 },
      run,
    })
    const best = (await run.best())!
    const end = eventsOf(events, "end")[0]!
    expect(end.best?.step).toBe(best.step)
    expect(await weightsOf(model)).toEqual(await weightsOf(await loadModel(best.folder)))
    expect(existsSync(join(best.folder, "tokenizer.json"))).toBe(true)
  })

  test("come back without a run folder too", async () => {
    const model = newModel()
    let atBest = {}
    for await (const event of train({
      model,
      data,
      config: { ...config, learningRate: 0.1, loadBestModelAtEnd: true },
    }))
      if (event.type === "evaluation" && event.isBest) atBest = await weightsOf(model)
    expect(await weightsOf(model)).toEqual(atBest)
  })
})

test("an abort before the first update saves nothing and stops", async () => {
  const run = await freshRun()
  const events = await collect({ model: newModel(), data, config, run, signal: AbortSignal.abort() })
  expect(events.map(({ type }) => type)).toEqual(["start", "stopped", "end"])
  expect(await run.latest()).toBeUndefined()
})

test("as many checkpoints stay as the options say, and the best", async () => {
  const run = await freshRun()
  await collect({ model: newModel(), data, config: { ...config, evalSteps: 0, saveSteps: 7, saveTotalLimit: 3 }, run })
  expect((await run.checkpoints()).map(({ step }) => step)).toEqual([21, 28, 30])
})

test("samples are written at their steps", async () => {
  const run = await freshRun()
  const sample = async (step: number) => `sample of ${step}`
  const events = await collect({ model: newModel(), data, config: { ...config, sampleSteps: 20 }, run, sample })
  expect(eventsOf(events, "sample").map(({ text }) => text)).toEqual(["sample of 20", "sample of 30"])
  expect((await run.readSamples()).map(({ step }) => step)).toEqual([20, 30])
})

describe("a loss that is no number", () => {
  for (const factor of [Number.NaN, Number.POSITIVE_INFINITY])
    test(`${factor} stops the run and leaves the checkpoint as it was`, async () => {
      const run = await freshRun()
      const objective = spoilt(26, factor)
      const failure = await collect({
        model: newModel(),
        data,
        config: { ...config, evalSteps: 0 },
        run,
        objective,
      }).catch(error => error)
      expect(failure).toBeInstanceOf(TrainingError)
      expect(failure.message).toMatch(
        /^train: expected finite numbers, but got a loss of (NaN|Infinity) at step 27 \(learning rate [\d.e-]+, losses before: [\d., ]+\); the checkpoint of step 20 is untouched: .*20\n {2}hint: lower learningRate/,
      )
      const again = await openRun(run.folder)
      expect((await again.latest())?.step).toBe(20)
      for (const values of Object.values(await weightsOf(await loadModel((await again.latest())!.folder))))
        expect(values.every(Number.isFinite)).toBe(true)
    })
})

describe("a full disk", () => {
  test("says what to do, keeps the last checkpoint, and the run goes on when there is room", async () => {
    const run = await freshRun()
    const folder = join(run.folder, "checkpoints")
    const blocker = join(run.folder, "metrics.jsonl")
    let failure: unknown
    try {
      for await (const event of train({ model: newModel(), data, config: { ...config, evalSteps: 0 }, run }))
        if (event.type === "checkpoint" && event.step === 10) {
          await run.close()
          rmSync(blocker)
          symlinkSync("/dev/full", blocker)
        }
    } catch (error) {
      failure = error
    }
    expect(failure).toBeInstanceOf(TrainingError)
    expect((failure as Error).message).toMatch(
      /expected to write step 1\d to the run folder, but .*full(?:.|\n)*hint: the checkpoint of step 10 is whole; when the cause is gone, go on with: heed train --resume /,
    )
    rmSync(blocker)
    mkdirSync(folder, { recursive: true })
    const again = await openRun(run.folder)
    onTestFinished(() => again.close())
    const events = await collect({
      model: newModel(),
      data,
      config: { ...config, evalSteps: 0 },
      run: again,
      resume: true,
    })
    expect(eventsOf(events, "end")).toMatchObject([{ step: 30 }])
    expect(readFileSync(join(again.folder, "latest.json"), "utf8")).toContain("30")
  })
})

describe("what cannot be trained is refused", () => {
  test("frozen weights, a context that is too long, a vocabulary that is too small, no sampler", async () => {
    const refusal = async (options: Partial<Parameters<typeof train>[0]>) =>
      collect({ model: newModel(), data, config, ...options }).then(
        () => "accepted",
        (error: Error) => error.message,
      )
    expect(await refusal({ model: newModel().freeze() })).toMatch(/expected weights to train, but all are frozen/)
    expect(await refusal({ config: { ...config, context: 33 } })).toMatch(/expected a context of at most 32 tokens/)
    expect(await refusal({ model: tinyGpt({ vocabulary: 5 }) })).toMatch(
      /expected ids below the model's vocabulary of 5/,
    )
    expect(await refusal({ config: { ...config, sampleSteps: 5 } })).toMatch(/expected a function that samples/)
    expect(await refusal({ resume: true })).toMatch(/expected a run to resume/)
    expect(await refusal({ config: { learning_rat: 1 } })).toMatch(/did you mean learningRate/)
  })
})
