// The normalizers of tokenizer.json, on texts that keep account of where each character came from. They give what Hugging Face's own
// (Rust) library gives: lower case is taken character by character, and Chinese characters beyond the basic plane count as such.
import { type AlignedText, Rewriting } from "./aligned.ts"
import { CharacterMap } from "./charsmap.ts"
import { TextError } from "./errors.ts"
import { partPattern } from "./patterns.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"

/** Rewrites a text before it is split. */
export type Normalizer = (text: AlignedText) => AlignedText

/** The normalizer that a tokenizer.json asks for; null where it names one that is not known here. Throws TextError for broken settings. */
export function readNormalizer(json: TokenizerPartJson | null | undefined): Normalizer | null {
  if (json == null) return text => text
  switch (json.type) {
    case "Sequence":
      return sequence(json.normalizers)
    case "BertNormalizer":
      return bertNormalizer(json)
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = json.type
      return text => unicodeForm(text, form)
    }
    case "Lowercase":
      return lowercase
    case "StripAccents":
      return text => removeMarks(text, anyMark)
    case "Strip":
      return text => strip(text, json.strip_left !== false, json.strip_right !== false)
    case "Replace":
      return replace(json)
    case "Prepend": {
      const prefix = String(json.prepend ?? "")
      return text => prepend(text, prefix)
    }
    case "Nmt":
      return nmt
    case "Precompiled":
      return precompiled(json.precompiled_charsmap)
    default:
      return null
  }
}

function sequence(parts: unknown): Normalizer | null {
  if (!Array.isArray(parts)) return null
  const steps: Normalizer[] = []
  for (const each of parts as TokenizerPartJson[]) {
    const step = readNormalizer(each)
    if (step === null) return null
    steps.push(step)
  }
  return text => steps.reduce((before, step) => step(before), text)
}

const nonspacingMark = /\p{Mn}/u
const anyMark = /\p{M}/u
const blank = /\p{White_Space}/u
const control = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u
const plain = /^[\x20-\x7e]*$/

function bertNormalizer(json: TokenizerPartJson): Normalizer {
  const clean = json.clean_text !== false
  const chinese = json.handle_chinese_chars !== false
  const lower = json.lowercase !== false
  const accents = json.strip_accents == null ? lower : json.strip_accents === true
  return text => {
    let now = text
    if (!plain.test(now.text)) {
      if (clean) now = cleanText(now)
      if (chinese) now = spaceChinese(now)
      if (accents) now = removeMarks(unicodeForm(now, "NFD"), nonspacingMark)
    }
    return lower ? lowercase(now) : now
  }
}

/** Calls `visit` with each character of a text and where it stands. */
function eachCharacter(text: string, visit: (character: string, from: number, to: number) => void): void {
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at)!
    const to = at + (code > 0xffff ? 2 : 1)
    visit(text.slice(at, to), at, to)
    at = to
  }
}

const [asItIs, asBlank, leftOut] = [1, 2, 3]
const cleanings = new Uint8Array(0x10000) // of characters of the basic plane; 0: not looked at yet

function cleaningOf(character: string): number {
  const unit = character.charCodeAt(0)
  const known = character.length === 1 ? cleanings[unit]! : 0
  if (known !== 0) return known
  let found = asItIs
  if (character === "\t" || character === "\n" || character === "\r") found = asBlank
  else if (character === "\ufffd" || control.test(character)) found = leftOut
  else if (blank.test(character)) found = asBlank
  if (character.length === 1) cleanings[unit] = found
  return found
}

/** Control characters out, every blank a space. */
function cleanText(text: AlignedText): AlignedText {
  const out = new Rewriting(text)
  eachCharacter(text.text, (character, from, to) => {
    const kind = cleaningOf(character)
    if (kind === asBlank) out.put(" ", from, to)
    else if (kind === asItIs) out.keep(from, to)
  })
  return out.finish()
}

function spaceChinese(text: AlignedText): AlignedText {
  if (!/[\u3400-\u9fff\uf900-\ufaff\ud840-\ud8ff]/.test(text.text)) return text
  const out = new Rewriting(text)
  eachCharacter(text.text, (character, from, to) => {
    if (isChinese(character.codePointAt(0)!)) out.put(` ${character} `, from, to)
    else out.keep(from, to)
  })
  return out.finish()
}

function isChinese(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2b81f) ||
    (code >= 0x2b920 && code <= 0x2ceaf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x2f800 && code <= 0x2fa1f)
  )
}

function lowercase(text: AlignedText): AlignedText {
  const whole = text.text
  if (/^[\x20-\x7e]*$/.test(whole)) {
    const lower = whole.toLowerCase() // one unit stays one unit
    return lower === whole ? text : { ...text, text: lower }
  }
  const out = new Rewriting(text)
  eachCharacter(whole, (character, from, to) => {
    const lower = character.toLowerCase()
    if (lower === character) out.keep(from, to)
    else out.put(lower, from, to)
  })
  return out.finish()
}

function removeMarks(text: AlignedText, mark: RegExp): AlignedText {
  if (!mark.test(text.text)) return text
  const out = new Rewriting(text)
  eachCharacter(text.text, (character, from, to) => {
    if (mark.test(character)) out.absorb(from, to)
    else out.keep(from, to)
  })
  return out.finish()
}

