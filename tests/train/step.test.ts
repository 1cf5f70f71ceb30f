// One update: gradient accumulation is a large batch, dropout follows its key, and the update is one program.
import { describe, expect, test } from "vitest"
import { type Batch, BatchSampler } from "../../src/data/index.ts"
import type { Model } from "../../src/models/index.ts"
import { connectRuntime } from "../../src/runtime/index.ts"
import {
  adamW,
  causalLanguageModelling,
  evaluation,
  ignoredTarget,
  sgd,
  trainingConfig,
  trainingStep,
} from "../../src/train/index.ts"
import { context, tinyData, tinyGpt } from "./tiny.ts"

connectRuntime()
const { tokenizer, data } = await tinyData()
const sampler = new BatchSampler(data.train, { batchSize: 6, context })
const large = sampler.batch(0)

/** Rows of a batch. */
function rows(batch: Batch, from: number, to: number): Batch {
  const part = (ids: Int32Array) => ids.slice(from * context, to * context)
  return { inputs: part(batch.inputs), targets: part(batch.targets), shape: [to - from, context] }
}

const weights = async (model: Model) => Promise.all(model.parameters().map(async p => [...(await p.read())]))

/** Weights and result after one update on micro-batches. */
async function updated(batches: readonly Batch[], { seed = 1, dropout = 0, precision = "fp32" as const } = {}) {
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize, dropout })
  const config = trainingConfig({ gradientAccumulationSteps: batches.length, seed, precision, maxGradNorm: 0.5 })
  const optimizer = sgd(model.adoptNames().trainableParameters(), { momentum: 0.9 })
  const step = trainingStep(model, causalLanguageModelling, optimizer, config)
  const results = [await step.run(batches, 0, 0.1), await step.run(batches, 1, 0.1)]
  return { results, weights: await weights(model) }
}

function expectClose(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): void {
  for (const [i, list] of a.entries())
    for (const [j, x] of list.entries()) expect(Math.abs(x - b[i]![j]!)).toBeLessThan(2e-6)
}

describe("gradient accumulation", () => {
  test("gives what one large batch gives, up to rounding", async () => {
    const whole = await updated([large])
    const parts = await updated([rows(large, 0, 2), rows(large, 2, 4), rows(large, 4, 6)])
    expectClose(parts.weights, whole.weights)
    for (const [i, { loss, gradientNorm }] of parts.results.entries()) {
      expect(loss).toBeCloseTo(whole.results[i]!.loss, 5)
      expect(gradientNorm).toBeCloseTo(whole.results[i]!.gradientNorm, 4)
    }
  })

  test("counts targets, not batches, where some are left out", async () => {
    const targets = large.targets.map((id, i) => (i % 7 === 0 || i < 40 ? ignoredTarget : id))
    const sparse = { ...large, targets }
    const whole = await updated([sparse])
    const parts = await updated([rows(sparse, 0, 2), rows(sparse, 2, 6)])
    expectClose(parts.weights, whole.weights)
    expect(parts.results[0]!.loss).toBeCloseTo(whole.results[0]!.loss, 5)
  })
})

describe("dropout", () => {
  test("depends on the seed and the step, and repeats", async () => {
    const once = await updated([large], { dropout: 0.3 })
    expect(await updated([large], { dropout: 0.3 })).toEqual(once)
    expect((await updated([large], { dropout: 0.3, seed: 2 })).results[0]!.loss).not.toBe(once.results[0]!.loss)
    expect((await updated([large, large], { dropout: 0.3 })).results[0]!.loss).not.toBe(once.results[0]!.loss)
  })

  test("is off in evaluation, which leaves the model as it was", async () => {
    const model = tinyGpt({ vocabulary: tokenizer.vocabularySize, dropout: 0.5 }).train()
    const plain = tinyGpt({ vocabulary: tokenizer.vocabularySize })
    const config = { precision: "fp32" } as const
    const loss = await evaluation(model, causalLanguageModelling, config)([large])
    expect(loss).toBe(await evaluation(plain, causalLanguageModelling, config)([large]))
    expect(model.training).toBe(true)
  })
})

test("the loss of several batches counts each target once", async () => {
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize })
  const measure = evaluation(model, causalLanguageModelling, { precision: "fp32" })
  expect(await measure([rows(large, 0, 1), rows(large, 1, 6)])).toBeCloseTo((await measure([large]))!, 5)
  expect(await measure([large], AbortSignal.abort())).toBeNull()
})

test("frozen weights stay as they are", async () => {
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize }).freeze("blocks.0").adoptNames()
  const before = [...(await model.blocks[0]!.parameters()[2]!.read())]
  const step = trainingStep(model, causalLanguageModelling, adamW(model.trainableParameters()), trainingConfig())
  await step.run([large], 0, 0.1)
  expect([...(await model.blocks[0]!.parameters()[2]!.read())]).toEqual(before)
})
