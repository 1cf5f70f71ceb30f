// SentencePiece models of folders from before tokenizer.json (T5, Llama, Marian, mBART, Pegasus …), as the tokenizer.json that Hugging
// Face's converters make of them: where a family moves ids, adds tokens or has a template of its own, it stands here.
import { TextError } from "./errors.ts"
import { encodeBase64 } from "./normalizers.ts"
import { addedTokens, type OlderTokenizer, specialNames, template, vocabularyObject } from "./older-template.ts"
import { readSentencePiece, type SentencePieceModel } from "./sentencepiece.ts"
import type { AddedTokenJson, TokenizerConfiguration, TokenizerPartJson } from "./tokenizer.ts"

/** What is known of a folder besides its vocabulary. */
export interface FolderSettings {
  readonly configuration: TokenizerConfiguration
  /** Whose tokenizer it is, from tokenizer_class or model_type, in small letters: "bert", "gpt2", "t5"; null where nothing says. */
  readonly family: string | null
  readonly added: readonly AddedTokenJson[]
  readonly side: "source" | "target"
  readonly name: string
}

/** Names that SentencePiece models go by. */
export const sentencePieceFiles = ["spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model"]

/** How a family uses its SentencePiece model. */
interface Family {
  readonly special: Readonly<Record<string, string>>
  /** Items before and behind the text: template([...before, A, ...after]). */
  readonly before?: readonly string[]
  readonly after?: readonly string[]
  /** The template of two texts, where it is not A, after, B, after. */
  readonly pair?: readonly string[]
  /** Pieces with their scores in the order of the family's ids; default that of the file. */
  readonly pieces?: (model: SentencePieceModel, settings: FolderSettings) => Piece[]
  readonly normalizer?: (model: SentencePieceModel, settings: FolderSettings) => TokenizerPartJson | null
  readonly splitter?: TokenizerPartJson | null
  readonly decoder?: TokenizerPartJson
}

type Piece = [piece: string, score: number]

const blankMark = "▁"
const metaspace: TokenizerPartJson = {
  type: "Metaspace",
  replacement: blankMark,
  prepend_scheme: "always",
  split: true,
}
const plain = { unk_token: "<unk>", bos_token: "<s>", eos_token: "</s>" }
const padded = { ...plain, pad_token: "<pad>" }
const masked = { ...padded, sep_token: "</s>", cls_token: "<s>", mask_token: "<mask>" }

const asPublished = (model: SentencePieceModel): Piece[] =>
  model.pieces.map(({ piece, score }): Piece => [piece, score])

/** fairseq's dictionaries begin with four tokens of their own. */
const fairseq =
  (more: readonly string[]) =>
  (model: SentencePieceModel): Piece[] => [
    ["<s>", 0],
    ["<pad>", 0],
    ["</s>", 0],
    ["<unk>", 0],
    ...asPublished(model).slice(3),
    ...more.map((token): Piece => [token, 0]),
  ]

// the first 25 languages of mBART, in its order
const languages =
  "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN".split(
    " ",
  )
// the ones that mBART-50 adds
const moreLanguages =
  "af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI".split(
    " ",
  )

const fuse = [{ type: "ByteFallback" }, { type: "Fuse" }]
const blanksBack = { type: "Replace", pattern: { String: blankMark }, content: " " }

const llama: Family = {
  special: plain,
  before: ["<s>"],
  pair: ["<s>:0", "A:0", "<s>:1", "B:1"],
  normalizer: () => ({
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: blankMark },
      { type: "Replace", pattern: { String: " " }, content: blankMark },
    ],
  }),
  splitter: null,
  decoder: { type: "Sequence", decoders: [blanksBack, ...fuse, { type: "Strip", content: " ", start: 1, stop: 0 }] },
}

