// The model of a tokenizer.json: which of the four kinds it is, and whether what it holds can be one.
import { TextError } from "./errors.ts"
import { PairModel } from "./pair-model.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"
import { UnigramModel } from "./unigram.ts"
import { type PieceModel, WordLevelModel, WordPieceModel } from "./vocabulary-models.ts"

/** A model with its vocabulary. */
export interface ReadModel {
  readonly kind: "WordPiece" | "BPE" | "Unigram" | "WordLevel"
  readonly model: PieceModel
  readonly ids: ReadonlyMap<string, number>
  /** Tokens by id; an id that no token has is absent. */
  readonly tokens: readonly (string | undefined)[]
  readonly unknownId: number | undefined
}

/** The model of a tokenizer.json, reading bytes where its splitter says so; null where it is of no known kind. Throws TextError. */
export function readModel(json: TokenizerPartJson, bytes: boolean): ReadModel | null {
  const kind = kindOf(json)
  if (kind === null || json.continuing_subword_suffix != null) return null
  if (kind === "Unigram") return bytes ? null : readUnigram(json)
  const ids = new Map(Object.entries(json.vocab as Record<string, number>))
  const tokens: (string | undefined)[] = []
  for (const [token, id] of ids) tokens[id] = token
  const unknownId = typeof json.unk_token === "string" ? ids.get(json.unk_token) : undefined
  const read = (model: PieceModel): ReadModel => ({ kind, model, ids, tokens, unknownId })
  if (kind === "BPE")
    return read(
      new PairModel({
        ids,
        merges: readMerges(json.merges),
        unknownId,
        bytes,
        prefix: text(json.continuing_subword_prefix),
        suffix: text(json.end_of_word_suffix),
        byteFallback: json.byte_fallback === true,
        fuseUnknown: json.fuse_unk === true,
        ignoreMerges: json.ignore_merges === true,
      }),
    )
  if (bytes) return null
  if (kind === "WordLevel") return read(new WordLevelModel(ids, unknownId))
  const longestWord = typeof json.max_input_chars_per_word === "number" ? json.max_input_chars_per_word : 100
  const prefix = typeof json.continuing_subword_prefix === "string" ? json.continuing_subword_prefix : "##"
  return read(new WordPieceModel({ ids, unknownId, prefix, longestWord }))
}

const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** Files of early versions name no type; what they hold tells it. */
function kindOf(json: TokenizerPartJson): ReadModel["kind"] | null {
  const { type } = json
  if (Array.isArray(json.vocab)) return type === undefined || type === "Unigram" ? "Unigram" : null
  if (type === "BPE" || type === "WordPiece" || type === "WordLevel") return type
  if (type !== undefined) return null
  return Array.isArray(json.merges) ? "BPE" : "continuing_subword_prefix" in json ? "WordPiece" : null
}

function readMerges(merges: unknown): [left: string, right: string][] {
  if (!Array.isArray(merges)) throw broken("a BPE model with merges", merges)
  return merges.map((merge: unknown) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string" || typeof pair[1] !== "string")
      throw broken("merges of two tokens", merge)
    return [pair[0], pair[1]]
  })
}

function readUnigram(json: TokenizerPartJson): ReadModel {
  const pieces = (json.vocab as unknown[]).map((entry): [string, number] => {
    if (!Array.isArray(entry) || typeof entry[0] !== "string" || !Number.isFinite(entry[1]))
      throw broken("pieces with scores", entry)
    return [entry[0], entry[1] as number]
  })
  const { unk_id: unknown } = json
  if (
    unknown != null &&
    !(Number.isInteger(unknown) && (unknown as number) >= 0 && (unknown as number) < pieces.length)
  )
    throw broken(`an unk_id below ${pieces.length}`, unknown)
  const unknownId = unknown == null ? undefined : (unknown as number)
  return {
    kind: "Unigram",
    model: new UnigramModel({ pieces, unknownId, byteFallback: json.byte_fallback === true }),
    ids: new Map(pieces.map(([piece], id) => [piece, id])),
    tokens: pieces.map(([piece]) => piece),
    unknownId,
  }
}

function broken(expected: string, value: unknown): TextError {
  return new TextError(
    `tokenizer.json: expected ${expected}, but got ${(JSON.stringify(value) ?? String(value)).slice(0, 80)}`,
    "the file is broken: fetch it again",
  )
}
