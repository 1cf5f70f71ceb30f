// BART, mBART, Pegasus, Marian, T5 and captioning: caches, real folders of the hub, labels, classifiers, bad input.

import { describe, expect, test } from "vitest"
import type { HostTensor } from "../../src/files/pure.ts"
import {
  type Bart,
  type BartReader,
  bart,
  type EncoderDecoder,
  familyOf,
  gpt2,
  type Marian,
  type Model,
  type ModelFamily,
  marian,
  mbart,
  modelFrom,
  type PublishedConfig,
  pegasus,
  publishedWeights,
  shiftRight,
  type T5,
  type T5Encoder,
  t5,
  type VisionEncoderDecoder,
  type VisionEncoderDecoderConfig,
  type WeightSource,
} from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { compile, evaluateOn, read, scalar } from "../../src/runtime/index.ts"
import { embedding, fromHost, grad, type HostArray, randomKey, type Tensor } from "../../src/tensor/index.ts"
import { hubConfigs } from "./hub-configs.ts"

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const compute = (...tensors: Tensor[]): Promise<HostArray[]> => evaluateOn("reference", tensors)

const text = {
  vocabulary: 40,
  context: 16,
  width: 16,
  encoderLayers: 2,
  encoderHeads: 2,
  encoderInner: 24,
  decoderLayers: 2,
  decoderHeads: 4,
  decoderInner: 20,
  deviation: 0.4,
}
const small: Readonly<Record<string, () => EncoderDecoder>> = {
  bart: () => bart.build(text, { seed: 1 }) as Bart,
  mbart: () => mbart.build({ ...text, scaleEmbedding: true }, { seed: 2 }),
  pegasus: () => pegasus.build({ ...text, activation: "relu" }, { seed: 3 }),
  marian: () => marian.build({ ...text, activation: "silu", padToken: 39, startToken: 39 }, { seed: 4 }),
  "marian with two vocabularies": () =>
    marian.build({ ...text, shareTokens: false, decoderVocabulary: 30, padToken: 0, startToken: 0 }, { seed: 5 }),
  t5: () => t5.build({ vocabulary: 40, width: 16, headWidth: 6, heads: 3, inner: 24, layers: 2 }, { seed: 6 }) as T5,
  "t5 1.1": () =>
    t5.build(
      {
        vocabulary: 40,
        width: 16,
        headWidth: 6,
        heads: 3,
        inner: 24,
        layers: 1,
        decoderLayers: 3,
        gated: true,
        activation: "gelu-tanh",
        tieEmbeddings: false,
        buckets: 4,
        maxDistance: 6,
      },
      { seed: 7 },
    ) as T5,
}
const source = ids([5, 9, 2, 7, 3], [8, 6, 2, 0, 0])
const sourceMask = ids([1, 1, 1, 1, 1], [1, 1, 1, 0, 0])
const target = ids([4, 11, 12, 13, 14, 15, 16], [4, 21, 22, 23, 24, 25, 26])

function largestDifference(a: HostArray, b: HostArray): number {
  expect(a.length).toBe(b.length)
  return Math.max(...Array.from(a, (x, i) => Math.abs(Number(x) - Number(b[i]))))
}

