// Text encoders: what files of the hub look like, which head uses what, and what is refused.

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { parseSafetensors } from "../../src/files/pure.ts"
import {
  bert,
  camembert,
  distilbert,
  gpt2,
  loadWeights,
  type Model,
  modelFrom,
  roberta,
  TextEncoder,
  textEncoder,
  xlmRoberta,
} from "../../src/models/index.ts"
import { withRandom } from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { fromHost, grad, randomKey, type Tensor, tapNames } from "../../src/tensor/index.ts"

const reference = join(import.meta.dirname, "../reference")
const read = (name: string, file: string): Buffer => readFileSync(join(reference, name, file))
const configOf = (name: string): Record<string, unknown> => JSON.parse(read(name, "config.json").toString())

/** The weights of a golden case under other names; null leaves one out. */
function renamed(name: string, change: (name: string) => string | null, extra: readonly string[] = []) {
  const file = parseSafetensors(new Uint8Array(read(name, "model.safetensors")), name)
  const names = new Map<string, string>()
  for (const one of file.names) {
    const now = change(one)
    if (now !== null) names.set(now, one)
  }
  for (const one of extra) names.set(one, file.names[0]!)
  return {
    names: [...names.keys()],
    info: (one: string) => file.info(names.get(one)!),
    read: (one: string) => file.read(names.get(one)!),
  }
}

const ids = (...rows: number[][]): Tensor =>
  fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
const vector = (...values: number[]): Tensor => fromHost(Int32Array.from(values), [values.length], "i32")
const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(a: readonly number[], b: readonly number[], tolerance = 1e-5): void {
  expect(a.length).toBe(b.length)
  for (const [i, x] of a.entries()) expect(Math.abs(x - b[i]!), `${i}: ${x} and ${b[i]}`).toBeLessThanOrEqual(tolerance)
}

const small = { vocabulary: 17, width: 16, layers: 2, heads: 4, inner: 24, dropout: 0.2, attentionDropout: 0 }
const makers = {
  bert: (head: string) => bert.build({ ...small, context: 12, head: head as "masked" }, { seed: 3 }),
  roberta: (head: string) => roberta.build({ ...small, positions: 14, head: head as "masked" }, { seed: 3 }),
  distilbert: (head: string) => distilbert.build({ ...small, context: 12, head: head as "masked" }, { seed: 3 }),
}
const row = [3, 5, 4, 8, 2, 9]

