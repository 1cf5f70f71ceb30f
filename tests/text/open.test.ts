// Older folders: data/*.model are SentencePiece models that its own trainer (0.2.2) wrote, sentencepiece.jsonl what it makes of texts.
import { existsSync, readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteLevelTokenizer, loadTokenizer, openTokenizer, readSentencePiece, TextError } from "../../src/text/index.ts"
import { trainByteLevel } from "../../src/text/train-byte-level.ts"
import { englishText, hardTexts } from "./samples.ts"

const data = (file: string) => readFileSync(new URL(`data/${file}`, import.meta.url))
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const lines = (...text: string[]) => new TextEncoder().encode(`${text.join("\n")}\n`)
const open = (files: Record<string, Uint8Array>, options = {}) => openTokenizer(name => files[name] ?? null, options)

describe("SentencePiece models", () => {
  const cases = data("sentencepiece.jsonl").toString().trimEnd().split("\n")
  const kinds = [
    ["t5", "spiece.model", "t5"],
    ["llama", "tokenizer.model", "llama"],
    ["uni", "spiece.model", "reformer"],
  ] as const

  it.each(kinds)("%s: SentencePiece's ids", async (name, file, type) => {
    const tokenizer = await open({ [file]: data(`${name}.model`), "config.json": json({ model_type: type }) })
    for (const line of cases) {
      const [model, text, ids] = JSON.parse(line) as [string, string, number[]]
      if (model === name) expect([...tokenizer.encode(text, { addSpecialTokens: false })], text).toEqual(ids)
    }
    const again = loadTokenizer(JSON.parse(JSON.stringify(tokenizer)), tokenizer.configuration())
    expect([...again.encode("the cat")]).toEqual([...tokenizer.encode("the cat")])
  })

  it("T5 ends texts, has its extra tokens and gives text back", async () => {
    const t5 = await open({
      "spiece.model": data("t5.model"),
      "tokenizer_config.json": json({ tokenizer_class: "T5Tokenizer" }),
    })
    expect(t5.vocabularySize).toBe(193)
    expect(t5.tokens[192]).toBe("<extra_id_0>")
    expect(t5.roles).toEqual({ unknown: "<unk>", end: "</s>", padding: "<pad>" })
    expect(t5.tokens[t5.encode("the cat").at(-1)!]).toBe("</s>")
    expect(t5.encode("a <extra_id_0> b")).toContain(192)
    expect(t5.decode(t5.encode("the cat walked"), { skipSpecialTokens: true })).toBe("the cat walked")
    const text = "The café house"
    const { offsets, ids } = t5.encodeWithOffsets(text)
    const shown = offsets.filter((_, i) => t5.tokens[ids[i]!] !== "▁").map(([from, to]) => text.slice(from, to))
    expect(shown.join("").replaceAll(" ", "")).toBe("Thecaféhouse")
  })

  it("Marian has the ids of vocab.json, and cuts each language by its own pieces", async () => {
    const { pieces } = readSentencePiece(data("t5.model"))
    const normal = pieces.filter(({ type }) => type === "normal").map(({ piece }) => piece)
    const names = ["</s>", "<unk>", ...normal.reverse(), "▁katze", ">>fra<<", "<pad>"]
    const files = {
      "source.spm": data("t5.model"),
      "target.spm": data("uni.model"),
      "vocab.json": json(Object.fromEntries(names.map((name, id) => [name, id]))),
      "config.json": json({ model_type: "marian" }),
    }
    const source = await open(files)
    const shown = (text: string) => [...source.encode(text)].map(id => source.tokens[id])
    expect(shown("the cat")).toEqual(["▁the", "▁cat", "</s>"])
    expect(shown(">>fra<< the cat")).toEqual([">>fra<<", "▁the", "▁cat", "</s>"])
    expect(shown("katze")).not.toContain("▁katze")
    expect(source.decode([names.indexOf("▁katze")])).toBe("katze")
    expect((await open(files, { side: "target" })).vocabularySize).toBe(names.length)
  })

  it("mBART and Pegasus move ids and have templates of their own", async () => {
    const model = data("uni.model")
    const mbart = await open({
      "sentencepiece.bpe.model": model,
      "tokenizer_config.json": json({ tokenizer_class: "MBartTokenizer", src_lang: "ro_RO" }),
    })
    expect([...mbart.encode("the")].slice(-2).map(id => mbart.tokens[id])).toEqual(["</s>", "ro_RO"])
    expect(mbart.tokens.slice(0, 4)).toEqual(["<s>", "<pad>", "</s>", "<unk>"])
    const pegasus = await open({ "spiece.model": data("t5.model"), "config.json": json({ model_type: "pegasus" }) })
    expect(pegasus.tokens[105]).toBe("<unk>")
    expect([...pegasus.encode("the cat")].map(id => pegasus.tokens[id])).toEqual(["▁the", "▁cat", "</s>"])
  })

  it("is told whose it is, or says that it is not", async () => {
    await expect(open({ "spiece.model": data("t5.model") })).rejects.toThrow(/expected to be told whose spiece.model/)
    await expect(
      open({ "spiece.model": data("t5.model"), "config.json": json({ model_type: "nonsense" }) }),
    ).rejects.toThrow(/known are t5/)
    await expect(open({ "source.spm": data("t5.model") })).rejects.toThrow(/vocab.json beside/)
  })

  it("any damage is one clear error, or another vocabulary", async () => {
    const model = data("t5.model")
    const damage = fc.record({
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
      changes: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), { maxLength: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ cut, changes }) => {
        const bytes = Uint8Array.from(model.subarray(0, Math.ceil(cut * model.length)))
        for (const [place, byte] of changes) if (bytes.length > 0) bytes[Math.floor(place * bytes.length)] = byte
        try {
          const tokenizer = await open({ "spiece.model": bytes, "config.json": json({ model_type: "t5" }) })
          tokenizer.encodeWithOffsets("the café\u0301 ﬁne")
        } catch (problem) {
          expect(problem).toBeInstanceOf(TextError)
        }
      }),
      { numRuns: 300 },
    )
    expect(() => readSentencePiece(new Uint8Array(0))).toThrow(/no pieces/)
    expect(() => readSentencePiece(lines("version https://git-lfs.github.com/spec/v1"))).toThrow(/Git LFS/)
  })
})

