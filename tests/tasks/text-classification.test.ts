import { beforeAll, describe, expect, test } from "vitest"
import { bert, roberta } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { learn, numbers, rowsOf, small, wordTokenizer } from "./learn.ts"

const good = ["a good day", "the kind dog helped us", "what a happy song", "she likes the warm bread"]
const bad = ["a bad day", "the angry dog bit us", "what a sad song", "she hates the cold bread"]
const texts = [...good, ...bad]
const tokenizer = wordTokenizer([...texts, "and"])

describe("text-classification", () => {
  let classify: Pipeline<"text-classification">

  beforeAll(async () => {
    const model = bert.build(
      { ...small, head: "classification", vocabulary: tokenizer.vocabularySize, labels: ["NEGATIVE", "POSITIVE"] },
      { seed: 1 },
    )
    const { ids, mask } = rowsOf(texts.map(text => tokenizer.encode(text)))
    const labels = numbers(texts.map((_, i) => (i < good.length ? 1 : 0)))
    expect(await learn(model, { input: ids, options: { attentionMask: mask, labels } })).toBeLessThan(0.1)
    classify = await pipeline("sentiment-analysis", { model, tokenizer })
  })

  test("knows what it learned, one text or several", async () => {
    const [answer] = await classify("a good day")
    expect(answer).toEqual({ label: "POSITIVE", score: expect.closeTo(1, 0) })
    const all = await classify(texts)
    expect(all.map(one => one.label)).toEqual([...good.map(() => "POSITIVE"), ...bad.map(() => "NEGATIVE")])
  })

  test("topK gives more classes, under either name", async () => {
    const both = await classify("a sad day", { top_k: 2 })
    expect(both.map(one => one.label)).toEqual(["NEGATIVE", "POSITIVE"])
    expect(both[0]!.score + both[1]!.score).toBeCloseTo(1, 6)
    const nested = await classify(["a sad day", "a happy day"], { topK: null })
    expect(nested.map(one => one[0]!.label)).toEqual(["NEGATIVE", "POSITIVE"])
  })

  test("a text alone and in a batch with longer ones gets the same scores", async () => {
    const [alone] = await classify("a good day")
    const [together] = await classify([
      "a good day",
      "the kind dog helped us and the angry dog bit us and she likes a song",
    ])
    expect(together!.score).toBeCloseTo(alone!.score, 5)
  })

  test("scores may be left as logits, or each be judged by itself", async () => {
    const [logit] = await classify("a good day", { functionToApply: "none" })
    const [sigmoid] = await classify("a good day", { function_to_apply: "sigmoid" })
    expect(sigmoid!.score).toBeCloseTo(1 / (1 + Math.exp(-logit!.score)), 6)
  })

  test("a signal ends the call", async () => {
    expect((await classify("a good day", { signal: new AbortController().signal })).length).toBe(1)
    await expect(classify("a good day", { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(/enough/)
    await expect(classify("a good day", { signal: 3 })).rejects.toThrow(/expected an AbortSignal/)
  })

  test("says what is wrong with inputs and options", async () => {
    await expect(classify("  ")).rejects.toThrow(/expected a text, but it is empty/)
    await expect(classify([])).rejects.toThrow(/empty list/)
    await expect(classify(3 as never)).rejects.toThrow(/expected a text, but got number/)
    await expect(classify("a", { topk: 2 } as never)).rejects.toThrow(/did you mean topK/)
    const long = "a ".repeat(200)
    expect((await classify(long)).length).toBe(1)
    await expect(classify(long, { truncation: false })).rejects.toThrow(
      /at most 48 tokens, but the text has 202: 154 too many/,
    )
  })
})

test("texts are cut to what the model reads, also where its table of positions begins behind the padding token", async () => {
  const sizes = { width: 16, layers: 1, heads: 2, inner: 16, positions: 20, padToken: 0 }
  const model = roberta.build({ ...sizes, head: "classification", vocabulary: tokenizer.vocabularySize }, { seed: 1 })
  const classify = await pipeline("text-classification", { model, tokenizer })
  expect((await classify("a good day ".repeat(20))).length).toBe(1)
  await expect(classify("a good day ".repeat(20), { truncation: false })).rejects.toThrow(/at most 19 tokens/)
})