describe("configurations of the hub", () => {
  const base = { hidden_size: 768, num_attention_heads: 12, num_hidden_layers: 12, intermediate_size: 3072 }
  const rates = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1, initializer_range: 0.02 }

  test("bert-base-uncased", () => {
    const config = bert.readConfig({
      ...base,
      ...rates,
      architectures: ["BertForMaskedLM"],
      gradient_checkpointing: false,
      hidden_act: "gelu",
      layer_norm_eps: 1e-12,
      max_position_embeddings: 512,
      model_type: "bert",
      pad_token_id: 0,
      position_embedding_type: "absolute",
      transformers_version: "4.6.0.dev0",
      type_vocab_size: 2,
      use_cache: true,
      vocab_size: 30522,
    })
    expect(config).toMatchObject({ head: "masked", vocabulary: 30522, context: 512, tieEmbeddings: true })
  })

  test("a multilingual BERT with what TensorFlow left, and one without architectures", () => {
    const published = {
      ...base,
      ...rates,
      _name_or_path: "bert-base-multilingual-cased",
      _num_labels: 9,
      directionality: "bidi",
      hidden_act: "gelu",
      id2label: { 0: "O", 1: "B-MISC", 3: "I-LOC", 2: "I-MISC" },
      label2id: { O: 0, "B-MISC": 1, "I-MISC": 2, "I-LOC": 3 },
      max_position_embeddings: 512,
      model_type: "bert",
      output_past: true,
      pad_token_id: 0,
      pooler_fc_size: 768,
      pooler_num_attention_heads: 12,
      pooler_num_fc_layers: 3,
      pooler_size_per_head: 128,
      pooler_type: "first_token_transform",
      type_vocab_size: 2,
      vocab_size: 119547,
    }
    const config = bert.readConfig({ ...published, architectures: ["BertForTokenClassification"] })
    expect(config.head).toBe("tokenClassification")
    expect(config.labels).toEqual(["O", "B-MISC", "I-MISC", "I-LOC"])
    expect(bert.readConfig(published).head).toBe("masked")
    expect(bert.readConfig(published, { head: "none" }).head).toBe("none")
  })

  test("roberta-base, a question answerer with odd keys, and the relatives in other languages", () => {
    const published = {
      ...base,
      ...rates,
      architectures: ["RobertaForQuestionAnswering"],
      bos_token_id: 0,
      eos_token_id: 2,
      gradient_checkpointing: false,
      hidden_act: "gelu",
      language: "english",
      layer_norm_eps: 1e-5,
      max_position_embeddings: 514,
      model_type: "roberta",
      name: "Roberta",
      pad_token_id: 1,
      type_vocab_size: 1,
      vocab_size: 50265,
    }
    expect(roberta.readConfig(published)).toMatchObject({ head: "questionAnswering", positions: 514, epsilon: 1e-5 })
    const model = roberta.build({ ...roberta.readConfig(published), layers: 1, width: 12, inner: 12 })
    expect(model.context).toBe(512)
    const french = camembert.readConfig({
      ...published,
      architectures: ["CamembertForTokenClassification"],
      model_type: "camembert",
      vocab_size: 32005,
    })
    expect(french.head).toBe("tokenClassification")
    const sentences = xlmRoberta.readConfig({
      ...published,
      architectures: ["XLMRobertaModel"],
      model_type: "xlm-roberta",
      output_past: true,
      vocab_size: 250002,
    })
    expect(sentences.head).toBe("pooled")
    expect(xlmRoberta.writeConfig(sentences)).toMatchObject({
      model_type: "xlm-roberta",
      architectures: ["XLMRobertaModel"],
    })
    expect(xlmRoberta.build({ ...sentences, vocabulary: 9, width: 12, layers: 1, inner: 8 }).family).toBe("xlm-roberta")
  })

  test("distilbert-base-uncased-finetuned-sst-2-english", () => {
    const config = distilbert.readConfig({
      activation: "gelu",
      architectures: ["DistilBertForSequenceClassification"],
      attention_dropout: 0.1,
      dim: 768,
      dropout: 0.1,
      finetuning_task: "sst-2",
      hidden_dim: 3072,
      id2label: { 0: "NEGATIVE", 1: "POSITIVE" },
      initializer_range: 0.02,
      label2id: { NEGATIVE: 0, POSITIVE: 1 },
      max_position_embeddings: 512,
      model_type: "distilbert",
      n_heads: 12,
      n_layers: 6,
      output_past: true,
      pad_token_id: 0,
      qa_dropout: 0.1,
      seq_classif_dropout: 0.2,
      sinusoidal_pos_embds: false,
      tie_weights_: true,
      vocab_size: 30522,
    })
    expect(config).toMatchObject({ head: "classification", labels: ["NEGATIVE", "POSITIVE"], layers: 6, inner: 3072 })
  })

  test.each([
    [{ is_decoder: true }, /is_decoder to be false/],
    [{ position_embedding_type: "relative_key" }, /position_embedding_type to be "absolute"/],
    [{ architectures: ["BertForMultipleChoice"] }, /BertForMaskedLM, .*but got \["BertForMultipleChoice"\]/],
    [{ num_attention_heads: 5 }, /5 heads share evenly, but got 32/],
    [{ pad_token_id: 99 }, /a padding token of the vocabulary, 0 to 98, but got 99/],
    [{ hidden_act: "mish" }, /hidden_act/],
  ])("%o is refused", (change, message) => {
    expect(() => bert.readConfig({ ...configOf("bert-model"), ...change })).toThrow(message)
  })
})

