// AutoTokenizer: a tokenizer that is called with texts and gives what models are called with, as in transformers.

import { HeedError, ShapeError, ValueError } from "../../tensor/index.ts"
import { type Encoding, padEncodings, type Tokenizer } from "../../text/index.ts"
import { HostTensor } from "../host-tensor.ts"
import { openBeside } from "../open.ts"
import { openingOf, type PipelineOptions } from "../opening.ts"
import type { FolderFile } from "../task.ts"
import { type ChatCall, chatTexts } from "./chat.ts"
import { saveFiles } from "./save.ts"
import { type SpecialTokens, specialTokens } from "./special-tokens.ts"
import { cutting, type TokenizerValues, tokenizerOptions } from "./tokenizer-options.ts"

/** Options of a call under any of their names. */
export type TokenizerCall = { readonly [name: string]: unknown }

/** What a model is called with, [texts, tokens] each. */
export type Encoded = {
  readonly input_ids: HostTensor<Int32Array>
  readonly attention_mask: HostTensor<Int32Array>
  readonly token_type_ids?: HostTensor<Int32Array>
}

/** Ids of a text, in any form that models and tokenizers give. */
export type Ids = ArrayLike<number | bigint> | HostTensor<Int32Array>

/** How ids become text. */
export interface DecodeCall {
  readonly skip_special_tokens?: boolean
}

/** A tokenizer as a function. */
export interface PretrainedTokenizer extends SpecialTokens {
  (texts: string | readonly string[], options?: TokenizerCall): Encoded
  /** heed's own tokenizer. */
  readonly tokenizer: Tokenizer
  /** Tokens of a text at most; Infinity where the tokenizer names none. */
  readonly model_max_length: number
  readonly chat_template: unknown
  encode(text: string, options?: TokenizerCall): number[]
  /** Tokens as the vocabulary spells them. */
  tokenize(text: string, options?: TokenizerCall): string[]
  decode(ids: Ids, options?: DecodeCall): string
  batch_decode(rows: HostTensor<Int32Array> | readonly Ids[], options?: DecodeCall): string[]
  convert_tokens_to_ids(tokens: string): number | undefined
  convert_tokens_to_ids(tokens: readonly string[]): (number | undefined)[]
  convert_ids_to_tokens(ids: Ids): string[]
  apply_chat_template: ChatCall
  /** Writes tokenizer.json and tokenizer_config.json into a folder. */
  save_pretrained(folder: string): Promise<void>
}

/** What is known of a tokenizer besides itself. */
export interface TokenizerSettings {
  readonly tokenizerConfig?: FolderFile
  readonly published?: FolderFile
}

/** A tokenizer as transformers calls it. */
export function pretrainedTokenizer(tokenizer: Tokenizer, settings: TokenizerSettings = {}): PretrainedTokenizer {
  const configuration = { ...tokenizer.configuration(), ...settings.tokenizerConfig }
  const longest = longestOf(configuration)
  const special = specialTokens(tokenizer, configuration)
  const typed = hasTypes(tokenizer, configuration, settings.published ?? {})

  const encodings = (list: readonly string[], values: TokenizerValues): readonly Encoding[] => {
    const pairs = pairsOf(list, values.textPair)
    const cut = cutting(values, longest)
    const rows = list.map((text, i) =>
      tokenizer.encodeWithOffsets(text, { ...cut, ...(pairs ? { pair: pairs[i]! } : {}) }),
    )
    if (values.padding === false) return rows
    const fills = values.padding === "max_length"
    const length = fills ? Math.max(values.maxLength ?? longest, ...rows.map(({ ids }) => ids.length)) : undefined
    const whole = length ?? Math.max(...rows.map(({ ids }) => ids.length))
    if (rows.every(({ ids }) => ids.length === whole)) return rows
    const side = values.paddingSide ?? special.tokens.padding_side
    return padEncodings(rows, { padId: special.padId(), side, ...(length === undefined ? {} : { length }) })
  }

  const call = (texts: string | readonly string[], given: TokenizerCall = {}): unknown => {
    const values = tokenizerOptions.parse(given)
    const list = typeof texts === "string" ? [texts] : texts
    if (!Array.isArray(list) || list.length === 0)
      throw new ValueError(`tokenizer: expected a text or a list of texts, but got ${describe(texts)}`)
    const rows = encodings(list, values)
    const parts = {
      input_ids: rows.map(({ ids }) => ids),
      ...(values.returnAttentionMask
        ? { attention_mask: rows.map(({ attentionMask }) => Int32Array.from(attentionMask)) }
        : {}),
      ...((values.returnTokenTypeIds ?? typed) ? { token_type_ids: rows.map(({ typeIds }) => typeIds) } : {}),
    }
    const single = typeof texts === "string"
    return Object.fromEntries(
      Object.entries(parts).map(([name, data]) => [
        name,
        values.returnTensor ? matrix(data) : single ? [...data[0]!] : data.map(row => [...row]),
      ]),
    )
  }

  const idsOf = (text: string, given: TokenizerCall): Int32Array => {
    const values = tokenizerOptions.parse({ return_tensor: false, ...given })
    return encodings([text], values)[0]!.ids
  }
  const decode = (ids: Ids, { skip_special_tokens: skipSpecialTokens = false }: DecodeCall = {}): string =>
    tokenizer.decode(listOfIds(ids), { skipSpecialTokens })

  const methods = {
    tokenizer,
    model_max_length: longest,
    chat_template: configuration.chat_template ?? null,
    encode: (text: string, given: TokenizerCall = {}) => [...idsOf(text, given)],
    tokenize: (text: string, given: TokenizerCall = {}) =>
      [...idsOf(text, { add_special_tokens: false, ...given })].map(id => tokenizer.tokens[id]!),
    decode,
    batch_decode: (rows: HostTensor<Int32Array> | readonly Ids[], given: DecodeCall = {}) =>
      rowsOfIds(rows).map(row => decode(row, given)),
    convert_tokens_to_ids: (tokens: string | readonly string[]) =>
      typeof tokens === "string" ? tokenizer.tokenId(tokens) : tokens.map(token => tokenizer.tokenId(token)),
    convert_ids_to_tokens: (ids: Ids) => listOfIds(ids).map(id => tokenizer.tokens[id]!),
    apply_chat_template: chatTexts(configuration, call as (texts: readonly string[], given: TokenizerCall) => Encoded),
    save_pretrained: (folder: string) =>
      saveFiles(folder, { "tokenizer.json": tokenizer.toJSON(), "tokenizer_config.json": configuration }),
  }
  return Object.defineProperties(
    Object.assign(call, methods),
    Object.getOwnPropertyDescriptors(special.tokens),
  ) as unknown as PretrainedTokenizer
}

