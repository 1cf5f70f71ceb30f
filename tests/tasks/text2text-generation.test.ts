import { beforeAll, describe, expect, test } from "vitest"
import { bart, type Model } from "../../src/models/index.ts"
import { pipeline } from "../../src/tasks/index.ts"
import { learn, rowsOf, small, wordTokenizer } from "./learn.ts"

const pairs: readonly (readonly [string, string])[] = [
  ["the cat drinks milk", "die Katze trinkt Milch"],
  ["the dog eats bread", "der Hund frisst Brot"],
  ["the cat eats bread", "die Katze frisst Brot"],
  ["summarize : the dog drinks milk and eats bread", "a hungry dog"],
]
const tokenizer = wordTokenizer([...pairs.flat(), "en_XX de_DE"])
const id = (token: string): number => tokenizer.tokenId(token)!

describe("text2text-generation, translation, summarization", () => {
  let model: Model

  beforeAll(async () => {
    const { inner, layers, heads, ...sizes } = small
    model = bart.build(
      {
        ...sizes,
        encoderLayers: layers,
        decoderLayers: layers,
        encoderInner: inner,
        decoderInner: inner,
        encoderHeads: heads,
        decoderHeads: heads,
        vocabulary: tokenizer.vocabularySize,
        padToken: 0,
        beginToken: id("[CLS]"),
        endToken: id("[SEP]"),
        startToken: id("[SEP]"),
      },
      { seed: 9 },
    )
    const { ids, mask } = rowsOf(pairs.map(([from]) => tokenizer.encode(from)))
    const labels = rowsOf(
      pairs.map(([, to]) => tokenizer.encode(to).slice(1)),
      -100,
    ).ids
    expect(await learn(model, { input: ids, options: { attentionMask: mask, labels } }, 200)).toBeLessThan(0.3)
  })

  test("writes what it learned, in batches", async () => {
    const translate = await pipeline("translation_en_to_de", { model, tokenizer })
    expect(await translate("the dog eats bread", { max_new_tokens: 8 })).toEqual([
      { translation_text: "der Hund frisst Brot" },
    ])
    const all = await translate(
      pairs.slice(0, 3).map(([from]) => from),
      { maxNewTokens: 8, numBeams: 2 },
    )
    expect(all.map(one => one.translation_text)).toEqual(pairs.slice(0, 3).map(([, to]) => to))
  })

  test("takes the prefix of config.json's task_specific_params", async () => {
    const published = { task_specific_params: { summarization: { prefix: "summarize : ", max_new_tokens: 8 } } }
    const summarize = await pipeline("summarization", { model, tokenizer, published })
    expect(await summarize("the dog drinks milk and eats bread")).toEqual([{ summary_text: "a hungry dog" }])
    const write = await pipeline("text2text-generation", { model, tokenizer })
    expect(await write("the dog drinks milk and eats bread", { prefix: "summarize : ", max_new_tokens: 8 })).toEqual([
      { generated_text: "a hungry dog" },
    ])
  })

  test("says what is wrong", async () => {
    const translate = await pipeline("translation", { model, tokenizer })
    await expect(translate("the cat", { srcLang: "fr_FR" })).rejects.toThrow(
      /expected a language of the tokenizer, but got fr_FR/,
    )
    await expect(translate("the ".repeat(80), { truncation: false })).rejects.toThrow(
      /at most 48 tokens, but the text has 82: 34 too many/,
    )
    expect((await translate("the ".repeat(80), { max_new_tokens: 2 })).length).toBe(1)
    await expect(translate([])).rejects.toThrow(/empty list/)
  })
})
