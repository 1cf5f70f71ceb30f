// Hard texts that every tokenizer must survive, and arbitrary ones made of their pieces.
import fc from "fast-check"

export const hardTexts: readonly string[] = [
  "",
  " ",
  "a",
  "Hello, world! It's 12:30 — isn't it?",
  "I'll we've they're he'd I'm 'tis 'Tis ''s '",
  "  two  blanks\t\ttabs \n\n\n lines \r\n\r\nCRLF\r",
  "trailing blanks   ",
  "\u00a0no-break\u2003em\u3000wide\u200bzero\ufeffmark",
  "e\u0301 \u0301 n\u0303o\u0308 Zalgo̷̢͝",
  "naïve façade Ünïcödé ßŒĲ",
  "日本語のテキスト、中文字符。한국어",
  "العربية עברית हिन्दी ไทย",
  "👍🏽 👩‍👩‍👧‍👦 🇩🇪 ☃️ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚",
  "x² ½ ٣٤ Ⅷ 1,000.50",
  "\ud800 lone \udc00 halves \ud83d",
  "\0\u0001\u007f\u0080\u00ad\uffff",
  "__proto__ constructor toString hasOwnProperty",
  "<|endoftext|> inside <|endoftext|><|end",
  "a".repeat(300),
  " \n".repeat(100),
]

/** Texts of hard pieces, unpaired halves included. */
export const anyText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'s",
        "'re",
        "'",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "a",
        "ab",
        "Z",
        "1",
        "²",
        "é",
        "e\u0301",
        "日",
        "👍",
        "🏽",
        "\ud83d",
        "\udc4d",
        "<|endoftext|>",
        "<|",
        ".",
        "!?",
      ),
      fc.string({ unit: "binary", maxLength: 6 }),
    ),
    { maxLength: 40 },
  )
  .map(pieces => pieces.join(""))

/** A text cut into chunks anywhere, also inside surrogate pairs; empty chunks among them. */
export function cut(text: string, places: readonly number[]): string[] {
  const cuts = [0, ...places.map(place => Math.floor(place * (text.length + 1))), text.length].sort((a, b) => a - b)
  return cuts.slice(1).map((end, index) => text.slice(cuts[index], end))
}

/** Where to cut, as fractions of the length. */
export const anyCuts: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), {
  maxLength: 12,
})

/** What a text becomes when it passes through UTF-8. */
export function throughUtf8(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text))
}

/** All ids of a stream. */
export async function gather(stream: AsyncIterable<Int32Array>): Promise<number[]> {
  const ids: number[] = []
  for await (const part of stream) ids.push(...part)
  return ids
}

/** An English text of some length, for training in tests. */
export function englishText(sentences: number): string {
  const words =
    "the a cat dog house river walked jumped over under quickly it's don't was very happy and then they'll go".split(
      " ",
    )
  let text = ""
  for (let i = 0, state = 7; i < sentences; i++) {
    for (let j = 0; j < 8; j++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      text += `${j === 0 ? "" : " "}${words[(state >>> 16) % words.length]}`
    }
    text += i % 5 === 4 ? ".\n\n" : ". "
  }
  return text
}
