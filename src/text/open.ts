// Opens the tokenizer of a Hugging Face folder, new or old, from a function that reads its files: no file system is needed here.
import { deepestNesting, isTooDeep } from "../config/index.ts"
import { TextError } from "./errors.ts"
import { loadTokenizer } from "./load.ts"
import { type FolderSettings, fromSentencePiece, sentencePieceFiles } from "./older-sentencepiece.ts"
import type { OlderTokenizer } from "./older-template.ts"
import { fromVocabularies } from "./older-vocabularies.ts"
import type { Tokenizer, TokenizerConfiguration } from "./tokenizer.ts"

/** Gives the bytes of a file of the folder by its name, or null where there is none. */
export type ReadFile = (name: string) => Promise<Uint8Array | null> | Uint8Array | null

/** How a folder's tokenizer is opened. */
export interface OpenTokenizerOptions {
  /** Translation models may cut the two languages differently (source.spm, target.spm): which side. Default "source". */
  readonly side?: "source" | "target"
  /** What the folder is called in messages; none by default. */
  readonly name?: string
}

/**
 * The tokenizer of a folder: its tokenizer.json, or what older folders have instead: vocab.txt (BERT), vocab.json and merges.txt (GPT-2,
 * RoBERTa, BART, CLIP, GPT), or a SentencePiece model (T5, Llama, Marian, mBART, Pegasus …). Which template belongs to it is told by
 * tokenizer_config.json and config.json. Throws TextError for a folder without one, and for broken files.
 */
export async function openTokenizer(readFile: ReadFile, options: OpenTokenizerOptions = {}): Promise<Tokenizer> {
  const { side = "source", name } = options
  try {
    return await openFolder(readFile, side)
  } catch (problem) {
    if (name === undefined || !(problem instanceof TextError)) throw problem
    const [message] = problem.message.split("\n  hint: ")
    throw new TextError(`${name}: ${message}`, problem.hint, { cause: problem })
  }
}

async function openFolder(readFile: ReadFile, side: "source" | "target"): Promise<Tokenizer> {
  const name = "tokenizer"
  const configuration = await readSettings(readFile)
  const json = await readJson(readFile, "tokenizer.json")
  if (json !== null) return loadTokenizer(json, configuration)
  const model = (await readJson(readFile, "config.json")) as TokenizerConfiguration | null
  const settings: FolderSettings = {
    configuration,
    family: familyOf(configuration, model ?? {}, name),
    added: await readAdded(readFile, configuration),
    side,
    name,
  }
  const older = await readOlder(readFile, settings)
  if (older === null)
    throw new TextError(
      `${name}: expected tokenizer.json, vocab.txt, vocab.json with merges.txt, or a SentencePiece model (${sentencePieceFiles.join(", ")}), but got none of them`,
      "is it the folder of a model, and is its tokenizer there?",
    )
  return loadTokenizer(older.json, { ...older.defaults, ...configuration })
}

async function readOlder(readFile: ReadFile, settings: FolderSettings): Promise<OlderTokenizer | null> {
  const files = [`${settings.side}.spm`, ...sentencePieceFiles]
  for (const file of files) {
    const bytes = await readFile(file)
    if (bytes === null) continue
    const vocabulary = file.endsWith(".spm") ? await readVocabularyFile(readFile, "vocab.json") : null
    return fromSentencePiece(bytes, file, vocabulary, settings)
  }
  const lines = await readText(readFile, "vocab.txt")
  const vocabulary = await readVocabularyFile(readFile, "vocab.json")
  const merges = await readText(readFile, "merges.txt")
  if (lines === null && vocabulary === null) return null
  return fromVocabularies(lines, vocabulary, merges, settings)
}

/** tokenizer_config.json, with what special_tokens_map.json and chat_template.jinja add to it. */
async function readSettings(readFile: ReadFile): Promise<TokenizerConfiguration> {
  const configuration = (await readJson(readFile, "tokenizer_config.json")) ?? {}
  const special = (await readJson(readFile, "special_tokens_map.json")) ?? {}
  const template = await readText(readFile, "chat_template.jinja")
  return { ...special, ...configuration, ...(template === null ? {} : { chat_template: template }) }
}

/** Whose tokenizer it is: "bert", "gpt2", "t5" … */
function familyOf(configuration: TokenizerConfiguration, model: TokenizerConfiguration, name: string): string | null {
  const { tokenizer_class: named } = configuration
  const { decoder } = model // of models that see and write, the one that writes
  const written = typeof decoder === "object" && decoder !== null ? (decoder as TokenizerConfiguration) : model
  const { model_type: type } = written
  if (typeof named === "string" && !/^PreTrainedTokenizer/.test(named))
    return named
      .replace(/Tokenizer(Fast)?$/, "")
      .replace(/CTC$/, "")
      .toLowerCase()
  if (type !== undefined && typeof type !== "string")
    throw new TextError(`${name}: expected config.json with a model_type, but got ${JSON.stringify(type)}`)
  return typeof type === "string" ? type.toLowerCase().replace(/[-_]/g, "") : null
}

/** Tokens beside the vocabulary: added_tokens.json, and added_tokens_decoder of tokenizer_config.json. */
async function readAdded(readFile: ReadFile, configuration: TokenizerConfiguration): Promise<FolderSettings["added"]> {
  const added: FolderSettings["added"][number][] = []
  for (const [content, id] of Object.entries((await readJson(readFile, "added_tokens.json")) ?? {}))
    added.push({ id: checkId(id, content), content, special: false, normalized: false })
  const { added_tokens_decoder: decoder } = configuration
  if (typeof decoder !== "object" || decoder === null) return added
  for (const [id, token] of Object.entries(decoder)) {
    const { content, ...flags } = (token ?? {}) as { content?: unknown }
    if (typeof content !== "string")
      throw new TextError(`tokenizer_config.json: expected added_tokens_decoder with contents, but ${id} has none`)
    const at = added.findIndex(known => known.content === content)
    if (at >= 0) added.splice(at, 1)
    added.push({ ...flags, id: checkId(Number(id), content), content })
  }
  return added
}

function checkId(id: unknown, token: string): number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 1 << 24) return id
  throw new TextError(
    `added tokens: expected ids from 0 to ${(1 << 24) - 1}, but got ${id} for ${JSON.stringify(token)}`,
  )
}

async function readText(readFile: ReadFile, file: string): Promise<string | null> {
  const bytes = await readFile(file)
  if (bytes === null) return null
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new TextError(`${file}: expected UTF-8 text, but got other bytes`, "the file is damaged: fetch it again", {
      cause,
    })
  }
}

async function readJson(readFile: ReadFile, file: string): Promise<Record<string, unknown> | null> {
  const text = await readText(readFile, file)
  if (text === null) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TextError(
      `${file}: expected JSON, but ${(cause as Error).message}`,
      "the file is damaged: fetch it again",
      { cause },
    )
  }
  if (isTooDeep(value))
    throw new TextError(
      `${file}: expected lists and objects nested at most ${deepestNesting} deep, but got deeper ones`,
      "the file is damaged: fetch it again",
    )
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new TextError(`${file}: expected an object, but got ${Array.isArray(value) ? "a list" : JSON.stringify(value)}`)
}

async function readVocabularyFile(readFile: ReadFile, file: string): Promise<Map<string, number> | null> {
  const json = await readJson(readFile, file)
  if (json === null) return null
  const entries = Object.entries(json)
  for (const [token, id] of entries) checkId(id, token)
  if (entries.length === 0) throw new TextError(`${file}: expected tokens with ids, but got none`)
  return new Map(entries as [string, number][])
}