const families: Readonly<Record<string, Family>> = {
  t5: { special: { unk_token: "<unk>", eos_token: "</s>", pad_token: "<pad>" }, after: ["</s>"], pieces: t5Pieces },
  mt5: { special: { unk_token: "<unk>", eos_token: "</s>", pad_token: "<pad>" }, after: ["</s>"], pieces: t5Pieces },
  llama,
  mistral: llama,
  phi3: llama,
  gemma: {
    special: { unk_token: "<unk>", bos_token: "<bos>", eos_token: "<eos>", pad_token: "<pad>" },
    before: ["<bos>"],
    pair: ["<bos>:0", "A:0", "<bos>:1", "B:1"],
    normalizer: () => ({ type: "Replace", pattern: { String: " " }, content: blankMark }),
    splitter: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    decoder: { type: "Sequence", decoders: [blanksBack, ...fuse] },
  },
  xlmroberta: {
    special: masked,
    before: ["<s>"],
    after: ["</s>"],
    pair: ["<s>:0", "A:0", "</s>:0", "</s>:0", "B:0", "</s>:0"],
    pieces: fairseq(["<mask>"]),
  },
  mbart: { special: masked, after: ["</s>", "LANGUAGE"], pieces: fairseq([...languages, "<mask>"]) },
  mbart50: {
    special: masked,
    before: ["LANGUAGE"],
    after: ["</s>"],
    pieces: fairseq([...languages, ...moreLanguages, "<mask>"]),
  },
  pegasus: {
    special: {
      pad_token: "<pad>",
      eos_token: "</s>",
      unk_token: "<unk>",
      mask_token: "<mask_2>",
      mask_token_sent: "<mask_1>",
    },
    after: ["</s>"],
    pair: ["A:0", "B:0", "</s>:0"],
    pieces: pegasusPieces,
    splitter: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] },
  },
  albert: {
    special: { unk_token: "<unk>", pad_token: "<pad>", cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" },
    before: ["[CLS]"],
    after: ["[SEP]"],
    pair: ["[CLS]:0", "A:0", "[SEP]:0", "B:1", "[SEP]:1"],
    normalizer: albertNormalizer,
  },
  reformer: { special: { unk_token: "<unk>", eos_token: "</s>" } },
  marian: {
    special: { unk_token: "<unk>", eos_token: "</s>", pad_token: "<pad>" },
    after: ["</s>"],
    pair: ["A:0", "B:0", "</s>:0"],
  },
}

/** The tokenizer of a SentencePiece file; `vocabulary` is Marian's vocab.json, which has the ids. Throws TextError. */
export function fromSentencePiece(
  bytes: Uint8Array,
  file: string,
  vocabulary: ReadonlyMap<string, number> | null,
  settings: FolderSettings,
): OlderTokenizer {
  const model = readSentencePiece(bytes, file)
  const named = settings.family === "marianmt" ? "marian" : (settings.family?.replace(/^gemma\d*$/, "gemma") ?? null)
  const key = named ?? (file.endsWith(".spm") ? "marian" : null)
  const family = key === null || !Object.hasOwn(families, key) ? undefined : families[key]
  if (family === undefined)
    throw new TextError(
      `${settings.name}: expected to be told whose ${file} this is, but got ${settings.family ?? "neither tokenizer_class nor model_type"}`,
      `known are ${Object.keys(families).join(", ")}; name one as tokenizer_class in tokenizer_config.json`,
    )
  if (model.kind !== "unigram" && model.kind !== "bpe")
    throw new TextError(
      `${file}: expected a unigram or BPE model, but got one of the kind "${model.kind}"`,
      "no model that this package knows has such a one",
    )
  const names = specialNames(settings.configuration, family.special)
  const marian = key === "marian" ? marianPieces(model, vocabulary, settings) : null
  const pieces = marian ?? (family.pieces ?? asPublished)(model, settings)
  const ids = new Map(pieces.map(([piece], id) => [piece, id]))
  const extra = [...settings.added, ...languageCodes(key, ids)]
  const withAdded = new Map([...ids, ...extra.map(({ content, id }) => [content, id] as const)])
  const tokenNamed = (token: string): string => names[settingOf(family, token)] ?? token
  const spell = (token: string): string => (token === "LANGUAGE" ? language(settings) : tokenNamed(token))
  const items = (tokens: readonly string[] = []): string[] => tokens.map(token => `${spell(token)}:0`)
  const [before, after] = [items(family.before), items(family.after)]
  const control = model.pieces.filter(({ type }) => type === "control" || type === "user").map(({ piece }) => piece)
  const special = [
    ...new Set([...Object.values(names), ...(family.pieces ? [] : control), ...extraSpecial(pieces, key)]),
  ]
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(special, ids, extra),
      normalizer: (family.normalizer ?? usualNormalizer)(model, settings),
      pre_tokenizer:
        family.splitter === undefined
          ? { ...metaspace, prepend_scheme: model.addDummyPrefix ? "always" : "never" }
          : family.splitter,
      post_processor:
        before.length + after.length === 0
          ? null
          : template(
              [...before, "A:0", ...after],
              family.pair?.map(item =>
                /^[AB]:/.test(item) ? item : `${spell(item.slice(0, -2))}${item.slice(-2)}`,
              ) ?? [...before, "A:0", ...(before.length > 0 || key === "mbart" ? [] : after), "B:0", ...after],
              withAdded,
            ),
      decoder: family.decoder ?? metaspace,
      model: modelOf(model, pieces, ids, names.unk_token!, file),
    },
  }
}

