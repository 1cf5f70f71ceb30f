// Tokenizers of folders from before tokenizer.json: a list of words (BERT's vocab.txt), or a vocabulary with merges (GPT-2, RoBERTa, BART,
// CLIP, GPT), as the tokenizer.json that Hugging Face's converters make of them.
import { TextError } from "./errors.ts"
import type { FolderSettings } from "./older-sentencepiece.ts"
import { addedTokens, type OlderTokenizer, specialNames, template, vocabularyObject } from "./older-template.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"

const wordPieceFamilies = ["bert", "distilbert", "electra", "mobilebert", "squeezebert", "layoutlm"]
const robertaFamilies = ["roberta", "bart", "longformer", "led"]
const gpt2Families = ["gpt2", "gptneo", "gptj", "gptneox", "codegen", "phi", "opt", "whisper", "qwen2"]

/** The tokenizer of vocab.txt, or of vocab.json and merges.txt. Throws TextError. */
export function fromVocabularies(
  lines: string | null,
  vocabulary: ReadonlyMap<string, number> | null,
  merges: string | null,
  settings: FolderSettings,
): OlderTokenizer {
  const { family, name } = settings
  if (lines !== null && (vocabulary === null || family === null || wordPieceFamilies.includes(family))) {
    if (family !== null && !wordPieceFamilies.includes(family))
      throw new TextError(
        `${name}: expected vocab.txt of a WordPiece tokenizer, but got one of ${family}`,
        `known are ${wordPieceFamilies.join(", ")}; name one as tokenizer_class in tokenizer_config.json`,
      )
    return wordPiece(lines, settings)
  }
  if (vocabulary === null) throw new TextError(`${name}: expected vocab.txt or vocab.json, but got neither`)
  if (family?.startsWith("wav2vec2")) return connectionist(vocabulary, settings)
  if (merges === null)
    throw new TextError(
      `${name}: expected merges.txt beside vocab.json, but there is none`,
      "both belong to a byte-pair tokenizer; fetch the missing file",
    )
  const pairs = readMerges(merges)
  if (family !== null && robertaFamilies.includes(family)) return roberta(vocabulary, pairs, settings)
  if (family === "clip") return clip(vocabulary, pairs, settings)
  if (family === "openaigpt" || family === "openai") return openai(vocabulary, pairs, settings)
  if (family !== null && gpt2Families.includes(family)) return gpt2(vocabulary, pairs, settings)
  throw new TextError(
    `${name}: expected to be told whose vocab.json and merges.txt these are, but got ${family ?? "neither tokenizer_class nor model_type"}`,
    `known are ${[...gpt2Families, ...robertaFamilies, "clip", "openai-gpt"].join(", ")}; name one as tokenizer_class in tokenizer_config.json`,
  )
}

function wordPiece(lines: string, settings: FolderSettings): OlderTokenizer {
  const { configuration } = settings
  const words = lines.split(/\r?\n/)
  if (words.at(-1) === "") words.pop()
  if (words.length === 0) throw new TextError("vocab.txt: expected a token on each line, but got an empty file")
  const vocabulary = new Map(words.map((word, id) => [word, id]))
  const names = specialNames(configuration, {
    unk_token: "[UNK]",
    sep_token: "[SEP]",
    pad_token: "[PAD]",
    cls_token: "[CLS]",
    mask_token: "[MASK]",
  })
  const [cls, sep] = [names.cls_token!, names.sep_token!]
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, settings.added),
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: configuration.tokenize_chinese_chars !== false,
        strip_accents: (configuration.strip_accents as boolean | null | undefined) ?? null,
        lowercase: configuration.do_lower_case !== false,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: template(
        [`${cls}:0`, "A:0", `${sep}:0`],
        [`${cls}:0`, "A:0", `${sep}:0`, "B:1", `${sep}:1`],
        vocabulary,
      ),
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: names.unk_token,
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: vocabularyObject(vocabulary),
      },
    },
  }
}

type Merges = [left: string, right: string][]

function readMerges(text: string): Merges {
  const lines = text.split(/\r?\n/)
  if (lines[0]?.startsWith("#version")) lines.shift()
  return lines
    .filter(line => line !== "")
    .map((line, i) => {
      const pair = line.split(" ")
      if (pair.length !== 2 || pair[0] === "" || pair[1] === "")
        throw new TextError(
          `merges.txt: expected two tokens on each line, but got ${JSON.stringify(line.slice(0, 60))} as merge ${i}`,
          "the file is damaged: fetch it again",
        )
      return [pair[0]!, pair[1]!]
    })
}

const byteLevel = (prefix: boolean, more: object = {}): TokenizerPartJson => ({
  type: "ByteLevel",
  add_prefix_space: prefix,
  trim_offsets: true,
  use_regex: true,
  ...more,
})

function pairModel(vocabulary: ReadonlyMap<string, number>, merges: Merges, more: object = {}): TokenizerPartJson {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: "",
    end_of_word_suffix: "",
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: vocabularyObject(vocabulary),
    merges,
    ...more,
  }
}

