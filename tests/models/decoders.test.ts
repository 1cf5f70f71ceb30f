// Decoders: the configurations of the hub, what files of the hub hold besides, heads, windows and stretched positions.

import { describe, expect, test } from "vitest"
import {
  familyOf,
  gemma2,
  gptNeo,
  type LanguageModel,
  llama,
  loadWeights,
  type ModelFamily,
  mistral,
  openaiGpt,
  phi3,
  publishedWeights,
  qwen2,
  transfoXl,
  type WeightSource,
} from "../../src/models/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, type HostArray, type Tensor } from "../../src/tensor/index.ts"
import { hubConfigs } from "./decoder-configs.ts"

const shape = { vocabulary: 17, context: 24, width: 16, layers: 2, heads: 4, deviation: 0.2 }
const grouped = { ...shape, groups: 2, inner: 24 }

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(a: readonly number[], b: readonly number[], tolerance = 1e-5): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}: ${x} and ${b[i]}`).toBeLessThanOrEqual(tolerance)
}

describe("configurations of the hub", () => {
  test.each(hubConfigs)("$name", ({ family, published, own }) => {
    const found = familyOf(family)
    const given = Object.fromEntries(Object.entries(published).filter(([, value]) => value !== undefined))
    const config = found.readConfig(given)
    expect(config).toMatchObject(own)
    expect(found.readConfig(found.writeConfig(config))).toEqual(config)
  })

  const of = (name: string) => hubConfigs.find(one => one.name === name)!.published
  test.each([
    ["llama", { ...of("TinyLlama 1.1B"), rope_interleaved: true }, /rope_interleaved to be false/],
    ["llama", { ...of("TinyLlama 1.1B"), rope_scaling: { type: "yarn", factor: 4, mscale: 0.7 } }, /rope_scaling/],
    ["qwen2", { ...of("Qwen 2.5 0.5B"), use_mrope: true }, /use_mrope to be false/],
    ["qwen2", { ...of("Qwen 2.5 0.5B"), is_causal: false }, /is_causal to be true/],
    ["qwen2", { ...of("Qwen 2.5 0.5B"), layer_types: ["full_attention"] }, /a kind for each of 24 layers, but got 1/],
    ["gemma2", { ...of("Gemma 2 9B"), sliding_window_size: 2048 }, /expected one value, but got two/],
    ["phi3", { ...of("Phi-3 mini 4k"), rope_scaling: { type: "longrope", short_factor: [1] } }, /rope_scaling/],
    ["gpt_neo", { ...of("GPT-Neo 125M"), attention_layers: ["global"] }, /expected one value, but got two/],
    ["gpt_neo", { ...of("GPT-Neo 125M"), attention_types: [[["dense"], 12]] }, /attention_types/],
    ["openai-gpt", { ...of("GPT"), afn: "gelu_new" }, /afn: expected one of gelu-tanh/],
    ["transfo-xl", { ...of("Transformer-XL on WikiText-103"), attn_type: 1 }, /attn_type to be 0/],
    ["transfo-xl", { ...of("Transformer-XL on WikiText-103"), cutoffs: [20000, 10000] }, /cutoffs that rise/],
    ["transfo-xl", { ...of("Transformer-XL on WikiText-103"), tie_projs: [true] }, /for 4 sections, but got 1/],
    ["transfo-xl", { ...of("Transformer-XL on WikiText-103"), mem_len: 0 }, /memory 0/],
  ])("%s refuses what it would compute otherwise: %#", (family, published, message) => {
    expect(() => familyOf(family).readConfig(published)).toThrow(message)
  })
})

/** A model's published weights as bytes in memory, and the same under other names. */
async function published(
  model: LanguageModel,
): Promise<Record<string, { dtype: string; shape: readonly number[]; data: HostArray }>> {
  const record: Record<string, { dtype: string; shape: readonly number[]; data: HostArray }> = {}
  for (const [name, lazy] of Object.entries(publishedWeights(model, familyOf(model))))
    record[name] = { dtype: "f32", shape: lazy.shape, data: (await lazy.load()).data as HostArray }
  return record
}

const sourceOf = (all: Awaited<ReturnType<typeof published>>): WeightSource => ({
  names: Object.keys(all),
  info: name => all[name]!,
  read: name => all[name] as never,
})

describe("files of the hub", () => {
  const families: readonly (readonly [
    string,
    () => LanguageModel,
    ModelFamily,
    (name: string) => string,
    readonly string[],
  ])[] = [
    [
      "llama, with buffers of old versions and a copy of the embedding",
      () => llama.build({ ...grouped, tieEmbeddings: true }, { seed: 5 }),
      llama as unknown as ModelFamily,
      name => name,
      ["model.layers.0.self_attn.rotary_emb.inv_freq", "lm_head.weight"],
    ],
    [
      "openai-gpt without prefix, with masks",
      () => openaiGpt.build(shape, { seed: 5 }),
      openaiGpt as unknown as ModelFamily,
      name => name.replace("transformer.", ""),
      ["h.0.attn.bias", "h.1.attn.bias", "lm_head.weight"],
    ],
    [
      "gpt_neo with masks",
      () => gptNeo.build(shape, { seed: 5 }),
      gptNeo as unknown as ModelFamily,
      name => name,
      [
        "transformer.h.0.attn.attention.bias",
        "transformer.h.0.attn.attention.masked_bias",
        "transformer.h.1.attn.attention.masked_bias",
        "lm_head.weight",
      ],
    ],
    [
      "mistral without prefix",
      () => mistral.build({ ...grouped, head: "none" }, { seed: 5 }),
      mistral as unknown as ModelFamily,
      name => name.replace("model.", ""),
      [],
    ],
  ]

  test.each(families)("%s", async (_, make, family, rename, extras) => {
    const model = make()
    const all = await published(model)
    const named = Object.fromEntries(Object.entries(all).map(([name, value]) => [rename(name), value]))
    const [first] = Object.values(all)
    for (const extra of extras) named[extra] = first!
    const again = family.build(model.config, { seed: 6 })
    await loadWeights(again, family, sourceOf(named))
    const row = ids([3, 1, 4, 1, 5])
    expectClose(await numbers(again.forward(row).hidden), await numbers(model.forward(row).hidden))
  })

  test("a model without a head is written without prefix, and reads what a model with one wrote", async () => {
    const bare = qwen2.build({ ...grouped, head: "none" }, { seed: 5 })
    const all = await published(bare)
    expect(Object.keys(all)).toContain("layers.0.self_attn.q_proj.bias")
    expect(Object.keys(all).some(name => name.startsWith("lm_head") || name.startsWith("model."))).toBe(false)
    const headed = qwen2.build(grouped, { seed: 7 })
    await loadWeights(bare, qwen2 as unknown as ModelFamily, sourceOf(await published(headed)))
    const row = ids([3, 1, 4, 1, 5])
    expectClose(await numbers(bare.forward(row).hidden), await numbers(headed.forward(row).hidden))
    expect(() => bare.project(bare.forward(row).hidden)).toThrow(/without a head/)
    expect(() => bare.forward(row, { labels: row })).toThrow(/without a head/)
  })
})

describe("classifiers", () => {
  const head = { head: "classification" as const, labels: ["a", "b", "c"], padToken: 0 }
  const makers: readonly (readonly [string, () => LanguageModel])[] = [
    ["llama", () => llama.build({ ...grouped, ...head })],
    ["mistral", () => mistral.build({ ...grouped, ...head })],
    ["gemma2", () => gemma2.build({ ...grouped, headWidth: 4, ...head })],
    ["qwen2", () => qwen2.build({ ...grouped, ...head })],
    ["phi3", () => phi3.build({ ...grouped, ...head })],
    ["gpt_neo", () => gptNeo.build({ ...shape, ...head })],
    ["openai-gpt", () => openaiGpt.build({ ...shape, ...head })],
    ["transfo-xl", () => transfoXl.build({ ...xl, ...head })],
  ]
  const xl = {
    vocabulary: 17,
    cutoffs: [5, 10],
    width: 16,
    embeddingWidth: 16,
    shrink: 1,
    layers: 2,
    heads: 2,
    headWidth: 8,
    inner: 24,
    memory: 3,
  }

  test.each(makers)("%s reads the last token before padding", async (_, make) => {
    const model = make()
    const answer = (...rows: number[][]): Promise<number[]> => numbers(model.forward(ids(...rows)).logits)
    const [short, long] = [await answer([5, 6, 7]), await answer([5, 6, 7, 8, 9])]
    expect(short.length).toBe(3)
    expectClose(await answer([5, 6, 7, 0, 0], [5, 6, 7, 8, 9]), [...short, ...long])
    const labels = fromHost(Int32Array.of(2), [1], "i32")
    const [loss] = await numbers(model.forward(ids([5, 6, 7]), { labels }).loss!)
    const total = Math.log(short.reduce((sum, x) => sum + Math.exp(x), 0))
    expect(loss).toBeCloseTo(total - short[2]!, 5)
    expect(() => model.project(model.forward(ids([1])).hidden)).toThrow(/classifier/)
    expect(familyOf(model).writeConfig(model.config).architectures).toEqual([
      expect.stringMatching(/ForSequenceClassification$/),
    ])
  })
})

describe("windows", () => {
  /** For each of 2 blocks, whether the last of 6 queries sees the first key. */
  const seesFirst = async (model: LanguageModel): Promise<boolean[]> => {
    const { attentions } = model.forward(ids([3, 1, 4, 1, 5, 9]), { outputs: { attentions: true } })
    const patterns = await Promise.all(attentions!.map(numbers))
    return patterns.map(pattern => pattern[5 * 6]! > 0)
  }

  test.each<[string, LanguageModel, boolean[]]>([
    ["mistral: every block", mistral.build({ ...grouped, window: 5 }), [false, false]],
    ["mistral without one", mistral.build({ ...grouped, window: null }), [true, true]],
    ["gemma2: every other block", gemma2.build({ ...grouped, headWidth: 4, window: 5 }), [false, true]],
    [
      "gemma2 as the file says",
      gemma2.build({
        ...grouped,
        headWidth: 4,
        window: 5,
        layerKinds: ["full_attention", "sliding_attention"],
      }),
      [true, false],
    ],
    ["qwen2: none unless asked for", qwen2.build({ ...grouped, window: 5, fullLayers: 0 }), [true, true]],
    ["qwen2: upper blocks", qwen2.build({ ...grouped, windowed: true, window: 5, fullLayers: 1 }), [true, false]],
    ["phi3: every block", phi3.build({ ...grouped, window: 5 }), [false, false]],
    ["gpt_neo: local blocks", gptNeo.build({ ...shape, window: 5 }), [true, false]],
    ["gpt_neo: local ones first", gptNeo.build({ ...shape, attention: ["local", "global"], window: 5 }), [false, true]],
  ])("%s", async (_, model, expected) => {
    expect(await seesFirst(model)).toEqual(expected)
  })
})

describe("soft caps and scales of Gemma 2", () => {
  test("logits stay below the cap, and the loss is that of capped logits", async () => {
    const model = gemma2.build({ ...grouped, headWidth: 4, deviation: 2, logitCap: 3 })
    const row = ids([3, 1, 4, 1])
    const { logits, loss } = model.forward(row, { labels: row })
    const values = await numbers(logits)
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(3)
    expect(Math.max(...values.map(Math.abs))).toBeGreaterThan(1)
    let sum = 0
    for (const [t, target] of [1, 4, 1].entries()) {
      const at = values.slice(t * 17, (t + 1) * 17)
      sum += Math.log(at.reduce((total, x) => total + Math.exp(x), 0)) - at[target]!
    }
    expectClose(await numbers(loss!), [sum / 3], 1e-4)
    expectClose(await numbers(model.project(model.forward(row).hidden)), values)
  })

  test("embeddings are scaled as exactly as weights are kept", async () => {
    const options = { ...grouped, width: 24, heads: 3, headWidth: 4, groups: 1 }
    const [full, short] = [gemma2.build(options, { seed: 1 }), gemma2.build(options, { seed: 1, dtype: "bf16" })]
    const first = async (model: typeof full): Promise<number[]> => {
      const { hiddenStates } = model.forward(ids([3]), { outputs: { hiddenStates: true } })
      const [stream, rows] = [await numbers(hiddenStates![0]!), await numbers(model.tokens.weight.cast("f32"))]
      return stream.map((x, i) => x / rows[3 * 24 + i]!)
    }
    for (const factor of await first(full)) expect(factor).toBeCloseTo(Math.sqrt(24), 5)
    for (const factor of await first(short)) expect(factor).toBeCloseTo(4.90625, 5) // the nearest in bf16
  })
})

describe("stretched positions", () => {
  test.each<[string, LanguageModel, number]>([
    ["linear", llama.build({ ...grouped, ropeScaling: { kind: "linear", factor: 2 } }), 48],
    ["dynamic", llama.build({ ...grouped, ropeScaling: { kind: "dynamic", factor: 2 } }), 48],
    ["yarn", llama.build({ ...grouped, ropeScaling: { kind: "yarn", factor: 4 } }), 96],
    [
      "yarn that says so already",
      llama.build({ ...grouped, ropeScaling: { kind: "yarn", factor: 2, originalContext: 12 } }),
      24,
    ],
    ["none", llama.build(grouped), 24],
  ])("%s: the context", (_, model, context) => {
    expect(model.context).toBe(context)
  })

  test("LongRoPE turns slower once the text is longer than the original context", async () => {
    const stretched = { kind: "longrope", shortFactors: [1, 1], longFactors: [2, 3] } as const
    const make = (extra: object) => phi3.build({ ...grouped, originalContext: 4, ...extra }, { seed: 2 })
    const long = make({ ropeScaling: stretched })
    const asShort = make({ ropeScaling: { ...stretched, longFactors: [1, 1] } })
    const asLong = make({ ropeScaling: { ...stretched, shortFactors: [2, 3] } })
    const row = [3, 1, 4, 1, 5]
    const of = (model: LanguageModel, count: number): Promise<number[]> =>
      numbers(model.forward(ids(row.slice(0, count))).logits)
    expect(await of(long, 4)).toEqual(await of(asShort, 4))
    expect(await of(long, 5)).toEqual(await of(asLong, 5))
    expect(await of(long, 5)).not.toEqual(await of(asShort, 5))
    expect(() => make({ ropeScaling: { ...stretched, longFactors: [1] } }).forward(ids(row))).toThrow(/2 longFactors/)
  })
})
