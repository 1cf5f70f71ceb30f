// What folders of the hub have in common: how one is told here, files of tokenizers, calls.

import { readFileSync } from "node:fs"
import type { PublishedConfig } from "../../../src/models/index.ts"
import { byteCharacters } from "../../../src/text/byte-alphabet.ts"
import { hubConfigs as decoders } from "../decoder-configs.ts"
import { hubConfigs as encoderDecoders } from "../hub-configs.ts"

/** One call of a pipeline and what its answer has: `{ any: "text" }` is any text, "list" any list, "five" a list of five. */
export interface HubCall {
  readonly task: string
  readonly inputs: readonly unknown[]
  readonly answer: unknown
}

/** One folder. */
export interface HubFolder {
  readonly config: PublishedConfig
  /** Other files, by name: JSON values, texts as bytes. */
  readonly files: Readonly<Record<string, unknown>>
  /** What the weights are in. Default "bin". */
  readonly weights?: "bin" | "row" | "safetensors"
  /** The name in the old file of each weight as it is published today; null: it is not there. */
  readonly old?: (name: string) => string | null
  /** What the file holds besides: sizes by name. */
  readonly extra?: Readonly<Record<string, readonly number[]>>
  readonly calls: readonly HubCall[]
}

export const data = (file: string): Uint8Array => readFileSync(new URL(`../../text/data/${file}`, import.meta.url))

export const lines = (...texts: readonly string[]): Uint8Array => new TextEncoder().encode(`${texts.join("\n")}\n`)

export const words =
  "the a is in city capital of france paris hello world my name clara and i live berkeley this movie great"

export const wordPieces = lines(
  "[PAD]",
  ...Array.from({ length: 5 }, (_, i) => `[unused${i}]`),
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  ...words.split(" "),
  ..."abcdefghijklmnopqrstuvwxyz0123456789.,?!'".split("").flatMap(letter => [letter, `##${letter}`]),
)

export const bertFiles = {
  "vocab.txt": wordPieces,
  "tokenizer_config.json": { do_lower_case: true, model_max_length: 64 },
}

export const byteVocabulary = (before: readonly string[], after: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    [...before, ...byteCharacters, "he", "Ġt", "Ġthe", "in", "Ġa", ...after].map((token, id) => [token, id]),
  )

export const merges = lines("#version: 0.2", "h e", "Ġ t", "Ġt he", "i n", "Ġ a")

export const gpt2Files = {
  "vocab.json": byteVocabulary([], ["<|endoftext|>"]),
  "merges.txt": merges,
  "tokenizer_config.json": { model_max_length: 1024 },
  "generation_config.json": {
    _from_model_config: true,
    bos_token_id: 261,
    eos_token_id: 261,
    transformers_version: "4.26.0.dev0",
  },
}

export const robertaFiles = {
  "vocab.json": byteVocabulary(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]),
  "merges.txt": merges,
}

export const pictureFiles = {
  "preprocessor_config.json": {
    do_normalize: true,
    do_resize: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    size: 32,
  },
}

export const picture = {
  width: 40,
  height: 30,
  channels: 3,
  data: Uint8Array.from({ length: 3600 }, (_, i) => i % 251),
}

export const decoder = (name: string): PublishedConfig => decoders.find(one => one.name === name)!.published

export const encoderDecoder = (name: string): PublishedConfig => encoderDecoders[name]!.published

export const tiny = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2, max_position_embeddings: 64 }

export const tinyTwoStacks = {
  d_model: 16,
  decoder_attention_heads: 2,
  decoder_ffn_dim: 32,
  decoder_layers: 1,
  encoder_attention_heads: 2,
  encoder_ffn_dim: 32,
  encoder_layers: 1,
  num_hidden_layers: 1,
  max_position_embeddings: 64,
}

export const anyText = { any: "text" }

export const written = { generated_text: anyText }

export const write = (task: string, text: string, field: string): HubCall => ({
  task,
  inputs: [text, { max_new_tokens: 3 }],
  answer: [{ [field]: anyText }],
})

export const goOn = (text: string): HubCall => ({
  task: "text-generation",
  inputs: [text, { max_new_tokens: 3, do_sample: false }],
  answer: [written],
})

export const chat: HubCall = {
  task: "text-generation",
  inputs: [[{ role: "user", content: "hello" }], { max_new_tokens: 2, do_sample: false }],
  answer: [
    {
      generated_text: [
        { role: "user", content: "hello" },
        { role: "assistant", content: anyText },
      ],
    },
  ],
}

export const gammas = (name: string): string =>
  name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta")

export const without =
  (prefix: string) =>
  (name: string): string =>
    name.startsWith(prefix) ? name.slice(prefix.length) : name
