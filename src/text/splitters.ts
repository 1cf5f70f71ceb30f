// The pre-tokenizers of tokenizer.json: how a normalized text is cut into the pieces that the model sees one by one.
import { type AlignedText, part, Rewriting } from "./aligned.ts"
import { pieceEnd } from "./gpt2-split.ts"
import { partPattern } from "./patterns.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"

/** Cuts a text into pieces. `first`: it stands at the very beginning of what is encoded. */
export type Splitter = (text: AlignedText, first: boolean) => AlignedText[]

/** A splitter, and whether the model is to see the UTF-8 bytes of its pieces. */
export interface Splitting {
  readonly split: Splitter
  readonly bytes: boolean
}

/** The splitter that a tokenizer.json asks for; null where it names one that is not known here. */
export function readSplitter(json: TokenizerPartJson | null | undefined): Splitting | null {
  if (json == null) return pieces(text => [text])
  switch (json.type) {
    case "Sequence":
      return sequence(json.pretokenizers)
    case "ByteLevel":
      return byteLevel(json)
    case "BertPreTokenizer":
      return pieces(text => matches(text, bertPieces))
    case "Whitespace":
      return pieces(text => matches(text, wordsAndSigns))
    case "WhitespaceSplit":
      return pieces(text => matches(text, /[^\p{White_Space}]+/gu))
    case "Metaspace":
      return metaspace(json)
    case "Split":
      return split(json)
    case "Punctuation":
      return behaviour(punctuation, String(json.behavior ?? "Isolated"), false)
    case "Digits":
      return behaviour(/\p{N}/gu, json.individual_digits === true ? "Isolated" : "Contiguous", false)
    case "CharDelimiterSplit":
      return typeof json.delimiter === "string" && json.delimiter.length > 0
        ? pieces(text => cut(text, json.delimiter as string))
        : null
    case "FixedLength":
      return typeof json.length === "number" && Number.isInteger(json.length) && json.length > 0
        ? pieces(text => fixedLength(text, json.length as number))
        : null
    default:
      return null
  }
}

const asciiSigns = "!-/:-@\\[-`{-~"
const bertPieces = new RegExp(`[^\\p{White_Space}\\p{P}${asciiSigns}]+|[\\p{P}${asciiSigns}]`, "gu")
const punctuation = new RegExp(`[\\p{P}${asciiSigns}]`, "gu")
const wordCharacters = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}"
const wordsAndSigns = new RegExp(`[${wordCharacters}]+|[^${wordCharacters}\\p{White_Space}]+`, "gu")

const pieces = (split: Splitter): Splitting => ({ split, bytes: false })

function matches(text: AlignedText, pattern: RegExp): AlignedText[] {
  const found: AlignedText[] = []
  for (const { 0: match, index } of text.text.matchAll(pattern)) found.push(part(text, index, index + match.length))
  return found
}

function sequence(list: unknown): Splitting | null {
  if (!Array.isArray(list)) return null
  const steps: Splitting[] = []
  for (const each of list as TokenizerPartJson[]) {
    const step = readSplitter(each)
    if (step === null || steps.at(-1)?.bytes === true) return null // nothing may follow the step to bytes
    steps.push(step)
  }
  return {
    bytes: steps.at(-1)?.bytes === true,
    split: (text, first) =>
      steps.reduce<AlignedText[]>(
        (before, { split }) => before.flatMap((piece, i) => split(piece, first && i === 0)),
        [text],
      ),
  }
}

function byteLevel(json: TokenizerPartJson): Splitting {
  const prefix = json.add_prefix_space === true
  const cutting = json.use_regex !== false
  return {
    bytes: true,
    split: given => {
      const text = prefix && given.text !== "" && !given.text.startsWith(" ") ? withPrefix(given, " ") : given
      if (!cutting) return text.text === "" ? [] : [text]
      const found: AlignedText[] = []
      for (let at = 0; at < text.text.length; ) {
        const next = pieceEnd(text.text, at, text.text.length)
        found.push(part(text, at, next))
        at = next
      }
      return found
    },
  }
}

/** A text with something before it that stands for its first character. */
function withPrefix(text: AlignedText, prefix: string): AlignedText {
  const out = new Rewriting(text)
  out.put(prefix, 0, text.text.codePointAt(0)! > 0xffff ? 2 : 1)
  out.keep(0, text.text.length)
  return out.finish()
}