describe.each(Object.entries(small))("%s", (_, build) => {
  const model = build()
  const { hidden, mask } = model.encode(source, { attentionMask: sourceMask })
  const memory = model.remember(hidden)
  const reading = { memory, memoryMask: mask! }

  test("decoding token by token with a cache gives the stream of the whole text", async () => {
    const cache = model.createCache({ batch: 2, capacity: 12 })
    const whole = model.decode(target, reading)
    const steps: HostArray[] = []
    for (let i = 0; i < 7; ) {
      const count = i === 0 ? 3 : 1 // a beginning of several tokens, then one after the other
      const step = model.decode(target.slice(1, i, i + count), { ...reading, cache, offset: scalar(i, "i32") })
      const [value] = await compute(step, ...cache.parameters())
      steps.push(value!)
      const [all] = await compute(whole.slice(1, i, i + count))
      expect(largestDifference(value!, all!)).toBeLessThan(2e-5)
      i += count
    }
    expect(steps.length).toBe(5)
  })

  test("what is written depends on what was read, but not on its padding", async () => {
    const short = model.encode(source.slice(1, 0, 3))
    const [padded, alone, blind] = await compute(
      model.decode(target, reading).slice(0, 1),
      model.decode(target, { memory: model.remember(short.hidden) }).slice(0, 1),
      model.decode(target, { memory }).slice(0, 1),
    )
    expect(largestDifference(padded!, alone!)).toBeLessThan(2e-5)
    expect(largestDifference(padded!, blind!)).toBeGreaterThan(1e-3)
  })

  test("a call gives logits, loss and inner values of both stacks", async () => {
    const labels = ids([3, 7, -100], [2, 1, 5])
    const output = model.forward(source, {
      attentionMask: sourceMask,
      labels,
      outputs: { hiddenStates: true, attentions: true },
    })
    const V = output.logits.shape.at(-1)!
    expect(output.logits.shape).toEqual([2, 3, V])
    expect(output.hiddenStates!.length).toBe(model.depth + 1)
    expect(output.encoderHiddenStates!.length).toBe(model.encoderDepth + 1)
    expect(output.crossAttentions!.map(one => one.shape.slice(2))).toEqual(Array(model.depth).fill([3, 5]))
    const [logits, loss, projected] = await compute(output.logits, output.loss!, model.project(output.hidden))
    expect(largestDifference(logits!, projected!)).toBeLessThan(1e-5)
    const wanted = [3, 7, -100, 2, 1, 5]
    const terms = wanted.flatMap((label, row) => {
      if (label < 0) return []
      const scores = [...(logits as Float32Array).slice(row * V, (row + 1) * V)]
      return [Math.log(scores.reduce((total, x) => total + Math.exp(x), 0)) - scores[label]!]
    })
    expect(Number(loss![0])).toBeCloseTo(terms.reduce((a, b) => a + b) / terms.length, 4)
  })

  test("in training, elements are dropped and every weight that took part has a gradient", async () => {
    const trained = build().train()
    const labels = ids([3, 7, 9])
    const lossOf = (seed: number): Tensor =>
      withRandom(randomKey(seed), () => trained.forward(ids([5, 9, 2]), { labels }).loss!)
    const [first, same, other] = await compute(lossOf(1), lossOf(1), lossOf(2))
    expect(first![0]).toBe(same![0])
    expect(first![0]).not.toBe(other![0])
    const gradients = await compute(...grad(lossOf(1), trained.parameters()))
    expect(gradients.every(one => one.every(x => Number.isFinite(Number(x))))).toBe(true)
    expect(gradients.filter(one => one.some(x => x !== 0)).length).toBeGreaterThan(0.9 * gradients.length)
  })

  test("under its published names it comes back with the same bits", async () => {
    const written = await reopened(model) // now its weights are numbers, no longer random ones to be drawn
    const again = await reopened(written)
    expect(again.config).toEqual(model.config)
    expect(await valuesOf(again)).toEqual(await valuesOf(written))
  })
})

const valuesOf = (model: Model): Promise<HostArray[]> => compute(...model.state().values())

type Tensors = Record<string, HostTensor>

/** The published weights of a model, in memory. */
async function publishedTensors(model: Model): Promise<Tensors> {
  const entries = Object.entries(publishedWeights(model, familyOf(model)))
  return Object.fromEntries(await Promise.all(entries.map(async ([name, lazy]) => [name, await lazy.load()] as const)))
}

const sourceOf = (tensors: Tensors): WeightSource => ({
  names: Object.keys(tensors),
  info: name => tensors[name]!,
  read: name => tensors[name]!,
})

/** The model written and read again, with its names and keys changed between. */
async function reopened(
  model: Model,
  change: (tensors: Tensors) => Tensors = tensors => tensors,
  published: PublishedConfig = {},
): Promise<Model> {
  const config = { ...familyOf(model).writeConfig(model.config), ...published }
  return modelFrom(config, sourceOf(change(await publishedTensors(model))))
}

const renamed = (tensors: Tensors, rename: (name: string) => string | null): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).flatMap(([name, tensor]) => {
      const next = rename(name)
      return next === null ? [] : [[next, tensor]]
    }),
  )

const one = (shape: readonly number[]): HostTensor => ({
  dtype: "f32",
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
})

