// Small models with random weights as Hugging Face folders, by the name that pages of docs call them: path/to/sentiment and so on.

import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import {
  bart,
  bert,
  gpt2,
  type Model,
  saveModel,
  t5,
  visionEncoderDecoder,
  vit,
  wav2vec2,
  whisper,
} from "../../src/models/index.ts"
import { CharacterTokenizer, chatML, type Tokenizer } from "../../src/text/index.ts"
import { small, wordTokenizer } from "./learn.ts"
import { smallHearing, smallWhisper, whisperPreprocessor, whisperTokenizer } from "./speech.ts"

const text =
  "I love this film . What a waste of time ! Ada Lovelace was born in London and worked with Charles Babbage . Where was Ada born ? " +
  "The capital of France is Paris . A man is playing a guitar . Someone plays music . The weather is nice today , and the birds sing ."

/** What belongs to a folder beside the model. */
interface Folder {
  readonly model: Model
  readonly tokenizer?: Tokenizer
  readonly files?: Readonly<Record<string, unknown>>
}

const words = wordTokenizer([text, "This example is ."])
const characters = CharacterTokenizer.fromText(
  `${text}<|im_start|>user assistant system\n${"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'-?:"}`,
)

const encoder = (head: string, labels?: readonly string[]): Folder => ({
  model: bert.build({
    ...small,
    head: head as "masked",
    vocabulary: words.vocabularySize,
    ...(labels ? { labels: [...labels] } : {}),
  }),
  tokenizer: words,
})

const seq2seq = (): Folder => {
  const { inner, layers, heads, ...sizes } = small
  const model = bart.build({
    ...sizes,
    encoderLayers: layers,
    decoderLayers: layers,
    encoderInner: inner,
    decoderInner: inner,
    encoderHeads: heads,
    decoderHeads: heads,
    vocabulary: words.vocabularySize,
    padToken: 0,
    beginToken: 2,
    endToken: 3,
    startToken: 3,
  })
  return { model, tokenizer: words }
}

const picture = { image: 32, patch: 8, width: 32, layers: 2, heads: 2, inner: 64 }
const pictureFile = {
  "preprocessor_config.json": { image_processor_type: "ViTImageProcessor", size: { height: 32, width: 32 } },
}
const letters = ["<pad>", "<s>", "</s>", "<unk>", "|", ..."ETAONIHSRDLUMWCFGYPBVKXJQZ", "'"]
const spoken = whisperTokenizer(2)

const makers: Readonly<Record<string, () => Folder>> = {
  sentiment: () => encoder("classification", ["NEGATIVE", "POSITIVE"]),
  ner: () => encoder("tokenClassification", ["O", "B-PER", "I-PER", "B-LOC"]),
  "masked-model": () => encoder("masked"),
  squad: () => encoder("questionAnswering"),
  nli: () => encoder("classification", ["contradiction", "neutral", "entailment"]),
  "sentence-vectors": () => encoder("none"),
  chat: () => ({
    model: gpt2.build({ vocabulary: characters.vocabularySize, context: 512, width: 32, layers: 2, heads: 2 }),
    tokenizer: characters,
    files: { "tokenizer_config.json": { ...characters.configuration(), chat_template: chatML } },
  }),
  summarizer: seq2seq,
  translator: seq2seq,
  t5: () => ({
    model: t5.build({
      vocabulary: words.vocabularySize,
      width: 32,
      layers: 2,
      heads: 2,
      headWidth: 16,
      inner: 48,
      padToken: 0,
      endToken: 3,
    } as never),
    tokenizer: words,
  }),
  pictures: () => ({
    model: vit.build({ ...picture, head: "classification", labels: ["cat", "dog", "bird"] }),
    files: pictureFile,
  }),
  captioner: () => ({
    model: visionEncoderDecoder.build({
      encoder: { family: "vit", ...picture },
      decoder: {
        family: "gpt2",
        vocabulary: words.vocabularySize,
        context: 16,
        width: 32,
        layers: 2,
        heads: 2,
        crossAttention: true,
      },
      startToken: 2,
      beginToken: 2,
      endToken: 3,
      padToken: 0,
    }),
    tokenizer: words,
    files: pictureFile,
  }),
  speech: () => ({
    model: whisper.build(smallWhisper(spoken, 2)),
    tokenizer: spoken,
    files: { "preprocessor_config.json": whisperPreprocessor(2) },
  }),
  // as such models are published: letters in vocab.json, no tokenizer.json
  letters: () => ({
    model: wav2vec2.build(smallHearing(letters.length)),
    files: {
      "vocab.json": Object.fromEntries(letters.map((letter, i) => [letter, i])),
      "tokenizer_config.json": { tokenizer_class: "Wav2Vec2CTCTokenizer", pad_token: "<pad>", unk_token: "<unk>" },
      "preprocessor_config.json": {
        feature_extractor_type: "Wav2Vec2FeatureExtractor",
        sampling_rate: 16000,
        do_normalize: true,
      },
    },
  }),
}

/** Names of the folders that can be made. */
export const folderNames = Object.keys(makers)

/** Makes a folder in another, and gives its path. */
export async function makeFolder(name: string, inside: string): Promise<string> {
  const path = join(inside, name)
  const { model, tokenizer, files = {} } = makers[name]!()
  await mkdir(path, { recursive: true })
  await saveModel(model, path)
  const all = {
    ...(tokenizer ? { "tokenizer.json": tokenizer.toJSON(), "tokenizer_config.json": tokenizer.configuration() } : {}),
    ...files,
  }
  for (const [file, value] of Object.entries(all)) await writeFile(join(path, file), JSON.stringify(value))
  return path
}