describe("vocab.txt", () => {
  const words = lines("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cafe", "Caf", "##e", "##s")

  it("is BERT's tokenizer", async () => {
    const bert = await open({ "vocab.txt": words })
    expect([...bert.encode("The cafés")]).toEqual([2, 5, 6, 9, 3])
    expect(bert.roles.mask).toBe("[MASK]")
    const cased = await open({ "vocab.txt": words, "tokenizer_config.json": json({ do_lower_case: false }) })
    expect([...cased.encode("the Cafe")]).toEqual([2, 5, 7, 8, 3])
  })

  it("needs its special tokens", async () => {
    await expect(open({ "vocab.txt": lines("the", "cat") })).rejects.toThrow(/special token "\[CLS\]"/)
    await expect(open({ "vocab.txt": new Uint8Array(0) })).rejects.toThrow(TextError)
    await expect(open({ "vocab.txt": new Uint8Array([255, 254, 0]) })).rejects.toThrow(/expected UTF-8/)
  })
})

describe("vocab.json and merges.txt", async () => {
  const end = "<|endoftext|>"
  const trained = await trainByteLevel(englishText(100), { vocabularySize: 400, specialTokens: [end], roles: { end } })
  const endId = trained.tokenId(end)!
  const { vocab, merges } = trained.toJSON().model as { vocab: Record<string, number>; merges: string[] }
  const files = {
    "vocab.json": json({ ...vocab, [end]: endId }),
    "merges.txt": lines("#version: 0.2", ...merges),
  }

  it("is GPT-2's tokenizer, in our own encoder", async () => {
    const gpt2 = await open({ ...files, "config.json": json({ model_type: "gpt2" }) })
    expect(gpt2).toBeInstanceOf(ByteLevelTokenizer)
    for (const text of [...hardTexts, "the cat's house"])
      expect([...gpt2.encode(text)]).toEqual([...trained.encode(text)])
    expect(gpt2.encode(end)).toContain(endId)
  })

  it("is RoBERTa's or BART's with its template", async () => {
    const special = { "<s>": 400, "</s>": 401, "<unk>": 402, "<pad>": 403, "<mask>": 404 }
    const roberta = await open({
      ...files,
      "vocab.json": json({ ...vocab, ...special }),
      "config.json": json({ model_type: "roberta" }),
    })
    const ids = [...roberta.encode("the <mask>", { pair: "cat" })]
    expect(ids).toEqual([400, ...trained.encode("the"), 404, 401, 401, ...trained.encode("cat"), 401])
  })

  it("is CLIP's or the first GPT's with words that end in </w>", async () => {
    const vocabulary = [
      "t",
      "h",
      "e",
      "t</w>",
      "h</w>",
      "e</w>",
      "he</w>",
      "the</w>",
      "c",
      "a",
      "<unk>",
      "<|startoftext|>",
      end,
    ]
    const older = {
      "vocab.json": json(Object.fromEntries(vocabulary.map((token, id) => [token, id]))),
      "merges.txt": lines("#version: 0.2", "h e</w>", "t he</w>"),
    }
    const gpt = await open({ ...older, "config.json": json({ model_type: "openai-gpt" }) })
    expect([...gpt.encode("The CAT")].map(id => gpt.tokens[id])).toEqual(["the</w>", "c", "a", "t</w>"])
    expect(gpt.decode([7, 8, 9, 3])).toBe("the cat")
    const clip = await open({ ...older, "config.json": json({ model_type: "clip" }) })
    expect([...clip.encode("the")].map(id => clip.tokens[id])).toEqual(["<|startoftext|>", "the</w>", end])
  })

  it("refuses broken files by name", async () => {
    const config = { "config.json": json({ model_type: "gpt2" }) }
    await expect(open(files)).rejects.toThrow(/whose vocab.json and merges.txt/)
    await expect(open({ ...config, "vocab.json": files["vocab.json"] })).rejects.toThrow(/merges.txt beside vocab.json/)
    await expect(open({ ...config, ...files, "merges.txt": lines("a b c") })).rejects.toThrow(/two tokens on each line/)
    await expect(open({ ...config, ...files, "merges.txt": lines("zz yy") })).rejects.toThrow(TextError)
    await expect(open({ ...config, ...files, "vocab.json": lines("{") })).rejects.toThrow(/vocab.json: expected JSON/)
    await expect(open({ ...config, ...files, "vocab.json": json({ a: -1 }) })).rejects.toThrow(/expected ids from 0/)
    await expect(open({ ...config, ...files, "vocab.json": json([1]) })).rejects.toThrow(/expected an object/)
  })
})