describe("folders as the hub has them", () => {
  const same = async (
    model: Model,
    change: (tensors: Tensors) => Tensors,
    published: PublishedConfig = {},
  ): Promise<void> => {
    const written = await reopened(model)
    const again = await reopened(written, change, published)
    expect(await valuesOf(again)).toEqual(await valuesOf(written))
  }

  test("facebook/bart-base: a bare model, embeddings three times, no bias of the logits", () =>
    same(
      small.bart!(),
      tensors => {
        const bare = renamed(tensors, name => (name === "final_logits_bias" ? null : name.replace(/^model\./, "")))
        const shared = bare["shared.weight"]!
        return {
          ...bare,
          "encoder.embed_tokens.weight": shared,
          "decoder.embed_tokens.weight": shared,
          "encoder.version": one([1]),
        }
      },
      { architectures: ["BartModel"] },
    ))

  test("facebook/bart-large-cnn: copies of the embeddings, and the output weights among them", () =>
    same(small.bart!(), tensors => ({
      ...tensors,
      "model.encoder.embed_tokens.weight": tensors["model.shared.weight"]!,
      "model.decoder.embed_tokens.weight": tensors["model.shared.weight"]!,
      "lm_head.weight": tensors["model.shared.weight"]!,
      "model.encoder.version": one([1]),
      "model.decoder.version": one([1]),
    })))

  test("google/pegasus-xsum and Helsinki-NLP/opus-mt: sinusoids in the file, or not", async () => {
    const positions = /embed_positions/
    await same(small.pegasus!(), tensors => renamed(tensors, name => (positions.test(name) ? null : name)))
    await same(small.marian!(), tensors => ({
      ...tensors,
      "model.encoder.embed_positions.weight": one([16, 16]),
      "model.decoder.embed_positions.weight": one([16, 16]),
      "model.encoder.embed_tokens.weight": tensors["model.shared.weight"]!,
      "model.decoder.embed_tokens.weight": tensors["model.shared.weight"]!,
      "lm_head.weight": tensors["model.shared.weight"]!,
    }))
  })

  test("t5-small: copies of the embeddings, and a bias that nothing uses", () =>
    same(
      small.t5!(),
      tensors => ({
        ...tensors,
        "encoder.embed_tokens.weight": tensors["shared.weight"]!,
        "decoder.embed_tokens.weight": tensors["shared.weight"]!,
        "lm_head.weight": tensors["shared.weight"]!,
        "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": one([32, 3]),
      }),
      { architectures: ["T5WithLMHeadModel"], n_positions: 512, output_past: true },
    ))

  test("the encoder of a whole T5 opens alone and reads the same; as a file of its own it keeps its names", async () => {
    const whole = (await reopened(small["t5 1.1"]!())) as T5
    const tensors = await publishedTensors(whole)
    const config = familyOf(whole).writeConfig(whole.config)
    const encoder = (await modelFrom(config, sourceOf(tensors), { head: "encoder" })) as T5Encoder
    const output = encoder.forward(source, { attentionMask: sourceMask, outputs: { hiddenStates: true } })
    const [a, b, last] = await compute(
      whole.encode(source, { attentionMask: sourceMask }).hidden,
      output.hidden,
      output.hiddenStates!.at(-1)!,
    )
    expect(a).toEqual(b)
    expect(last).toEqual(b)
    const written = familyOf(encoder).writeConfig(encoder.config)
    expect(written).toMatchObject({
      architectures: ["T5EncoderModel"],
      feed_forward_proj: "gated-gelu",
      dense_act_fn: "gelu_new",
      is_gated_act: true,
    })
    expect(Object.keys(await publishedTensors(encoder)).every(name => /^(shared|encoder)\./.test(name))).toBe(true)
    await expect(
      modelFrom(config, sourceOf({ ...tensors, "decoder.block.9.layer.0.layer_norm.weight": one([16]) })),
    ).rejects.toThrow(/unknown decoder\.block\.9/)
  })

  test.each(Object.entries(hubConfigs))("the configuration of %s is read whole", (_, { published, expected }) => {
    const family = familyOf(published.model_type as string)
    const config = family.readConfig(published)
    expect(config).toMatchObject(expected)
    expect(family.readConfig(family.writeConfig(config))).toEqual(config)
  })

  test("what would compute something else is refused by name", () => {
    const published = hubConfigs["facebook/bart-base"]!.published
    const refused = (change: PublishedConfig, message: RegExp): void =>
      expect(() => bart.readConfig({ ...published, ...change })).toThrow(message)
    refused({ normalize_before: true }, /normalize_before to be false/)
    refused({ is_encoder_decoder: false }, /is_encoder_decoder to be true/)
    refused({ encoder_layerdrop: 0.1 }, /encoder_layerdrop to be 0/)
    refused({ d_model: 100 }, /encoder's 12 heads share evenly/)
    refused({ decoder_layers: 20_000 }, /at most 10000 layers in the decoder/)
    refused({ pad_token_id: 60_000 }, /padding token below the vocabulary 50265/)
    refused({ activation_function: "mish" }, /activation_function/)
    expect(() => t5.readConfig({ model_type: "t5", feed_forward_proj: "gated-fancy-gelu" })).toThrow(
      /feed_forward_proj/,
    )
    expect(() => t5.readConfig({ model_type: "t5", feed_forward_proj: "mish" })).toThrow(/dense_act_fn/)
    expect(() => marian.build({ vocabulary: 50, decoderVocabulary: 40, padToken: 0 })).toThrow(
      /set shareTokens to false/,
    )
  })
})

describe("labels", () => {
  test("BART, Pegasus, Marian and T5 begin with their start token; -100 counts as padding", async () => {
    const labels = ids([7, -100, 9], [5, 6, -100])
    const [shifted] = await compute(shiftRight(labels, 2, 1))
    expect([...shifted!]).toEqual([2, 7, 1, 2, 5, 6])
    const [bartIds, pegasusIds, marianIds, t5Ids] = await compute(
      ...["bart", "pegasus", "marian", "t5"].map(name => small[name]!().decoderInputs(labels)),
    )
    expect([...bartIds!]).toEqual([2, 7, 1, 2, 5, 6])
    expect([...pegasusIds!]).toEqual([0, 7, 0, 0, 5, 6])
    expect([...marianIds!]).toEqual([39, 7, 39, 39, 5, 6])
    expect([...t5Ids!]).toEqual([0, 7, 0, 0, 5, 6])
  })

  test("mBART begins with the last token that is no padding: the code of the language", async () => {
    const model = mbart.build(text)
    const [rows, single] = await compute(
      model.decoderInputs(ids([7, 8, 2, 30], [5, 2, 31, -100])),
      model.decoderInputs(ids([7])),
    )
    expect([...rows!]).toEqual([30, 7, 8, 2, 31, 5, 2, 31])
    expect([...single!]).toEqual([7])
  })
})

describe("BART as a classifier", () => {
  const config = { ...text, head: "classification" as const, labels: ["contradiction", "neutral", "entailment"] }
  const model = bart.build(config, { seed: 8 }) as BartReader
  const pairs = ids([0, 5, 2, 2, 9, 2], [0, 7, 8, 2, 1, 1])

  test("reads its answer at the last end token of the decoder, which reads the text shifted", async () => {
    const writer = bart.build(text) as Bart
    writer.loadState(new Map([...model.state()].filter(([path]) => !path.startsWith("head."))), { partial: true })
    const mask = ids([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0])
    const { hidden } = writer.encode(pairs, { attentionMask: mask })
    const stream = writer.decode(shiftRight(pairs, 2, 1), { memory: writer.remember(hidden), memoryMask: mask })
    const head = model.state()
    const dense = (x: Tensor, name: string): Tensor =>
      x.matmul(head.get(`head.${name}.weight`)!.transpose()).add(head.get(`head.${name}.bias`)!)
    const expected = [stream.select(0, 0).select(0, 5), stream.select(0, 1).select(0, 3)].map(x =>
      dense(dense(x.reshape([1, 16]), "dense").tanh(), "out"),
    )
    const output = model.forward(pairs, { attentionMask: mask, labels: ids([2, 0]).reshape([2]) })
    const [logits, loss, first, second] = await compute(output.logits!, output.loss!, ...expected)
    expect(largestDifference(logits!, Float32Array.from([...first!, ...second!].map(Number)))).toBeLessThan(1e-5)
    const scores = [...logits!].map(Number)
    const terms = [2, 0].map((label, row) => {
      const three = scores.slice(3 * row, 3 * row + 3)
      return Math.log(three.reduce((total, x) => total + Math.exp(x), 0)) - three[label]!
    })
    expect(Number(loss![0])).toBeCloseTo((terms[0]! + terms[1]!) / 2, 5)
  })

  test("is opened and written under its published names", async () => {
    const written = await reopened(model)
    const again = await reopened(written)
    expect(again.config).toEqual(model.config)
    expect(await valuesOf(again)).toEqual(await valuesOf(written))
    const names = Object.keys(await publishedTensors(model))
    expect(names).toContain("classification_head.dense.weight")
    expect(names).toContain("classification_head.out_proj.bias")
    expect(names).not.toContain("final_logits_bias")
    expect(() => bart.build({ ...config, endToken: null })).toThrow(/one end token/)
  })

  test("a program of it gives what its definition gives", async () => {
    const mask = ids([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0])
    const settled = await reopened(model)
    const [expected] = await compute(settled.forward(pairs, { attentionMask: mask }).logits!)
    const program = compile((x: Tensor, seen: Tensor) => settled.forward(x, { attentionMask: seen }).logits!)
    const logits = await read(await program.run([pairs, mask])) // from now on its weights are the device's
    expect(largestDifference(logits, expected!)).toBeLessThan(2e-5)
  })
})

describe("BART that finds answers", () => {
  const model = bart.build({ ...text, head: "questionAnswering" }, { seed: 10 }) as BartReader

  test("scores where they begin and end, and learns from both", async () => {
    const passages = ids([0, 5, 2, 2, 9, 2], [0, 7, 8, 2, 1, 1])
    const spans = { startPositions: ids([1, 2]).reshape([2]), endPositions: ids([4, 99]).reshape([2]) }
    const { startLogits, endLogits, hidden, loss } = model.forward(passages, spans)
    expect(startLogits!.shape).toEqual([2, 6])
    const weight = model.state().get("head.score.weight")!
    const [start, end, by, value] = await compute(startLogits!, endLogits!, hidden.matmul(weight.transpose()), loss!)
    expect(
      largestDifference(
        start!,
        by!.filter((_, i) => i % 2 === 0),
      ),
    ).toBeLessThan(1e-6)
    expect(
      largestDifference(
        end!,
        by!.filter((_, i) => i % 2 === 1),
      ),
    ).toBeLessThan(1e-6)
    const negativeLog = (scores: HostArray, row: number, at: number): number => {
      const six = [...scores.slice(6 * row, 6 * row + 6)].map(Number)
      return Math.log(six.reduce((total, x) => total + Math.exp(x), 0)) - six[at]!
    }
    const starts = (negativeLog(start!, 0, 1) + negativeLog(start!, 1, 2)) / 2
    expect(Number(value![0])).toBeCloseTo((starts + negativeLog(end!, 0, 4)) / 2, 5) // the second answer ends beyond its text
    expect(() => model.forward(passages, { labels: passages })).toThrow(/no labels/)
  })

  test("is opened and written under its published names", async () => {
    const written = await reopened(model)
    expect(await valuesOf(await reopened(written))).toEqual(await valuesOf(written))
    expect(Object.keys(await publishedTensors(model))).toContain("qa_outputs.weight")
  })
})

describe("captioning", () => {
  const captioning = familyOf("vision-encoder-decoder") as ModelFamily<VisionEncoderDecoderConfig, VisionEncoderDecoder>
  const sees = { family: "vit", image: 8, patch: 4, width: 12, layers: 1, heads: 2, inner: 16, deviation: 0.4 }
  const writes = { family: "gpt2", vocabulary: 30, context: 10, width: 16, layers: 2, heads: 4, deviation: 0.4 }
  const model = captioning.build({ encoder: sees, decoder: writes, startToken: 1, padToken: 0 }, { seed: 9 })
  const pixels = fromHost(
    Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => Math.sin(i)),
    [2, 3, 8, 8],
    "f32",
  )

  test("decoding with a cache gives the stream of the whole text, and it depends on the image", async () => {
    const memory = model.remember(model.encode(pixels).hidden)
    const cache = model.createCache({ batch: 2, capacity: 8 })
    const words = target.slice(1, 0, 4)
    const [whole] = await compute(model.decode(words, { memory }))
    for (let i = 0; i < 4; i++) {
      const step = model.decode(words.slice(1, i, i + 1), { memory, cache, offset: scalar(i, "i32") })
      const [value] = await compute(step, ...cache.parameters())
      for (const row of [0, 1])
        expect(
          largestDifference(
            value!.slice(row * 16, row * 16 + 16),
            whole!.slice((row * 4 + i) * 16, (row * 4 + i + 1) * 16),
          ),
        ).toBeLessThan(2e-5)
    }
    const other = model.remember(model.encode(pixels.neg()).hidden)
    const [unlike] = await compute(model.decode(words, { memory: other }))
    expect(largestDifference(whole!, unlike!)).toBeGreaterThan(1e-3)
  })

  test("is opened and written under its published names, with or without the pooler that nothing uses", async () => {
    const written = await reopened(model)
    const again = await reopened(written)
    expect(again.config).toEqual(model.config)
    expect(await valuesOf(again)).toEqual(await valuesOf(written))
    const tensors = await publishedTensors(written)
    expect(Object.keys(tensors)).toContain("enc_to_dec_proj.weight")
    expect(Object.keys(tensors)).toContain("decoder.transformer.h.1.crossattention.c_attn.weight")
    const without = await reopened(written, all => ({
      ...renamed(all, name => (name.startsWith("encoder.pooler.") ? null : name)),
      "decoder.lm_head.weight": all["decoder.transformer.wte.weight"]!,
      "decoder.transformer.h.0.attn.bias": one([1, 1, 10, 10]),
      "decoder.transformer.h.0.crossattention.bias": one([1, 1, 10, 10]),
      "decoder.transformer.h.0.crossattention.masked_bias": one([1]),
    }))
    const labels = ids([4, 5], [6, -100])
    const [a, b] = await compute(written.forward(pixels, { labels }).loss!, without.forward(pixels, { labels }).loss!)
    expect(a).toEqual(b)
    expect(
      [...model.encoder.parameters(), ...model.decoder.parameters()].every(({ name }) => /^(en|de)coder\./.test(name)),
    ).toBe(true)
  })

  test("refuses parts that do not fit", () => {
    expect(() => captioning.build({ encoder: sees, decoder: { ...writes, family: "vit" } })).toThrow(/crossAttention/)
    expect(() => captioning.build({ encoder: { ...sees, family: "swin" }, decoder: writes })).toThrow(
      /one of .*vit.*"swin"/,
    )
    expect(() => captioning.build({ encoder: sees, decoder: writes }).decoderInputs(ids([1]))).toThrow(
      /startToken and padToken/,
    )
    expect(() => model.encode(pixels, { attentionMask: ids([1]) })).toThrow(/no attentionMask/)
    expect(() => gpt2.build({ vocabulary: 9, width: 4, heads: 1 }).remember(pixels)).toThrow(
      /block with cross-attention/,
    )
    expect(() => gpt2.build({ vocabulary: 9, width: 4, heads: 1 }).forward(ids([1]), { memory: [] })).toThrow(
      /no memory/,
    )
  })
})