/** Tokens of a text at most, as published; without a limit files say a number beyond all texts. */
function longestOf({ model_max_length: most }: FolderFile): number {
  return typeof most === "number" && most > 0 && most < 1e9 ? most : Number.POSITIVE_INFINITY
}

/** Whether encodings come with segments: as published, else where the template tells two texts apart and the model reads it. */
function hasTypes({ template }: Tokenizer, { model_input_names: names }: FolderFile, published: FolderFile): boolean {
  if (Array.isArray(names)) return names.includes("token_type_ids")
  if (published.model_type === "distilbert") return false // BERT's tokenizer, but no segments
  return template.pair.some(item => item.kind === "token" && item.typeId > 0)
}

function pairsOf(list: readonly string[], pair: TokenizerValues["textPair"]): readonly string[] | null {
  if (pair === null) return null
  const pairs = typeof pair === "string" ? [pair] : pair
  if (pairs.length === list.length) return pairs
  throw new ShapeError(`tokenizer: expected a text_pair for each of ${list.length} texts, but got ${pairs.length}`)
}

function matrix(rows: readonly Int32Array[]): HostTensor<Int32Array> {
  const T = rows[0]!.length
  if (rows.some(row => row.length !== T))
    throw new ShapeError(
      `tokenizer: expected rows of one length for a tensor, but got ${rows.map(row => row.length).join(", ")} tokens`,
      "pass padding: true, or return_tensor: false for lists",
    )
  const data = new Int32Array(rows.length * T)
  for (const [i, row] of rows.entries()) data.set(row, i * T)
  return new HostTensor<Int32Array>("int32", data, [rows.length, T])
}

/** Ids of one text; a tensor of one row is one text. */
function listOfIds(ids: Ids): number[] {
  if (!(ids instanceof HostTensor)) return Array.from(ids, Number)
  if (ids.dims.length === 1 || ids.dims[0] === 1) return [...ids.data]
  throw new ShapeError(`decode: expected the ids of one text, but got [${ids.dims.join(" ")}]`, "use batch_decode")
}

function rowsOfIds(rows: HostTensor<Int32Array> | readonly Ids[]): readonly Ids[] {
  if (!(rows instanceof HostTensor)) return rows
  if (rows.dims.length === 2) return Array.from({ length: rows.dims[0]! }, (_, i) => rows.row(i))
  throw new ShapeError(`batch_decode: expected ids [texts, tokens], but got [${rows.dims.join(" ")}]`)
}

const describe = (value: unknown): string =>
  Array.isArray(value) ? "an empty list" : value === null ? "null" : typeof value

/** Opens tokenizers. */
export const AutoTokenizer = {
  /** The tokenizer of a folder, or of a model by its name, as a function. Throws FileError, TextError, HeedError. */
  async from_pretrained(
    nameOrFolder: string,
    options: Omit<PipelineOptions, "dtype" | "device"> = {},
  ): Promise<PretrainedTokenizer> {
    const { tokenizer, tokenizerConfig, published } = await openBeside(
      nameOrFolder,
      openingOf("AutoTokenizer", options),
    )
    if (tokenizer) return pretrainedTokenizer(tokenizer, { tokenizerConfig, published })
    throw new HeedError(
      `AutoTokenizer: expected a tokenizer in ${nameOrFolder}, but there is none`,
      "for models of pictures and sound there is AutoProcessor",
    )
  },
}