describe("files of the hub", () => {
  const oldNames = (name: string): string =>
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

  test("a checkpoint of pretraining with old names gives every other model its weights", async () => {
    const input = ids([17, 62, 28, 87, 91])
    const whole = await modelFrom(
      configOf("bert-pretraining"),
      renamed("bert-pretraining", one => one),
    )
    const expected = whole.forward(input)
    const source = renamed("bert-pretraining", oldNames, [
      "bert.embeddings.position_ids",
      "cls.predictions.decoder.weight",
    ])
    const open = (head: string): Promise<Model> =>
      modelFrom(configOf("bert-pretraining"), source, head === "" ? {} : { head })
    const masked = await open("masked")
    expect(await numbers(masked.forward(input).logits!)).toEqual(await numbers(expected.logits!))
    const pooled = await open("pooled")
    expect(await numbers(pooled.forward(input).pooled!)).toEqual(await numbers(expected.pooled!))
    const bare = (await open("none")).forward(input)
    expect(await numbers(bare.hidden)).toEqual(await numbers(expected.hidden))
    expect([bare.logits, bare.pooled]).toEqual([undefined, undefined])
    await expect(open("classification")).rejects.toThrow(/no classifier\.weight, classifier\.bias\n.*partial/s)
  })

  test("a file of the bare model opens below a head, and the output bias under its other name", async () => {
    const bare = renamed("roberta-masked-lm", one =>
      one.replace(/^roberta\./, "").replace("lm_head.bias", "lm_head.decoder.bias"),
    )
    const [a, b] = await Promise.all([
      modelFrom(configOf("roberta-masked-lm"), bare),
      modelFrom(
        configOf("roberta-masked-lm"),
        renamed("roberta-masked-lm", one => one),
      ),
    ])
    const input = ids([0, 12, 31, 2, 1])
    expect(await numbers(a.forward(input).logits!)).toEqual(await numbers(b.forward(input).logits!))
  })

  test("XLM-RoBERTa and CamemBERT read the same names", async () => {
    const input = ids([0, 12, 31, 2])
    const source = renamed("roberta-masked-lm", one => one)
    const expected = await numbers((await modelFrom(configOf("roberta-masked-lm"), source)).forward(input).logits!)
    for (const [model_type, name] of [
      ["xlm-roberta", "XLMRobertaForMaskedLM"],
      ["camembert", "CamembertForMaskedLM"],
    ]) {
      const config = { ...configOf("roberta-masked-lm"), model_type, architectures: [name] }
      expect(await numbers((await modelFrom(config, source)).forward(input).logits!)).toEqual(expected)
    }
  })

  test("untied output weights are weights of their own", async () => {
    const config = { ...configOf("bert-masked-lm"), tie_word_embeddings: false }
    const word = "bert.embeddings.word_embeddings.weight"
    const source = renamed("bert-masked-lm", one => one)
    const both = {
      names: [...source.names, "cls.predictions.decoder.weight"],
      info: (one: string) => source.info(one === "cls.predictions.decoder.weight" ? word : one),
      read: (one: string) => source.read(one === "cls.predictions.decoder.weight" ? word : one),
    }
    const untied = await modelFrom(config, both)
    const tied = await modelFrom(configOf("bert-masked-lm"), source)
    expect(untied.parameterCount()).toBe(tied.parameterCount() + 99 * 32)
    const input = ids([1, 2, 3])
    expect(await numbers(untied.forward(input).logits!)).toEqual(await numbers(tied.forward(input).logits!))
    await expect(modelFrom(config, source)).rejects.toThrow(/no cls\.predictions\.decoder\.weight/)
  })
})

const allHeads = [
  ...["masked", "pretraining", "nextSentence", "classification", "tokenClassification", "questionAnswering"].map(
    head => ["bert", head] as const,
  ),
  ...(["roberta", "distilbert"] as const).flatMap(name =>
    ["masked", "classification", "tokenClassification", "questionAnswering"].map(head => [name, head] as const),
  ),
]

/** What a head is trained with, for two rows of six tokens. */
function answersFor(head: string): Record<string, Tensor> {
  const tokens = { labels: ids([1, -100, 1, 0, 1, -100], [-100, 0, 0, -100, 1, 1]) }
  if (head === "pretraining") return { ...tokens, nextSentenceLabel: vector(0, 1) }
  if (head === "questionAnswering") return { startPositions: vector(1, 2), endPositions: vector(2, 40) }
  return head === "masked" || head === "tokenClassification" ? tokens : { labels: vector(1, 0) }
}