/** A Unicode normal form, run by run: a run begins at a character that no character before it can change. */
function unicodeForm(text: AlignedText, form: "NFC" | "NFD" | "NFKC" | "NFKD"): AlignedText {
  const whole = text.text
  if (whole.normalize(form) === whole) return text
  const out = new Rewriting(text)
  const composing = form === "NFC" || form === "NFKC"
  for (let from = 0; from < whole.length; ) {
    let to = from + 1
    while (to < whole.length && !isStable(whole, to, composing)) to++
    const run = whole.slice(from, to)
    const normal = run.normalize(form)
    if (normal === run) out.keep(from, to)
    else if (to - from > 32 || /[^\p{M}\u1160-\u11ff]\p{M}*[^\p{M}]/u.test(run))
      byCharacter(out, run, normal, from, form)
    else out.put(normal, from, to)
    from = to
  }
  return out.finish()
}

/** A run whose characters decompose by themselves is written character by character, so that each keeps its own span. */
function byCharacter(
  out: Rewriting,
  run: string,
  normal: string,
  from: number,
  form: "NFC" | "NFD" | "NFKC" | "NFKD",
): void {
  const parts: [string, number, number][] = []
  eachCharacter(run, (character, start, end) => parts.push([character.normalize(form), start, end]))
  if (parts.map(([written]) => written).join("") === normal)
    for (const [written, start, end] of parts) out.put(written, from + start, from + end)
  else out.put(normal, from, from + run.length)
}

/** Whether normal forms can be taken of the text before `at` and from it on independently: an ASCII character, a blank or an ideograph. */
function isStable(text: string, at: number, composing: boolean): boolean {
  const unit = text.charCodeAt(at)
  if (unit < 0x300) return true
  if (unit >= 0xdc00 && unit <= 0xdfff) return !isHigh(text.charCodeAt(at - 1))
  const character = String.fromCodePoint(text.codePointAt(at)!)
  if (anyMark.test(character)) return false
  return !(composing && composesWithPrevious.test(character))
}

// Jamo vowels and finals, halfwidth voiced marks and other letters that join the one before them.
const composesWithPrevious = /[\u1160-\u11ff\ud7b0-\ud7ff\uff9e\uff9f\uffa0-\uffdc\u3099-\u309c\u{16d63}-\u{16d6a}]/u

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff

function strip(text: AlignedText, left: boolean, right: boolean): AlignedText {
  const whole = text.text
  let from = 0
  let to = whole.length
  if (left) while (from < to && blank.test(whole[from]!)) from++
  if (right) while (to > from && blank.test(whole[to - 1]!)) to--
  if (from === 0 && to === whole.length) return text
  const out = new Rewriting(text)
  out.keep(from, to)
  return out.finish()
}

function replace(json: TokenizerPartJson): Normalizer | null {
  const pattern = partPattern(json)
  if (pattern === null) return null
  const content = String(json.content ?? "")
  return text => {
    let out: Rewriting | null = null
    let done = 0
    for (const { 0: match, index } of text.text.matchAll(pattern)) {
      if (match === "") continue
      out ??= new Rewriting(text)
      out.keep(done, index)
      out.put(content, index, index + match.length)
      done = index + match.length
    }
    if (out === null) return text
    out.keep(done, text.text.length)
    return out.finish()
  }
}

function prepend(text: AlignedText, prefix: string): AlignedText {
  if (text.text === "") return text
  const out = new Rewriting(text)
  out.put(prefix, 0, text.text.codePointAt(0)! > 0xffff ? 2 : 1) // it stands for the first character, as in Hugging Face's library
  out.keep(0, text.text.length)
  return out.finish()
}

const removedByNmt = new Set([
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  11,
  0x7f,
  0x8f,
  0x9f,
  ...Array.from({ length: 18 }, (_, i) => 14 + i),
])

function nmt(text: AlignedText): AlignedText {
  const out = new Rewriting(text)
  eachCharacter(text.text, (character, from, to) => {
    if (removedByNmt.has(character.charCodeAt(0))) return
    if (/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/.test(character)) out.put(" ", from, to)
    else out.keep(from, to)
  })
  return out.finish()
}

function precompiled(encoded: unknown): Normalizer {
  if (typeof encoded !== "string" || encoded === "") return text => text
  const map = new CharacterMap(decodeBase64(encoded))
  const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" })
  return text => {
    const out = new Rewriting(text)
    const single = (character: string, from: number, to: number): void => {
      const written = map.replace(character)
      if (written === null) out.keep(from, to)
      else out.put(written, from, to)
    }
    const whole = text.text
    if (/^[\x20-\x7e]*$/.test(whole)) {
      eachCharacter(whole, single)
      return out.finish()
    }
    for (const { segment, index } of segmenter.segment(whole)) {
      const written = CharacterMap.isShort(segment) ? map.replace(segment) : null
      if (written !== null) out.put(written, index, index + segment.length)
      else eachCharacter(segment, (character, from, to) => single(character, index + from, index + to))
    }
    return out.finish()
  }
}

/** The bytes of a base64 text. Throws TextError. */
export function decodeBase64(encoded: string): Uint8Array {
  try {
    return Uint8Array.from(atob(encoded), unit => unit.charCodeAt(0))
  } catch (cause) {
    throw new TextError(
      "precompiled_charsmap: expected base64, but got other characters",
      "fetch the tokenizer again",
      {
        cause,
      },
    )
  }
}

/** The base64 text of bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = ""
  for (let at = 0; at < bytes.length; at += 0x4000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x4000))
  return btoa(binary)
}
