import { describe, expect, test } from "vitest"
import { bart, bert, gpt2, vit } from "../../src/models/index.ts"
import { connectRuntime, read } from "../../src/runtime/index.ts"
import { fromHost } from "../../src/tensor/index.ts"
import { type Lesson, lessonTensors, trainOn } from "../../src/train/index.ts"

connectRuntime()

const shape = { vocabulary: 12, context: 8, width: 16, layers: 1, heads: 2, deviation: 0.1 }
const encoder = { ...shape, inner: 32 }

/** Loss before and after, and how many events came. */
async function learned(model: Parameters<typeof trainOn>[0], lesson: Lesson | readonly Lesson[], steps = 60) {
  const losses: number[] = []
  for await (const { type, loss, step } of trainOn(model, lesson, {
    steps,
    learningRate: 1e-2,
    lr_scheduler_type: "constant",
  }))
    if (type === "step") losses[step - 1] = loss
  expect(losses.length).toBe(steps)
  return { first: losses[0]!, last: losses.at(-1)! }
}

describe("trainOn", () => {
  test("any kind of model learns a lesson written in numbers", async () => {
    const rows = [[1, 2, 3, 4], [1, 5, 6], Int32Array.of(1, 7)]
    const writer = await learned(gpt2.build(shape, { seed: 1 }), { input: rows, labels: rows })
    expect(writer.last).toBeLessThan(writer.first / 2)

    const classes = bert.build({ ...encoder, head: "classification", labels: ["a", "b"], dropout: 0 }, { seed: 2 })
    const judge = await learned(classes, { input: rows, labels: [0, 1, 1] })
    expect(judge.last).toBeLessThan(judge.first / 4)

    const sets = bert.build({ ...encoder, head: "classification", labels: ["a", "b"], dropout: 0 }, { seed: 3 })
    const many = await learned(sets, {
      input: rows,
      labels: [
        [1, 1],
        [0, 1],
        [0, 0],
      ].map(row => Float32Array.from(row)),
    })
    expect(many.last).toBeLessThan(many.first / 4)

    const { width, heads, vocabulary, context } = shape
    const sizes = { encoderLayers: 1, decoderLayers: 1, encoderHeads: heads, decoderHeads: heads }
    const inner = { encoderInner: 32, decoderInner: 32 }
    const special = { padToken: 0, beginToken: 10, endToken: 11, startToken: 11 }
    const both = bart.build({ ...sizes, ...inner, ...special, width, vocabulary, context, dropout: 0 }, { seed: 4 })
    const reader = await learned(both, {
      input: rows,
      labels: [
        [3, 2, 11],
        [6, 11],
        [7, 7, 7, 11],
      ],
    })
    expect(reader.last).toBeLessThan(reader.first / 2)

    const pixels = fromHost(
      Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => (i < 192 ? 1 : -1)),
      [2, 3, 8, 8],
      "f32",
    )
    const eye = vit.build(
      { image: 8, patch: 4, width: 16, layers: 1, heads: 2, inner: 32, labels: ["a", "b"] },
      { seed: 5 },
    )
    const seen = await learned(eye, { input: pixels, labels: [0, 1] })
    expect(seen.last).toBeLessThan(seen.first / 4)
  })

  test("lessons come in turn, and the same seed gives the same losses, dropout included", async () => {
    const lessons = [
      { input: [[1, 2, 3]], labels: [0] },
      { input: [[4, 5]], labels: [1] },
    ]
    const build = () =>
      bert.build({ ...encoder, head: "classification", labels: ["a", "b"], dropout: 0.1 }, { seed: 6 })
    const losses: number[][] = []
    for (const _ of [1, 2]) {
      const model = build()
      const own: number[] = []
      for await (const event of trainOn(model, lessons, { steps: 6 })) own.push(event.loss)
      losses.push(own)
      expect(model.training).toBe(false)
    }
    expect(losses[0]).toEqual(losses[1])
    expect(losses[0]!.length).toBe(7)
  })

  test("a signal ends it", async () => {
    const stop = new AbortController()
    const events: string[] = []
    for await (const { type, step } of trainOn(
      gpt2.build(shape),
      { input: [[1, 2]], labels: [[1, 2]] },
      { signal: stop.signal },
    )) {
      events.push(`${type} ${step}`)
      if (step === 3) stop.abort()
    }
    expect(events).toEqual(["step 1", "step 2", "step 3", "end 3"])
  })

  test("says what is wrong", async () => {
    const model = gpt2.build(shape)
    const run = async (lesson: unknown, options = {}, other = model) => {
      for await (const _ of trainOn(other, lesson as Lesson, options));
    }
    const lesson = { input: [[1, 2]], labels: [[1, 2]] }
    await expect(run([])).rejects.toThrow(/at least one lesson/)
    await expect(run({ input: [[1, 2]] })).rejects.toThrow(/expected a loss, but gpt2 gives none for no labels/)
    await expect(run({ input: [1, 2], labels: [1] })).rejects.toThrow(/rows of ids as input, but got one row/)
    await expect(run({ input: "ids" })).rejects.toThrow(/rows or numbers as input, but got string/)
    await expect(run({ ...lesson, labels: [] })).rejects.toThrow(/as labels, but got an empty list/)
    await expect(run({ ...lesson, labels: [new Float32Array(1), new Float32Array(2)] })).rejects.toThrow(
      /of one length/,
    )
    await expect(run({ ...lesson, input: ["a text"] })).rejects.toThrow(/got "a text"\n {2}hint: texts become ids/)
    await expect(run({ ...lesson, labels: ["good"] })).rejects.toThrow(
      /got "good"\n {2}hint: classes are given by number/,
    )
    await expect(run({ ...lesson, labels: [[1, 0.5]] })).rejects.toThrow(
      /expected whole numbers as labels, but got 0.5/,
    )
    await expect(run({ ...lesson, input: [[1, Number.NaN]] })).rejects.toThrow(/expected whole numbers as input/)
    await expect(run({ ...lesson, input: [[1, undefined]] })).rejects.toThrow(/but got undefined/)
    await expect(run(lesson, { stepz: 3 })).rejects.toThrow(/did you mean steps/)
    await expect(run(lesson, { momentum: 0.9 })).rejects.toThrow(/sgd or rmsprop/)
    await expect(run(lesson, {}, gpt2.build(shape).freeze())).rejects.toThrow(/expected weights to train/)
  })
})