describe.each(allHeads)("%s, %s", (name, head) => {
  const model = makers[name](head)
  const input = ids(row, [4, 4, 7, 8, 9, 5])

  test("every weight has a gradient", async () => {
    const { loss } = model.forward(input, answersFor(head))
    const gradients = await evaluateOn("reference", grad(loss!, model.parameters()))
    // what is added to the scores of all tokens alike changes no softmax over them
    const without = head === "questionAnswering" ? "head.score.bias" : ""
    for (const [i, path] of [...model.namedParameters().keys()].entries())
      if (path !== without)
        expect(
          [...gradients[i]!].some(x => x !== 0),
          path,
        ).toBe(true)
  })

  test("dropout acts in training only", async () => {
    const output = (m: TextEncoder): Tensor => {
      const { logits, startLogits } = m.forward(input)
      return (logits ?? startLogits)!
    }
    const run = (seed: number): Promise<number[]> => withRandom(randomKey(seed), () => numbers(output(model)))
    expect(await run(1)).toEqual(await run(2))
    model.train()
    const trained = withRandom(randomKey(1), () => output(model))
    const other = withRandom(randomKey(2), () => output(model))
    model.eval()
    expect(await numbers(trained)).not.toEqual(await numbers(other))
  })

  test("padding changes nothing, and options of other heads are refused", async () => {
    const padToken = Number(model.config.padToken)
    const padded = ids([...row, padToken, padToken])
    const attentionMask = ids([1, 1, 1, 1, 1, 1, 0, 0])
    const [alone, beside] = [model.forward(ids(row)), model.forward(padded, { attentionMask })]
    expectClose(await numbers(beside.hidden.slice(1, 0, row.length)), await numbers(alone.hidden))
    const foreign = head === "questionAnswering" ? { labels: vector(0) } : { startPositions: vector(0) }
    expect(() => model.forward(ids(row), foreign)).toThrow(/expected no (labels|startPositions).*\n.*it takes/)
  })
})

test("inner values have stable names", () => {
  const model = makers.bert("pooled")
  const names = tapNames([model.forward(ids(row)).pooled!])
  for (const wanted of ["hidden.0", "hidden.2", "blocks.1.attention.pattern", "blocks.0.middle"])
    expect(names).toContain(wanted)
})

test("an attention mask over pairs of tokens", async () => {
  const model = makers.bert("none")
  const causal = [0, 1, 2].map(t => [0, 1, 2].map(s => (s <= t ? 1 : 0)))
  const attentionMask = fromHost(Int32Array.from(causal.flat()), [1, 3, 3], "i32")
  const whole = await numbers(model.forward(ids([3, 4, 5]), { attentionMask }).hidden)
  const first = await numbers(model.forward(ids([3])).hidden)
  expectClose(whole.slice(0, 16), first)
})

test("RoBERTa counts positions beside padding, wherever it lies", async () => {
  const model = makers.roberta("none")
  const left = model.forward(ids([1, 1, 5, 6, 7]), { attentionMask: ids([0, 0, 1, 1, 1]) })
  const right = model.forward(ids([5, 6, 7, 1, 1]), { attentionMask: ids([1, 1, 1, 0, 0]) })
  expectClose(await numbers(left.hidden.slice(1, 2, 5)), await numbers(right.hidden.slice(1, 0, 3)))
})

test("DistilBERT may begin with sinusoids that are not trained", async () => {
  const model = distilbert.build({ ...small, context: 12, sinusoidalPositions: true })
  expect(model.trainableParameters()).not.toContain(model.embeddings.positions.weight)
  const table = await numbers(model.embeddings.positions.weight)
  expectClose(table.slice(16, 18), [Math.sin(1), Math.cos(1)])
})

test("what does not fit is refused in words", () => {
  const model = makers.bert("tokenClassification")
  expect(() => model.forward(ids(new Array<number>(13).fill(1)))).toThrow(/at most 12 tokens.*got 13: 1 too many/s)
  expect(() => model.forward(ids(row), { labels: vector(1) })).toThrow(/labels: expected \[1 6\].*got \[1\]/)
  expect(() => makers.distilbert("none").forward(ids(row), { tokenTypeIds: ids(row) })).toThrow(/no tokenTypeIds/)
  expect(() => makers.bert("questionAnswering").forward(ids(row), { startPositions: vector(1) })).toThrow(
    /startPositions and endPositions, but got only startPositions/,
  )
  expect(() => roberta.build({ ...small, positions: 2 })).toThrow(/at least 3 positions, but got 2/)
  expect(textEncoder("fill", model)).toBeInstanceOf(TextEncoder)
  expect(() => textEncoder("fill", gpt2.build({ vocabulary: 5, context: 4, width: 4, layers: 1, heads: 1 }))).toThrow(
    /fill: expected a model that reads text in both directions, but got gpt2 \(causal\)/,
  )
})

test("weights that are missing begin at random on request", async () => {
  const model = bert.build(bert.readConfig(configOf("bert-model"), { head: "classification" }))
  const source = renamed("bert-model", one => one)
  await expect(loadWeights(model, bert, source)).rejects.toThrow(/no classifier\.weight/)
  await loadWeights(model, bert, source, { partial: true })
  expect(model.forward(ids([1, 2])).logits!.shape).toEqual([1, 2])
})