describe("a folder", () => {
  it("of letters for speech is read as wav2vec 2.0 writes it", async () => {
    const names = ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "T", "H", "C", "A"]
    const letters = await open({
      "vocab.json": json(Object.fromEntries(names.map((name, id) => [name, id]))),
      "tokenizer_config.json": json({ tokenizer_class: "Wav2Vec2CTCTokenizer" }),
    })
    expect(letters.decode([6, 6, 0, 7, 5, 4, 8, 9, 0, 6])).toBe("THE CAT")
    expect([...letters.encode("THE CAT")]).toEqual([6, 7, 5, 4, 8, 9, 6])
  })

  it("with tokenizer.json is opened by it, and chat_template.jinja goes into its settings", async () => {
    const [first] = data("wordpiece.jsonl").toString().split("\n")
    const tokenizer = await open({
      "tokenizer.json": lines(first!),
      "chat_template.jinja": lines("{{ messages[0].content }}"),
    })
    expect(tokenizer.kind).toBe("WordPiece")
    expect(tokenizer.configuration().chat_template).toContain("messages[0]")
  })

  it("without a tokenizer, or with a broken one, is refused with the folder's name", async () => {
    await expect(open({}, { name: "models/x" })).rejects.toThrow(/models\/x: .*expected tokenizer.json, vocab.txt/)
    await expect(open({ "tokenizer.json": lines("nonsense") }, { name: "m" })).rejects.toThrow(
      /m: tokenizer.json: expected JSON/,
    )
    await expect(open({ "tokenizer.json": json({ model: 3 }) })).rejects.toThrow(TextError)
  })
})

describe("a damaged tokenizer.json", () => {
  it.each(["wordpiece", "unigram", "llama", "clip"])("of %s is one clear error, or another tokenizer", name => {
    const whole = data(`${name}.jsonl`).toString().split("\n")[0]!
    const values = fc.constantFrom<unknown>(null, -1, 1e99, "", "x", [], {}, [[]], true, ["a", 1])
    const paths: string[][] = []
    const walk = (value: unknown, path: string[]): void => {
      if (path.length > 0) paths.push(path)
      if (typeof value !== "object" || value === null || path.length > 4) return
      for (const key of Object.keys(value).slice(0, 8)) walk((value as Record<string, unknown>)[key], [...path, key])
    }
    walk(JSON.parse(whole), [])
    fc.assert(
      fc.property(fc.constantFrom(...paths), values, (path, value) => {
        const broken = JSON.parse(whole)
        let at = broken
        for (const key of path.slice(0, -1)) at = at[key]
        at[path.at(-1)!] = value
        try {
          const tokenizer = loadTokenizer(broken)
          tokenizer.decode(tokenizer.encode("the café 日 <mask>", { pair: "b" }))
        } catch (problem) {
          expect(problem, `${path.join(".")} = ${JSON.stringify(value)}: ${(problem as Error).stack}`).toBeInstanceOf(
            TextError,
          )
        }
      }),
      { numRuns: 250 },
    )
  })
})

const published = new URL("../../../shared/tokenizers/", import.meta.url)

if (existsSync(published))
  it("bert-base-uncased's vocab.txt gives what its tokenizer.json gives", async () => {
    const file = (name: string) => readFileSync(new URL(`bert-base-uncased/${name}`, published))
    const older = await open({ "vocab.txt": file("vocab.txt"), "tokenizer_config.json": file("tokenizer_config.json") })
    const newer = loadTokenizer(JSON.parse(file("tokenizer.json").toString()))
    for (const text of hardTexts) expect(older.encodeWithOffsets(text)).toEqual(newer.encodeWithOffsets(text))
  })
