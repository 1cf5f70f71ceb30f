import { existsSync, readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import {
  ByteLevelTokenizer,
  LibraryTokenizer,
  loadTokenizer,
  PipelineTokenizer,
  TextError,
  type TokenizerJson,
} from "../../src/text/index.ts"
import { cut, englishText, gather, hardTexts } from "./samples.ts"

const wordPieces = {
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content, id) => ({ id, content, special: true })),
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
    },
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: {
      "[PAD]": 0,
      "[UNK]": 1,
      "[CLS]": 2,
      "[SEP]": 3,
      the: 4,
      cat: 5,
      walk: 6,
      "##ed": 7,
      ".": 8,
      house: 9,
      over: 10,
    },
  },
} satisfies TokenizerJson
const settings = {
  unk_token: "[UNK]",
  cls_token: { content: "[CLS]" },
  sep_token: "[SEP]",
  clean_up_tokenization_spaces: true,
}

describe("a tokenizer.json of another kind", () => {
  const tokenizer = loadTokenizer(wordPieces, settings)

  it("has the same interface", () => {
    expect(tokenizer.kind).toBe("WordPiece")
    expect(tokenizer.vocabularySize).toBe(11)
    expect([...tokenizer.encode("The cat walked.")]).toEqual([2, 4, 5, 6, 7, 8, 3])
    expect([...tokenizer.encode("The dog", { addSpecialTokens: false })]).toEqual([4, 1])
    expect(tokenizer.decode([2, 4, 5, 6, 7, 8, 3], { skipSpecialTokens: true })).toBe("the cat walked.")
    expect(tokenizer.roles).toEqual({ unknown: "[UNK]", class: "[CLS]", separator: "[SEP]" })
    expect(tokenizer.tokenId("walk")).toBe(6)
    expect(tokenizer.tokens[7]).toBe("##ed")
    expect(tokenizer.toJSON()).toBe(wordPieces)
    expect(tokenizer.decode([])).toBe("")
    expect(() => tokenizer.decode([11])).toThrow(/expected ids from 0 to 10/)
  })

  it("streams: the ids of the whole text, and the text of ids one by one", async () => {
    const text = englishText(2000)
    const ids = await gather(tokenizer.encodeStream(cut(text, [0.1, 0.333, 0.334, 0.8])))
    expect(ids).toEqual([...tokenizer.encode(text, { addSpecialTokens: false })])
    const decoder = tokenizer.streamingDecoder()
    const parts = [4, 5, 6, 7, 8].map(id => decoder.push(id))
    expect(parts.join("") + decoder.flush()).toBe("the cat walked.")
  })
})

describe("loadTokenizer", () => {
  it("refuses what is no tokenizer.json", () => {
    for (const wrong of [null, 3, "text", {}, { model: null }, { model: {} }, { model: { vocab: 3 } }, { vocab: {} }])
      expect(() => loadTokenizer(wrong)).toThrow(TextError)
    const { model } = wordPieces
    expect(() => loadTokenizer({ ...wordPieces, pre_tokenizer: { type: "Nonsense" } })).toThrow(
      /Unknown PreTokenizer type: Nonsense/,
    )
    expect(() => loadTokenizer({ ...wordPieces, model: { ...model, vocab: { a: 4e9 } } })).toThrow(
      /expected ids from 0 to/,
    )
  })

  it("runs byte-level tokenizers with settings of another kind in the pipeline", () => {
    const split = { type: "ByteLevel", add_prefix_space: true, use_regex: true }
    const json: TokenizerJson = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: split,
      post_processor: null,
      decoder: split,
      model: { type: "BPE", vocab: { a: 0 }, merges: [] },
    }
    expect(loadTokenizer(json)).toBeInstanceOf(PipelineTokenizer)
  })
})

const published = new URL("../../../shared/tokenizers/", import.meta.url)
const read = (name: string, file: string) => JSON.parse(readFileSync(new URL(`${name}/${file}`, published), "utf8"))

if (existsSync(published))
  describe("published tokenizers", () => {
    it("gpt2: our encoder has the library's ids and the known ones", async () => {
      const json = read("gpt2", "tokenizer.json")
      const own = loadTokenizer(json, read("gpt2", "tokenizer_config.json"))
      expect(own).toBeInstanceOf(ByteLevelTokenizer)
      expect(own.vocabularySize).toBe(50257)
      const library = new LibraryTokenizer(json, { clean_up_tokenization_spaces: false })
      expect([...own.encode("Hello world<|endoftext|>")]).toEqual([15496, 995, 50256])
      for (const text of [...hardTexts, englishText(50)]) {
        expect([...own.encode(text)]).toEqual([...library.encode(text)])
        if (text !== "") expect(own.decode(own.encode(text))).toBe(library.decode(library.encode(text)))
      }
      const text = hardTexts.join("\n").repeat(10)
      expect(await gather(library.encodeStream(cut(text, [0.2, 0.5])))).toEqual([...own.encode(text)])
    })

    it("bert-base-uncased: the known ids", () => {
      const bert = loadTokenizer(
        read("bert-base-uncased", "tokenizer.json"),
        read("bert-base-uncased", "tokenizer_config.json"),
      )
      expect([...bert.encode("Hello, my dog is cute")]).toEqual([101, 7592, 1010, 2026, 3899, 2003, 10140, 102])
      expect(bert.decode(bert.encode("Hello, my dog is cute"), { skipSpecialTokens: true })).toBe(
        "hello, my dog is cute",
      )
    })
  })