describe("bad input", () => {
  const model = small.bart!()

  test("is refused in words", () => {
    expect(() => model.forward(source)).toThrow(/decoderInputIds or labels, but got neither/)
    expect(() => model.forward(source, { labels: ids([1, 2]), decoderInputIds: ids([1]) })).toThrow(/labels/)
    expect(() => model.forward(source, { tokenTypeIds: source, labels: source })).toThrow(/no tokenTypeIds/)
    expect(() => model.encode(ids(Array(17).fill(3)))).toThrow(/at most 16 tokens.*1 too many/)
    expect(() => model.encode(source, { attentionMask: ids([1, 1]) })).toThrow(/attentionMask: expected \[2 5\]/)
    expect(() => model.createCache({ batch: 1, capacity: 17 })).toThrow(/capacity up to the context 16/)
    const memory = model.remember(model.encode(source).hidden)
    expect(() => model.decode(target, { memory: memory.slice(1) })).toThrow(/one for each of 2 blocks, but got 1/)
    expect(() => model.decode(target, { memory, memoryMask: ids([1, 1]) })).toThrow(/memoryMask: expected \[2 5\]/)
  })

  test("embeddings stand in for ids, as they are", async () => {
    const scaled = await reopened(small.mbart!())
    const tokens = scaled.state().get("tokens.weight")!
    const rows = embedding(tokens, source).mul(4) // √16
    const [a, b] = await compute(
      (scaled as EncoderDecoder).encode(source).hidden,
      (scaled as EncoderDecoder).encode(rows).hidden,
    )
    expect(largestDifference(a!, b!)).toBeLessThan(1e-6)
  })

  test("tables that would fill the memory are refused", () => {
    expect(() => pegasus.build({ ...text, context: 10 ** 12 })).toThrow(/sinusoids: expected at most/)
  })

  test("T5 reads more tokens than it was trained on", async () => {
    const long = t5.build({ vocabulary: 9, width: 4, headWidth: 2, heads: 2, inner: 4, layers: 1 }) as T5
    const [hidden] = await evaluateOn("native", [long.encode(ids(Array(700).fill(3))).hidden])
    expect(hidden!.length).toBe(2800)
    expect((small["marian with two vocabularies"]!() as Marian).head.weight).toBeNull()
  })
})
