// Training on what cannot be trained on: each is refused in words before or at the step where it shows.
import { describe, expect, test } from "vitest"
import { TokenDataset } from "../../src/data/index.ts"
import { compile, grad, HeedError, tensor } from "../../src/index.ts"
import { CharacterTokenizer } from "../../src/text/index.ts"
import { type TrainingInput, type TrainOptions, train } from "../../src/train/index.ts"
import { collect, context, eventsOf, tinyData, tinyGpt } from "../train/tiny.ts"

const { tokenizer, data } = await tinyData()
const small = { steps: 3, batchSize: 2, context }
const options = (config: object, more: Partial<TrainOptions> = {}): TrainOptions => ({
  model: tinyGpt({ vocabulary: tokenizer.vocabularySize }),
  data,
  tokenizer,
  config: { ...small, ...config } as TrainingInput,
  ...more,
})

async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (caught) {
    const error = caught as Error
    expect(error.name, error.stack).toMatch(/^(TrainingError|ConfigError|DataError|TextError|ValueError|HeedError)$/)
    return error.message
  }
  throw new Error("expected a refusal")
}

describe("corpora", () => {
  const of = (ids: number[], vocabulary = tokenizer.vocabularySize) => ({
    train: new TokenDataset(Int32Array.from(ids), vocabulary),
  })

  test("an empty text has no characters to learn", async () => {
    expect(await refusal(() => CharacterTokenizer.fromText(""))).toMatch(/expected/)
  })

  test("an empty corpus", async () => {
    expect(await refusal(() => collect(options({}, { data: of([]) })))).toMatch(/expected .*tokens/)
  })

  test("a corpus shorter than the context", async () => {
    const message = await refusal(() => collect(options({}, { data: of(new Array(10).fill(1)) })))
    expect(message).toMatch(/expected .*3[23] .*10/)
  })

  test("a corpus of another vocabulary", async () => {
    const message = await refusal(() => collect(options({}, { data: of(new Array(500).fill(7), 5000) })))
    expect(message).toMatch(/vocabulary/)
    expect(message).toContain("5000")
  })

  test("ids beyond the vocabulary", async () => {
    expect(await refusal(() => of(new Array(500).fill(4999)))).toMatch(/4999/)
    expect(await refusal(() => of([1, -1]))).toMatch(/-1/)
  })
})

describe("options", () => {
  test("a context longer than the model's", async () => {
    expect(await refusal(() => collect(options({ context: 64 })))).toMatch(/at most 32 tokens.*but got 64/)
  })

  test.each([
    { batchSize: 0 },
    { batchSize: -1 },
    { batchSize: 1.5 },
    { batchSize: "many" },
    { context: 0 },
    { steps: -1 },
    { steps: Number.NaN },
    { learningRate: -1 },
    { learningRate: Number.NaN },
    { learningRate: Number.POSITIVE_INFINITY },
    { gradientAccumulationSteps: 0 },
    { maxGradNorm: -1 },
    { seed: -1 },
    { seed: 0.5 },
    { precision: "fp8" },
    { optimizer: "adamm" },
    { lrSchedulerType: "cosin" },
    { learning_rates: 1 },
    { evalSteps: -5 },
  ])("%o", async config => {
    expect(await refusal(() => collect(options(config)))).toMatch(/expected/)
  })
})

test("a learning rate of a million stops with the step and what to do", async () => {
  const message = await refusal(() => collect(options({ steps: 200, learningRate: 1e6, maxGradNorm: 0 })))
  expect(message).toMatch(/expected finite numbers, but got .* at step \d+ \(learning rate .*hint: lower learningRate/s)
})

test("a signal stops a run after its update, and what is trained can be trained on", async () => {
  const control = new AbortController()
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize })
  let steps = 0
  const types: string[] = []
  for await (const event of train(options({ steps: 1000 }, { model, signal: control.signal }))) {
    types.push(event.type)
    if (event.type === "step" && ++steps === 2) control.abort()
  }
  expect(types.slice(-2)).toEqual(["stopped", "end"])
  expect(steps).toBeLessThan(5)
  expect(eventsOf(await collect(options({}, { model })), "step").length).toBe(3)
})

test("a batch whose ids no embedding has does not change the weights", async () => {
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize })
  const weights = model.trainableParameters()
  const step = compile((ids: ReturnType<typeof tensor>) => {
    const loss = model.forward(ids).logits.mean()
    for (const [i, g] of grad(loss, weights).entries()) weights[i]!.assign(weights[i]!.sub(g.mul(0.1)))
    return loss
  })
  const ids = (last: number) => tensor(Int32Array.of(1, 2, last), [1, 3])
  await step(ids(3))
  const before = await Promise.all(weights.map(weight => weight.read()))
  await expect(step(ids(9999))).rejects.toThrow(HeedError)
  expect(await Promise.all(weights.map(weight => weight.read()))).toEqual(before)
  expect(Number.isFinite(await (await step(ids(3))).item())).toBe(true)
})