function metaspace(json: TokenizerPartJson): Splitting {
  const mark = typeof json.replacement === "string" && json.replacement !== "" ? json.replacement : "▁"
  const scheme = json.prepend_scheme ?? (json.add_prefix_space === false ? "never" : "always")
  const splitting = json.split !== false
  return pieces((given, first) => {
    if (given.text === "") return []
    const marked: AlignedText =
      mark.length === 1 ? { ...given, text: given.text.replaceAll(" ", mark) } : respell(given, " ", mark)
    const wanted = scheme === "always" || (scheme === "first" && first)
    const text = wanted && !marked.text.startsWith(mark) ? withPrefix(marked, mark) : marked
    if (!splitting) return [text]
    const found: AlignedText[] = []
    for (let at = 0; at < text.text.length; ) {
      let next = text.text.indexOf(mark, at + mark.length)
      if (next < 0) next = text.text.length
      if (!text.text.startsWith(mark, at)) next = Math.max(text.text.indexOf(mark, at), 0) || text.text.length
      found.push(part(text, at, next))
      at = next
    }
    return found
  })
}

function respell(text: AlignedText, from: string, to: string): AlignedText {
  const out = new Rewriting(text)
  let done = 0
  for (let at = text.text.indexOf(from); at >= 0; at = text.text.indexOf(from, done)) {
    out.keep(done, at)
    out.put(to, at, at + from.length)
    done = at + from.length
  }
  out.keep(done, text.text.length)
  return out.finish()
}

function cut(text: AlignedText, delimiter: string): AlignedText[] {
  const found: AlignedText[] = []
  let start = 0
  for (;;) {
    const at = text.text.indexOf(delimiter, start)
    const end = at < 0 ? text.text.length : at
    if (end > start) found.push(part(text, start, end))
    if (at < 0) return found
    start = at + delimiter.length
  }
}

function fixedLength(text: AlignedText, length: number): AlignedText[] {
  const found: AlignedText[] = []
  let start = 0
  let count = 0
  for (let at = 0; at < text.text.length; ) {
    at += text.text.codePointAt(at)! > 0xffff ? 2 : 1
    if (++count < length && at < text.text.length) continue
    found.push(part(text, start, at))
    start = at
    count = 0
  }
  return found
}

function split(json: TokenizerPartJson): Splitting | null {
  const pattern = partPattern(json)
  if (pattern === null) return null
  return behaviour(pattern, String(json.behavior ?? "Isolated"), json.invert === true)
}

/** Cuts at the matches of a pattern (or, inverted, at what lies between them), which are then kept, dropped or joined to a neighbour. */
function behaviour(pattern: RegExp, name: string, invert: boolean): Splitting | null {
  const known = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
  const kind = known.find(each => each.toLowerCase() === name.toLowerCase())
  if (kind === undefined) return null
  return pieces(text => {
    const ranges: [from: number, to: number, match: boolean][] = []
    let done = 0
    for (const { 0: match, index } of text.text.matchAll(pattern)) {
      if (match === "") continue
      if (index > done) ranges.push([done, index, invert])
      ranges.push([index, index + match.length, !invert])
      done = index + match.length
    }
    if (done < text.text.length) ranges.push([done, text.text.length, invert])
    return join(ranges, kind).map(([from, to]) => part(text, from, to))
  })
}

function join(ranges: [from: number, to: number, match: boolean][], kind: string): [from: number, to: number][] {
  if (kind === "Isolated") return ranges.map(([from, to]) => [from, to])
  if (kind === "Removed") return ranges.filter(([, , match]) => !match).map(([from, to]) => [from, to])
  const joined: [from: number, to: number][] = []
  let before = kind === "MergedWithNext" // whether a match lies right before, or for Contiguous what the one before was
  ranges.forEach(([from, to, match], i) => {
    const last = joined.at(-1)
    const glued =
      last !== undefined &&
      i > 0 &&
      (kind === "Contiguous" ? match === before : kind === "MergedWithPrevious" ? match && !before : !match && before)
    if (glued) last[1] = to
    else joined.push([from, to])
    before = match
  })
  return joined
}
