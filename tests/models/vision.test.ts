// ViT and CLIP: what files of the hub look like, the towers alone and together, and what is refused.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parseSafetensors } from "../../src/files/pure.ts"
import { clip, clipText, clipVision, contrastiveLoss, loadWeights, modelFrom, vit } from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, grad, normal, randomKey, type Tensor, tapNames } from "../../src/tensor/index.ts"

const reference = join(import.meta.dirname, "../reference")
const configOf = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(reference, name, "config.json"), "utf8"))
const weightsOf = (name: string) =>
  parseSafetensors(new Uint8Array(readFileSync(join(reference, name, "model.safetensors"))), name)

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const pixels = (...shape: number[]): Tensor => normal(shape, randomKey(1))
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(a: readonly number[], b: readonly number[], tolerance = 1e-5): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}: ${x} and ${b[i]}`).toBeLessThanOrEqual(tolerance)
}

const small = { image: 8, patch: 4, width: 16, layers: 2, heads: 4, inner: 24 }

describe("ViT", () => {
  test("google/vit-base-patch16-224 and newer files", () => {
    const published = {
      architectures: ["ViTForImageClassification"],
      attention_probs_dropout_prob: 0,
      encoder_stride: 16,
      hidden_act: "gelu",
      hidden_dropout_prob: 0,
      hidden_size: 768,
      id2label: { 0: "tench, Tinca tinca", 1: "goldfish, Carassius auratus" },
      image_size: 224,
      initializer_range: 0.02,
      intermediate_size: 3072,
      label2id: { "tench, Tinca tinca": 0, "goldfish, Carassius auratus": 1 },
      layer_norm_eps: 1e-12,
      model_type: "vit",
      num_attention_heads: 12,
      num_channels: 3,
      num_hidden_layers: 12,
      patch_size: 16,
      qkv_bias: true,
    }
    const config = vit.readConfig(published)
    expect(config).toMatchObject({ head: "classification", image: 224, patch: 16 })
    expect(config.labels[1]).toBe("goldfish, Carassius auratus")
    const newer = { ...published, architectures: ["ViTModel"], pooler_act: "tanh", pooler_output_size: 512 }
    expect(vit.readConfig(newer)).toMatchObject({ head: "pooled", pooledWidth: 512 })
    expect(() => vit.readConfig({ ...published, image_size: 8 })).toThrow(/patches within images of 8 × 8/)
  })

  test("every weight has a gradient, with and without biases of attention", async () => {
    for (const attentionBias of [true, false]) {
      const model = vit.build({ ...small, attentionBias }, { seed: 2 })
      const { loss } = model.forward(pixels(2, 3, 8, 8), { labels: fromHost(Int32Array.of(0, 1), [2], "i32") })
      const gradients = await evaluateOn("reference", grad(loss!, model.parameters()))
      for (const [i, path] of [...model.namedParameters().keys()].entries())
        expect(
          [...gradients[i]!].some(x => x !== 0),
          path,
        ).toBe(true)
    }
  })

  test("the pooled vector may have another width; a bare model takes a classifier's file", async () => {
    const model = vit.build({ ...small, head: "pooled", pooledWidth: 5 })
    expect(model.forward(pixels(1, 3, 8, 8)).pooled!.shape).toEqual([1, 5])
    const bare = await modelFrom(configOf("vit"), weightsOf("vit"), { head: "none" })
    const whole = await modelFrom(configOf("vit"), weightsOf("vit"))
    const image = pixels(1, 3, 32, 32)
    expect(await numbers(bare.forward(image).hidden)).toEqual(await numbers(whole.forward(image).hidden))
  })

  test("what patches do not cover is not seen", async () => {
    const model = vit.build({ ...small, image: 10 }, { seed: 1 })
    const image = pixels(1, 3, 10, 10)
    expect(model.forward(image).hidden.shape).toEqual([1, 5, 16])
    const black = image.slice(3, 0, 8).slice(2, 0, 8)
    const cut = vit.build(small, { seed: 1 })
    expect(await numbers(model.forward(image).logits!)).toEqual(await numbers(cut.forward(black).logits!))
  })

  test("other images are refused", () => {
    const model = vit.build(small)
    expect(() => model.forward(pixels(1, 3, 8, 9))).toThrow(
      /\[B 3 8 8\], but got \[1 3 8 9\]\n.*resize images to 8 × 8/,
    )
    expect(() => model.forward(pixels(3, 8, 8))).toThrow(/\[B 3 8 8\], but got \[3 8 8\]/)
    expect(() => model.forward(ids([1]).reshape([1, 1, 1, 1]))).toThrow(/f32 .*but got i32/)
    expect(() => model.forward(pixels(1, 3, 8, 8), { attentionMask: ids([1]) })).toThrow(/no attentionMask/)
  })
})

const pair = {
  text: { width: 16, layers: 1, heads: 2, inner: 24, vocabulary: 20, context: 6, endToken: 19 },
  projection: 5,
}
const makePair = () => clip.build({ ...pair, vision: { ...small, layers: 1 } } as object, { seed: 4 })

describe("CLIP", () => {
  /** As the first files have it: every option of every part. */
  const wordy = {
    _name_or_path: "",
    add_cross_attention: false,
    architectures: null,
    attention_dropout: 0,
    bad_words_ids: null,
    chunk_size_feed_forward: 0,
    cross_attention_hidden_size: null,
    dropout: 0,
    finetuning_task: null,
    hidden_act: "quick_gelu",
    id2label: { 0: "LABEL_0", 1: "LABEL_1" },
    initializer_factor: 1,
    initializer_range: 0.02,
    is_decoder: false,
    is_encoder_decoder: false,
    label2id: { LABEL_0: 0, LABEL_1: 1 },
    layer_norm_eps: 1e-5,
    length_penalty: 1,
    problem_type: null,
    pruned_heads: {},
    tie_encoder_decoder: false,
    tie_word_embeddings: true,
    tokenizer_class: null,
    torchscript: false,
    projection_dim: 512,
  }

  test("openai/clip-vit-base-patch32", () => {
    const published = {
      architectures: ["CLIPModel"],
      initializer_factor: 1,
      logit_scale_init_value: 2.6592,
      model_type: "clip",
      projection_dim: 512,
      text_config: { ...wordy, bos_token_id: 0, eos_token_id: 2, pad_token_id: 1, model_type: "clip_text_model" },
      text_config_dict: null,
      torch_dtype: "float32",
      transformers_version: null,
      vision_config: { ...wordy, bos_token_id: null, model_type: "clip_vision_model", image_size: 224, patch_size: 32 },
      vision_config_dict: null,
    }
    const config = clip.readConfig(published)
    expect(config.text).toMatchObject({ endToken: 2, width: 512, layers: 12, context: 77, activation: "gelu-quick" })
    expect(config.vision).toMatchObject({ width: 768, patch: 32, inner: 3072 })
    const written = clip.writeConfig(config)
    expect(clip.readConfig(written)).toEqual(config)
    expect(written.text_config).toMatchObject({ model_type: "clip_text_model", eos_token_id: 2 })
    expect(written.text_config).not.toHaveProperty("architectures")
  })

  test("openai/clip-vit-large-patch14 says sizes a second time, and this counts", () => {
    const sizes = { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12, projection_dim: 768 }
    const config = clip.readConfig({
      architectures: ["CLIPModel"],
      model_type: "clip",
      projection_dim: 768,
      text_config: { ...wordy, model_type: "clip_text_model", hidden_size: 512 },
      text_config_dict: sizes,
      vision_config_dict: { ...sizes, hidden_size: 1024, num_attention_heads: 16, patch_size: 14 },
    })
    expect(config.text).toMatchObject({ width: 768, projection: 768 })
    expect(config.vision).toMatchObject({ width: 1024, heads: 16, patch: 14 })
  })

  test("a wrong option of a tower is named with its tower", () => {
    const published = configOf("clip")
    const wrong = (part: object) => () =>
      clip.readConfig({ ...published, text_config: { ...(published.text_config as object), ...part } })
    expect(wrong({ hidden_size: "wide" })).toThrow(/text_config: hidden_size: expected a whole number/)
    expect(wrong({ num_attention_heads: 5 })).toThrow(/5 heads share evenly, but got 32/)
    expect(wrong({ hidden_sise: 3 })).toThrow(/hidden_sise.*\n.*hidden|width/s)
  })

  test("the towers alone give what they give together, from the same file", async () => {
    const file = weightsOf("clip")
    const whole = await modelFrom(configOf("clip"), file)
    const { text_config, vision_config } = configOf("clip") as Record<string, Record<string, unknown>>
    const [read, image] = [ids([97, 5, 6, 98, 1]), pixels(1, 3, 32, 32)]
    const output = whole.forward(read, { pixelValues: image } as object) as unknown as Record<
      string,
      { pooled: Tensor }
    >
    const texts = await modelFrom({ ...text_config!, architectures: ["CLIPTextModelWithProjection"] }, file)
    const alone = texts.forward(read) as { pooled: Tensor; projected?: Tensor }
    expect(alone.projected!.shape).toEqual([1, 24])
    expect(await numbers(alone.pooled)).toEqual(await numbers(output.text!.pooled))
    const images = await modelFrom(vision_config!, file)
    const seen = images.forward(image)
    expect(await numbers(seen.pooled!)).toEqual(await numbers(output.vision!.pooled))
    expect(texts.family).toBe("clip_text_model")
    const saved = clipText.writeConfig(clipText.readConfig({ ...text_config! }))
    expect(saved).toMatchObject({ model_type: "clip_text_model", architectures: ["CLIPTextModel"] })
    const fresh = clipVision.build(clipVision.readConfig(vision_config!))
    await loadWeights(fresh, clipVision, file)
    expect(await numbers(fresh.forward(image).pooled)).toEqual(await numbers(seen.pooled!))
  })

  test("texts and images alone, in the shared space", async () => {
    const model = makePair()
    const [read, image] = [ids([18, 3, 19], [18, 19, 0]), pixels(1, 3, 8, 8)]
    const both = model.forward(read, { pixelValues: image })
    const text = model.encodeText(read, { outputs: { hiddenStates: true, attentions: true } })
    expect([text.hiddenStates!.length, text.attentions!.length]).toEqual([2, 1])
    const length = (row: number[]): number => Math.hypot(...row)
    const [projected, embeds] = [await numbers(text.projected!), await numbers(both.textEmbeds)]
    for (const at of [0, 5]) {
      const row = projected.slice(at, at + 5)
      expectClose(
        embeds.slice(at, at + 5),
        row.map(x => x / length(row)),
      )
    }
    expect(both.logitsPerImage.shape).toEqual([1, 2])
    expect(both.loss).toBeUndefined()
    expect(model.encodeImage(image).projected!.shape).toEqual([1, 5])
    expect(tapNames([both.logitsPerText])).toContain("vision.blocks.0.attention.pattern")
  })

  test("a text is read at its first end token; the first files mean the largest id", async () => {
    const model = makePair()
    const vector = async (row: number[], from = model): Promise<number[]> => numbers(from.encodeText(ids(row)).pooled)
    expect(await vector([18, 3, 19, 19])).toEqual(await vector([18, 3, 19, 4]))
    const old = clip.build({ ...makePair().config, text: { ...model.config.text, endToken: 2 } }, { seed: 4 })
    expect(await vector([18, 3, 19, 7], old)).toEqual(await vector([18, 3, 19, 7]))
  })

  test("every weight has a gradient", async () => {
    const model = makePair()
    const { loss } = model.forward(ids([18, 3, 19], [18, 7, 19]), { pixelValues: pixels(2, 3, 8, 8) })
    const gradients = await evaluateOn("reference", grad(loss!, model.parameters()))
    for (const [i, path] of [...model.namedParameters().keys()].entries())
      expect(
        [...gradients[i]!].some(x => x !== 0),
        path,
      ).toBe(true)
  })

  test("what does not fit is refused in words", () => {
    const model = makePair()
    expect(() => model.forward(ids([1]))).toThrow(/expected pixelValues, but got none\n.*encodeText/)
    expect(() => model.encodeText(ids([1, 1, 1, 1, 1, 1, 1]))).toThrow(/at most 6 tokens/)
    expect(() => model.encodeText(normal([1, 2, 16], randomKey(1)))).toThrow(/ids i32 \[B T\], but got embeddings/)
    expect(() => contrastiveLoss(normal([2, 3], randomKey(1)))).toThrow(/as many rows as columns, but got \[2 3\]/)
    expect(() => clip.build({ vision: { patch: 300 } } as object)).toThrow(/patch/)
  })
})
