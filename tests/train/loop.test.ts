import { expect, test } from "vitest"
import { fromHost } from "../../src/tensor/index.ts"
import { collect, context, corpus, eventsOf, tinyData, tinyGpt } from "./tiny.ts"

/** The share of positions after the first `known` where the likeliest next character is the one of the text. */
async function accuracy(model: ReturnType<typeof tinyGpt>, ids: Int32Array, known: number): Promise<number> {
  const rows = Math.floor((ids.length - 1) / context)
  const input = fromHost(ids.slice(0, rows * context), [rows, context], "i32")
  const best = await model.forward(input).logits.argmax(-1).read()
  let [right, all] = [0, 0]
  for (let i = 0; i < best.length; i++) {
    if (i % context < known) continue
    all++
    if (best[i] === ids[i + 1]) right++
  }
  return right / all
}

test("a tiny GPT learns who likes what", async () => {
  const { tokenizer, data } = await tinyData()
  const model = tinyGpt({ vocabulary: tokenizer.vocabularySize })
  const events = await collect({
    model,
    data,
    tokenizer,
    config: { steps: 250, batchSize: 16, context, learningRate: 3e-3, evalSteps: 50 },
  })
  const steps = eventsOf(events, "step")
  const evaluations = eventsOf(events, "evaluation")
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 250 }, (_, i) => i + 1))
  expect(steps[0]!.loss).toBeCloseTo(Math.log(tokenizer.vocabularySize), 0)
  expect(evaluations.map(({ step }) => step)).toEqual([50, 100, 150, 200, 250])
  const last = evaluations.at(-1)!
  expect(last.loss).toBeLessThan(0.4)
  expect(last).toMatchObject({ best: last.loss, isBest: true })
  expect(last.bitsPerCharacter).toBeCloseTo(last.loss / Math.LN2)
  expect(last.perplexity).toBeCloseTo(Math.exp(last.loss))
  // who it is about is free; all else follows
  expect(await accuracy(model, tokenizer.encode(corpus.slice(-1000)), 16)).toBeGreaterThan(0.9)
})