describe("lessonTensors", () => {
  test("fills up ids with the padding token, labels with -100, and hides what was filled in", async () => {
    const { input, labels, attentionMask, tokenTypeIds, ...others } = lessonTensors(
      { input: [[1, 2, 3], [4]], labels: [[1, 2, 3], [4]], tokenTypeIds: [[0, 1, 1], [0]], startPositions: [2, 0] },
      { config: { padToken: 9 } },
    )
    expect([...(await read(input!))]).toEqual([1, 2, 3, 4, 9, 9])
    expect([...(await read(labels!))]).toEqual([1, 2, 3, 4, -100, -100])
    expect([...(await read(attentionMask!))]).toEqual([1, 1, 1, 1, 0, 0])
    expect([...(await read(tokenTypeIds!))]).toEqual([0, 1, 1, 0, 0, 0])
    expect(others.startPositions!.dtype).toBe("i32")
    expect(others.startPositions!.shape).toEqual([2])
  })

  test("needs no mask for rows of one length, and keeps one that is given", () => {
    const config = { config: {} }
    expect(
      lessonTensors(
        {
          input: [
            [1, 2],
            [3, 4],
          ],
        },
        config,
      ).attentionMask,
    ).toBeUndefined()
    const given = fromHost(new Int32Array(4).fill(1), [2, 2], "i32")
    expect(lessonTensors({ input: [[1, 2], [3]], attentionMask: given }, config).attentionMask).toBe(given)
    expect(lessonTensors({ input: [[1]], labels: [0.5] }, config).labels!.dtype).toBe("f32")
  })
})
