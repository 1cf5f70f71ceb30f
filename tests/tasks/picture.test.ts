import { beforeAll, describe, expect, test } from "vitest"
import type { RawImage } from "../../src/media/index.ts"
import { pictureProcessor } from "../../src/media/index.ts"
import { visionEncoderDecoder, vit } from "../../src/models/index.ts"
import { type Pipeline, pipeline } from "../../src/tasks/index.ts"
import { learn, numbers, rowsOf, wordTokenizer } from "./learn.ts"

const colours: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [220, 30, 30],
  green: [30, 200, 40],
  blue: [40, 40, 220],
}
const names = Object.keys(colours)

/** A picture of one colour with a bright square at a corner. */
function picture(colour: string, corner = 0): RawImage {
  const data = new Uint8Array(32 * 32 * 3)
  for (let y = 0; y < 32; y++)
    for (let x = 0; x < 32; x++) {
      const bright = corner % 2 === 0 ? x < 8 : x > 23
      const [r, g, b] = bright && y < 8 ? [240, 240, 240] : colours[colour]!
      data.set([r, g, b], (y * 32 + x) * 3)
    }
  return { data, width: 32, height: 32, channels: 3 }
}

const preprocessor = { image_processor_type: "ViTImageProcessor", size: { height: 32, width: 32 } }
const shape = {
  image: 32,
  patch: 8,
  width: 32,
  layers: 2,
  heads: 4,
  inner: 64,
  dropout: 0,
  attentionDropout: 0,
  deviation: 0.1,
}
const images = names.flatMap(name => [picture(name), picture(name, 1)])
const pixels = pictureProcessor(preprocessor).process(images)

describe("image-classification", () => {
  let classify: Pipeline<"image-classification">

  beforeAll(async () => {
    const model = vit.build({ ...shape, head: "classification", labels: names }, { seed: 1 })
    const labels = numbers(images.map((_, i) => Math.floor(i / 2)))
    expect(await learn(model, { input: pixels, options: { labels } }, 60)).toBeLessThan(0.1)
    classify = await pipeline("image-classification", { model, preprocessor })
  })

  test("knows the colours, one picture or several", async () => {
    const found = await classify(picture("green"))
    expect(found.map(one => one.label)[0]).toBe("green")
    expect(found.reduce((sum, one) => sum + one.score, 0)).toBeCloseTo(1, 5)
    const all = await classify([picture("red", 1), picture("blue")], { top_k: 1 })
    expect(all.map(one => one.map(({ label }) => label))).toEqual([["red"], ["blue"]])
  })

  test("a model that was left in training answers without dropout", async () => {
    const model = vit.build({ ...shape, dropout: 0.5, labels: names }, { seed: 1 }).train()
    const left = await pipeline("image-classification", { model, preprocessor })
    expect(await left(picture("green"))).toEqual(await left(picture("green")))
  })

  test("says what is wrong with pictures", async () => {
    await expect(classify(new Uint8Array([1, 2, 3]))).rejects.toThrow(/picture/)
    await expect(classify(new Uint8Array())).rejects.toThrow(/is empty/)
    await expect(classify({ data: new Uint8Array(5), width: 2, height: 2, channels: 3 })).rejects.toThrow(/12/)
    await expect(classify([])).rejects.toThrow(/empty list/)
  })
})

describe("image-to-text", () => {
  test("captions what it learned to caption", async () => {
    const tokenizer = wordTokenizer(names.map(name => `a ${name} picture`))
    const vocabulary = tokenizer.vocabularySize
    const [start, end] = [tokenizer.tokenId("[CLS]")!, tokenizer.tokenId("[SEP]")!]
    const writer = { vocabulary, context: 16, width: 32, layers: 2, heads: 4, crossAttention: true }
    const model = visionEncoderDecoder.build(
      {
        encoder: { family: "vit", ...shape },
        decoder: { family: "gpt2", ...writer, embeddingDropout: 0, residualDropout: 0, attentionDropout: 0 },
        startToken: start,
        beginToken: start,
        endToken: end,
        padToken: 0,
      },
      { seed: 4 },
    )
    const captions = images.map((_, i) => tokenizer.encode(`a ${names[Math.floor(i / 2)]} picture`).slice(1))
    const labels = rowsOf(captions, -100).ids
    expect(await learn(model, { input: pixels, options: { labels } }, 80)).toBeLessThan(0.3)
    const caption = await pipeline("image-to-text", { model, tokenizer, preprocessor })
    expect(await caption(picture("blue"), { max_new_tokens: 6 })).toEqual([{ generated_text: "a blue picture" }])
    const all = await caption([picture("red"), picture("green")], {
      maxNewTokens: 6,
      numBeams: 2,
      numReturnSequences: 2,
    })
    expect(all.map(one => one.length)).toEqual([2, 2])
    expect(all.map(one => one[0]!.generated_text)).toEqual(["a red picture", "a green picture"])
  })
})