function gpt2(vocabulary: ReadonlyMap<string, number>, merges: Merges, settings: FolderSettings): OlderTokenizer {
  const { configuration, family, added } = settings
  const end = "<|endoftext|>"
  const names = specialNames(configuration, { bos_token: end, eos_token: end, unk_token: end })
  const prefix = configuration.add_prefix_space === true
  const qwen = family === "qwen2"
  const ids = new Map([...vocabulary, ...added.map(({ content, id }) => [content, id] as const)])
  const around = {
    before:
      family === "whisper"
        ? ["<|startoftranscript|>", "<|notimestamps|>"]
        : configuration.add_bos_token === true
          ? [names.bos_token!]
          : [],
    after: family === "whisper" || configuration.add_eos_token === true ? [names.eos_token!] : [],
  }
  const before = around.before.map(token => `${token}:0`)
  const after = around.after.map(token => `${token}:0`)
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, added),
      normalizer: qwen ? { type: "NFC" } : null,
      pre_tokenizer: qwen
        ? {
            type: "Sequence",
            pretokenizers: [
              { type: "Split", pattern: { Regex: qwenPieces }, behavior: "Isolated", invert: false },
              byteLevel(false, { use_regex: false }),
            ],
          }
        : byteLevel(prefix),
      post_processor:
        before.length + after.length > 0
          ? template([...before, "A:0", ...after], [...before, "A:0", "B:1", ...after], ids)
          : byteLevel(true, { trim_offsets: false }),
      decoder: byteLevel(true),
      model: pairModel(vocabulary, merges),
    },
  }
}

const qwenPieces =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

function roberta(vocabulary: ReadonlyMap<string, number>, merges: Merges, settings: FolderSettings): OlderTokenizer {
  const { configuration } = settings
  const names = specialNames(configuration, {
    bos_token: "<s>",
    eos_token: "</s>",
    sep_token: "</s>",
    cls_token: "<s>",
    unk_token: "<unk>",
    pad_token: "<pad>",
    mask_token: "<mask>",
  })
  const prefix = configuration.add_prefix_space === true
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, settings.added).map(token =>
        token.content === names.mask_token ? { ...token, lstrip: true } : token,
      ),
      normalizer: null,
      pre_tokenizer: byteLevel(prefix),
      post_processor: robertaProcessing(names, vocabulary, prefix, true),
      decoder: byteLevel(true),
      model: pairModel(vocabulary, merges),
    },
  }
}

function robertaProcessing(
  names: Record<string, string>,
  vocabulary: ReadonlyMap<string, number>,
  prefix: boolean,
  trim: boolean,
): TokenizerPartJson {
  const pair = (token: string): [string, number] => {
    const id = vocabulary.get(token)
    if (id === undefined)
      throw new TextError(
        `vocab.json: expected the special token ${JSON.stringify(token)}, but it has none`,
        "the files belong to another kind of model, or are damaged",
      )
    return [token, id]
  }
  const [sep, cls] = [pair(names.sep_token ?? names.eos_token!), pair(names.cls_token ?? names.bos_token!)]
  return { type: "RobertaProcessing", sep, cls, trim_offsets: trim, add_prefix_space: prefix }
}

function clip(vocabulary: ReadonlyMap<string, number>, merges: Merges, settings: FolderSettings): OlderTokenizer {
  const end = "<|endoftext|>"
  const names = specialNames(settings.configuration, {
    bos_token: "<|startoftext|>",
    eos_token: end,
    unk_token: end,
    pad_token: end,
  })
  const known = ([left, right]: [string, string]): boolean =>
    vocabulary.has(left) && vocabulary.has(right) && vocabulary.has(left + right)
  const pieces = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, settings.added),
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "NFC" },
          { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
          { type: "Lowercase" },
        ],
      },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: pieces }, behavior: "Removed", invert: true },
          byteLevel(false),
        ],
      },
      post_processor: robertaProcessing(names, vocabulary, false, false),
      decoder: byteLevel(true),
      // the published list of merges is longer than the vocabulary: the rest was never used
      model: pairModel(vocabulary, merges.filter(known), { unk_token: names.unk_token, end_of_word_suffix: "</w>" }),
    },
  }
}

function openai(vocabulary: ReadonlyMap<string, number>, merges: Merges, settings: FolderSettings): OlderTokenizer {
  const names = specialNames(settings.configuration, { unk_token: "<unk>" })
  return {
    defaults: names,
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, settings.added),
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: null,
      decoder: { type: "BPEDecoder", suffix: "</w>" },
      model: pairModel(vocabulary, merges, { unk_token: names.unk_token, end_of_word_suffix: "</w>" }),
    },
  }
}

/** Letters for speech recognition (wav2vec 2.0): "|" stands for the blank, and repeated letters are one. */
function connectionist(vocabulary: ReadonlyMap<string, number>, settings: FolderSettings): OlderTokenizer {
  const { configuration } = settings
  const names = specialNames(configuration, {
    bos_token: "<s>",
    eos_token: "</s>",
    unk_token: "<unk>",
    pad_token: "<pad>",
  })
  const delimiter = typeof configuration.word_delimiter_token === "string" ? configuration.word_delimiter_token : "|"
  return {
    defaults: { word_delimiter_token: delimiter, ...names },
    json: {
      version: "1.0",
      added_tokens: addedTokens(Object.values(names), vocabulary, settings.added),
      normalizer: { type: "Replace", pattern: { String: " " }, content: delimiter },
      pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Isolated", invert: false },
      post_processor: null,
      decoder: { type: "CTC", pad_token: names.pad_token, word_delimiter_token: delimiter, cleanup: true },
      model: { type: "WordLevel", vocab: vocabularyObject(vocabulary), unk_token: names.unk_token },
    },
  }
}
