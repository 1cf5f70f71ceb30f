import { describe, expect, test } from "vitest"
import { collect, eventsOf, TinyGpt, tinyData } from "./tiny.ts"

describe("train", () => {
  test("a tiny GPT learns its corpus", async () => {
    const { tokenizer, data } = await tinyData()
    const model = new TinyGpt({ vocabulary: tokenizer.vocabularySize, context: 32 })
    const t0 = performance.now()
    const events = await collect({
      model,
      data,
      tokenizer,
      config: { steps: 200, batchSize: 8, context: 32, learningRate: 3e-3, evalSteps: 50 },
    })
    console.log(
      performance.now() - t0,
      events.filter(e => e.type !== "step" || e.step % 20 === 0),
    )
    expect(eventsOf(events, "step").length).toBe(200)
  })
})
