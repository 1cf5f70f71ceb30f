// A training session as commands describe it: which text, which tokenizer, which model; built new, or again from a run folder.

import { stat } from "node:fs/promises"
import { z } from "zod"
import { declare, nearestName, option, type ValuesOf } from "../config/index.ts"
import {
  joinTexts,
  readCsv,
  readJsonl,
  readLines,
  readTexts,
  TokenDataset,
  worldText,
  worldTokenizer,
} from "../data/index.ts"
import { readTextFile } from "../files/index.ts"
import { gpt2, type LanguageModel, llama } from "../models/index.ts"
import { CharacterTokenizer, type Tokenizer, trainByteLevel, WordTokenizer } from "../text/index.ts"
import { openTokenizer } from "./models.ts"
import { CommandError } from "./terminal.ts"

const tokenizerKinds = ["auto", "character", "word", "bpe"] as const

/** Which text a run learns from, and how it is cut into tokens. */
export const dataOptions = declare(
  {
    data: option(
      z.string().optional(),
      "A text file (.txt, or anything), JSONL or CSV to learn from; the tiny world unless given",
    ),
    field: option(z.string().optional(), "JSONL and CSV: the field or column that holds the text (text)"),
    stories: option(z.int().min(10), "Tiny world: how many stories are told", { default: 8000 }),
    worldSeed: option(z.int().min(0), "Tiny world: which stories", { default: 1 }),
    tokenizer: option(
      z.enum(tokenizerKinds).or(z.string()),
      "auto, character, word, bpe, or a folder with a tokenizer.json; auto is word for the tiny world, else character",
      { default: "auto" },
    ),
    vocabulary: option(z.int().min(260), "bpe: tokens of the vocabulary", { default: 1024, alias: "vocabSize" }),
    heldOut: option(z.number().gt(0).lt(1), "Share of the text that is held out for evaluation", {
      default: 0.1,
      alias: "validationSplit",
    }),
  },
  "data",
)

/** The shape of a new model. */
export const shapeOptions = declare(
  {
    model: option(z.enum(["gpt2", "llama"]), "Family of the model", { default: "gpt2" }),
    layers: option(z.int().min(1), "Blocks", { default: 4, alias: "nLayer" }),
    heads: option(z.int().min(1), "Attention heads", { default: 4, alias: "nHead" }),
    keyValueHeads: option(z.int().min(1).optional(), "llama: key/value heads; as many as heads unless given", {
      alias: "groups",
    }),
    width: option(z.int().min(1), "Width of the residual stream", { default: 128, alias: "nEmbd" }),
    inner: option(
      z.int().min(1).optional(),
      "Width of feed-forward layers; 4 times the width (llama: 8/3) unless given",
    ),
    dropout: option(z.number().min(0).lt(1), "Rate of dropped elements in training", { default: 0 }),
  },
  "model",
)

export type DataValues = ValuesOf<typeof dataOptions>
export type ShapeValues = ValuesOf<typeof shapeOptions>

/** Where a text comes from: opened anew each time it is read. */
function openText({ data, field, stories, worldSeed }: DataValues): () => AsyncIterable<string> {
  if (data === undefined) {
    if (field !== undefined) throw new CommandError("data: expected --data with --field, but got the tiny world")
    return async function* () {
      yield worldText(worldSeed, stories)
    }
  }
  const records =
    data.endsWith(".jsonl") || data.endsWith(".ndjson") ? readJsonl : data.endsWith(".csv") ? readCsv : null
  if (!records) {
    if (field !== undefined) throw new CommandError(`data: expected .jsonl or .csv with --field, but got ${data}`)
    return () => readTextFile(data)
  }
  const options = field === undefined ? {} : { field }
  return () => joinTexts(readTexts(records(readLines(readTextFile(data))), options), "\n")
}

async function whole(chunks: AsyncIterable<string>): Promise<string> {
  const parts: string[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return parts.join("")
}

async function makeTokenizer(values: DataValues, open: () => AsyncIterable<string>): Promise<Tokenizer> {
  const kind = values.tokenizer === "auto" ? (values.data === undefined ? "word" : "character") : values.tokenizer
  if (kind === "character") return CharacterTokenizer.fromStream(open())
  if (kind === "bpe") return trainByteLevel(open(), { vocabularySize: values.vocabulary })
  if (kind === "word") return values.data === undefined ? worldTokenizer() : WordTokenizer.fromText(await whole(open()))
  const near = nearestName(kind, tokenizerKinds)
  if (!(await stat(kind).catch(() => null))?.isDirectory())
    throw new CommandError(
      `--tokenizer: expected ${tokenizerKinds.join(", ")} or a folder with a tokenizer.json, but got ${kind}`,
      near?.close ? `did you mean ${near.name}?` : "there is no such folder",
    )
  return openTokenizer(kind)
}

/** The tokens a run learns from and is measured on. */
export interface Corpus {
  readonly tokenizer: Tokenizer
  readonly train: TokenDataset
  readonly validation: TokenDataset
  /** The text is the tiny world's: one story a line. */
  readonly isWorld: boolean
}

/** Reads the text of a run and cuts it into tokens, with `tokenizer` when it is known already. */
export async function openCorpus(values: DataValues, context: number, known?: Tokenizer): Promise<Corpus> {
  const open = openText(values)
  const tokenizer = known ?? (await makeTokenizer(values, open))
  const all = await TokenDataset.fromText(tokenizer, open())
  const { train, validation } = all.split(values.heldOut, context + 1)
  return { tokenizer, train, validation, isWorld: values.data === undefined }
}

/** A new model of a shape. */
export function makeModel(shape: ShapeValues, vocabulary: number, context: number, seed: number): LanguageModel {
  const { model, layers, heads, keyValueHeads, width, inner, dropout } = shape
  if (model === "gpt2") {
    if (keyValueHeads !== undefined)
      throw new CommandError("model gpt2: expected no --key-value-heads, but got it", "use --model llama")
    const rates = { embeddingDropout: dropout, residualDropout: dropout, attentionDropout: dropout }
    return gpt2.build({ vocabulary, context, layers, heads, width, inner: inner ?? null, ...rates }, { seed })
  }
  if (dropout > 0) throw new CommandError("model llama: expected no dropout, but got it", "use --model gpt2")
  // two thirds of 4 D for each of gate and up, in whole multiples of 32 (Shazeer 2020)
  const gated = inner ?? Math.ceil((width * 8) / 3 / 32) * 32
  const sizes = { vocabulary, context, layers, heads, groups: keyValueHeads ?? heads, width, inner: gated }
  return llama.build(sizes, { seed })
}
