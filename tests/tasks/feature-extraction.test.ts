import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { bert, gpt2 } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { pipeline } from "../../src/tasks/index.ts"
import { makeFolder } from "./folders.ts"
import { learn, rowsOf, small, wordTokenizer } from "./learn.ts"

const tokenizer = wordTokenizer(["the cat drinks milk", "the dog eats bones", "the owl hunts mice today"])
const model = bert.build({ ...small, head: "none", vocabulary: tokenizer.vocabularySize }, { seed: 7 })

describe("feature-extraction", () => {
  test("one vector a token, those of the model", async () => {
    const extract = await pipeline("feature-extraction", { model, tokenizer })
    const text = "the cat drinks milk"
    const { ids } = rowsOf([tokenizer.encode(text)])
    const [hidden] = await evaluateOn("reference", [model.forward(ids).hidden])
    const features = await extract(text)
    expect(features.dims).toEqual([1, 6, small.width])
    for (const [i, x] of hidden!.entries()) expect(features.data[i]).toBeCloseTo(x, 4)
    const nested = features.tolist() as number[][][]
    expect([nested.length, nested[0]!.length, nested[0]![0]!.length]).toEqual([1, 6, small.width])
  })

  test.each(["mean", "cls", "max"] as const)(
    "%s: one vector a text, the same alone and beside longer texts",
    async pooling => {
      const extract = await pipeline("embeddings", { model, tokenizer })
      const alone = await extract("the dog", { pooling, normalize: true })
      const together = await extract(["the dog", "the owl hunts mice today the cat drinks milk"], {
        pooling,
        normalize: true,
      })
      expect(alone.dims).toEqual([1, small.width])
      expect(together.dims).toEqual([2, small.width])
      for (const [i, x] of alone.data.entries()) expect(together.data[i]).toBeCloseTo(x, 4)
      expect(Math.hypot(...together.row(1))).toBeCloseTo(1, 5)
    },
  )

  test("vectors of a language model", async () => {
    const gpt = gpt2.build(
      { vocabulary: tokenizer.vocabularySize, context: 32, width: 32, layers: 1, heads: 2 },
      { seed: 1 },
    )
    const extract = await pipeline("feature-extraction", { model: gpt, tokenizer })
    expect((await extract(["the dog", "the cat drinks"], { pooling: "mean" })).dims).toEqual([2, 32])
  })
})

test.each(["t5", "captioner", "pictures", "letters"])(
  "%s: a model that gives texts no vectors is refused",
  async name => {
    const folder = await mkdtemp(join(tmpdir(), "heed-features-"))
    const opened = pipeline("feature-extraction", await makeFolder(name, folder))
    await expect(opened).rejects.toThrow(/expected a model that reads texts and gives vectors/)
    await rm(folder, { recursive: true })
  },
)

describe("sentence-similarity", () => {
  test("texts of the same words are more alike", async () => {
    const learned = bert.build({ ...small, head: "masked", vocabulary: tokenizer.vocabularySize }, { seed: 8 })
    const { ids } = rowsOf([tokenizer.encode("the cat drinks milk"), tokenizer.encode("the dog eats bones")])
    await learn(learned, { input: ids, options: { labels: ids } }, 40)
    const compare = await pipeline("sentence-similarity", { model: learned, tokenizer })
    const [same, close, far] = await compare("the cat drinks milk", [
      "the cat drinks milk",
      "the cat drinks",
      "owl mice today",
    ])
    expect(same).toBeCloseTo(1, 5)
    expect(close).toBeGreaterThan(far!)
    expect(await compare({ source_sentence: "the cat drinks milk", sentences: ["the cat drinks"] })).toEqual([
      expect.closeTo(close!, 5),
    ])
    expect(await compare("the dog", "the dog", { pooling: "cls" })).toEqual([expect.closeTo(1, 5)])
  })
})