const settingOf = (family: Family, token: string): string =>
  Object.entries(family.special).find(([, usual]) => usual === token)?.[0] ?? token

function language({ configuration, side }: FolderSettings): string {
  const code = configuration[side === "source" ? "src_lang" : "tgt_lang"]
  return typeof code === "string" ? code : "en_XX"
}

/** Tokens of Marian such as ">>fra<<", which say the language to translate into. */
function languageCodes(key: string | null, ids: ReadonlyMap<string, number>): AddedTokenJson[] {
  if (key !== "marian") return []
  return [...ids]
    .filter(([piece]) => /^>>.+<<$/.test(piece))
    .map(([content, id]) => ({ id, content, special: false, normalized: false, rstrip: true }))
}

function extraSpecial(pieces: readonly Piece[], key: string | null): string[] {
  const pattern =
    key === "t5" || key === "mt5"
      ? /^<extra_id_\d+>$/
      : key === "pegasus"
        ? /^<unk_\d+>$/
        : key?.startsWith("mbart")
          ? /^[a-z]{2}_[A-Z]{2}$/
          : /^(?!)/
  return pieces.map(([piece]) => piece).filter(piece => pattern.test(piece))
}

function t5Pieces(model: SentencePieceModel, { configuration }: FolderSettings): Piece[] {
  const count = typeof configuration.extra_ids === "number" ? configuration.extra_ids : 100
  const pieces = asPublished(model)
  if (pieces.some(([piece]) => piece === "<extra_id_0>")) return pieces
  return [...pieces, ...Array.from({ length: count }, (_, i): Piece => [`<extra_id_${count - 1 - i}>`, 0])]
}

function pegasusPieces(model: SentencePieceModel, { configuration }: FolderSettings): Piece[] {
  const offset = typeof configuration.offset === "number" ? configuration.offset : 103
  const masks: Piece[] = [
    ["<mask_1>", 0],
    ["<mask_2>", 0],
  ]
  const unknowns = Array.from({ length: Math.max(0, offset - 2) }, (_, i): Piece => [`<unk_${i + 2}>`, -100])
  const head: Piece[] = [["<pad>", 0], ["</s>", 0], ...(offset > 0 ? [...masks, ...unknowns] : [])]
  return [...head, ...asPublished(model).slice(2)]
}

const foreign = -1e30 // the score of pieces that only the other language has

/** Marian's ids are those of vocab.json, which both languages share; each language cuts by its own scores. */
function marianPieces(
  model: SentencePieceModel,
  vocabulary: ReadonlyMap<string, number> | null,
  { name }: FolderSettings,
): Piece[] {
  if (vocabulary === null)
    throw new TextError(
      `${name}: expected vocab.json beside the .spm files, but there is none`,
      "it has the ids of the pieces; fetch it",
    )
  const scores = new Map(asPublished(model))
  const pieces: Piece[] = []
  for (const [piece, id] of vocabulary) pieces[id] = [piece, scores.get(piece) ?? foreign]
  for (let id = 0; id < pieces.length; id++)
    if (pieces[id] === undefined)
      throw new TextError(`vocab.json: expected ids without a gap, but none of its tokens has ${id}`, "fetch it again")
  return pieces
}

function usualNormalizer({ characterMap, removeExtraBlanks }: SentencePieceModel): TokenizerPartJson | null {
  const normalizers: TokenizerPartJson[] = []
  if (characterMap.length > 0)
    normalizers.push({ type: "Precompiled", precompiled_charsmap: encodeBase64(characterMap) })
  if (removeExtraBlanks)
    normalizers.push(
      { type: "Strip", strip_left: false, strip_right: true },
      { type: "Replace", pattern: { Regex: " {2,}" }, content: blankMark },
    )
  return normalizers.length === 0 ? null : { type: "Sequence", normalizers }
}

function albertNormalizer(model: SentencePieceModel, { configuration }: FolderSettings): TokenizerPartJson {
  const normalizers: TokenizerPartJson[] = [
    { type: "Replace", pattern: { String: "``" }, content: '"' },
    { type: "Replace", pattern: { String: "''" }, content: '"' },
  ]
  if (configuration.keep_accents !== true) normalizers.push({ type: "NFKD" }, { type: "StripAccents" })
  if (configuration.do_lower_case !== false) normalizers.push({ type: "Lowercase" })
  if (model.characterMap.length > 0)
    normalizers.push({ type: "Precompiled", precompiled_charsmap: encodeBase64(model.characterMap) })
  normalizers.push({ type: "Replace", pattern: { Regex: " {2,}" }, content: " " })
  return { type: "Sequence", normalizers }
}

function modelOf(
  model: SentencePieceModel,
  pieces: readonly Piece[],
  ids: ReadonlyMap<string, number>,
  unknown: string,
  file: string,
): TokenizerPartJson {
  const unknownId = ids.get(unknown)
  if (unknownId === undefined)
    throw new TextError(
      `${file}: expected the unknown token ${JSON.stringify(unknown)} among its pieces, but it has none`,
    )
  if (model.kind === "unigram")
    return { type: "Unigram", unk_id: unknownId, vocab: pieces, byte_fallback: model.byteFallback }
  return {
    type: "BPE",
    dropout: null,
    unk_token: unknown,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: model.byteFallback,
    ignore_merges: false,
    vocab: vocabularyObject(ids),
    merges: mergesOf(pieces, ids),
  }
}

/** The merges that SentencePiece's scores mean: every way to make a piece of two others, best scored pieces first. */
function mergesOf(pieces: readonly Piece[], ids: ReadonlyMap<string, number>): [left: string, right: string][] {
  const merges: { left: string; right: string; score: number; order: number }[] = []
  for (const [piece, score] of pieces) {
    const found: [left: string, right: string, rank: number][] = []
    for (let at = 1; at < piece.length; at++) {
      const [left, right] = [piece.slice(0, at), piece.slice(at)]
      const [a, b] = [ids.get(left), ids.get(right)]
      if (a !== undefined && b !== undefined) found.push([left, right, a * 0x1000000 + b])
    }
    found.sort((a, b) => a[2] - b[2])
    for (const [left, right] of found) merges.push({ left, right, score, order: merges.length })
  }
  return merges.sort((a, b) => b.score - a.score || a.order - b.order).map(({ left, right }) => [left, right])
}
