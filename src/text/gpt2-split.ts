// GPT-2's split of a text into pieces, as a scanner: the same pieces as its regular expression
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// (\s as Unicode has it: U+0085 is a blank and U+FEFF is none, as in the original and unlike JavaScript's expressions),
// without a match object per piece and without backtracking, so that a run of any length is safe.

const letter = 1
const number = 2
const space = 3
const other = 4

const classes = new Uint8Array(0x10000) // 0: not looked at yet

/** The class of the code point at `at`; an unpaired half of a surrogate pair is `other`, as in the expression. */
function classAt(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  const known = classes[unit]!
  if (known !== 0 && (unit < 0xd800 || unit > 0xdbff)) return known
  const code = text.codePointAt(at)!
  const found = classOf(String.fromCodePoint(code))
  if (code < 0x10000 && (unit < 0xd800 || unit > 0xdbff)) classes[unit] = found
  return found
}

function classOf(character: string): number {
  if (/\p{L}/u.test(character)) return letter
  if (/\p{N}/u.test(character)) return number
  return /\p{White_Space}/u.test(character) ? space : other
}

function widthAt(text: string, at: number, end: number): number {
  const unit = text.charCodeAt(at)
  if (unit < 0xd800 || unit > 0xdbff || at + 1 >= end) return 1
  const next = text.charCodeAt(at + 1)
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1
}

/** Where the piece that starts at `start` ends, in text[start, end). `end` lies between characters. */
export function pieceEnd(text: string, start: number, end: number): number {
  const first = text.charCodeAt(start)
  if (first === 39) {
    const length = contraction(text, start, end)
    if (length > 0) return start + length
  }
  let at = start
  let kind = classAt(text, at)
  if (first === 32 && at + 1 < end) {
    const next = classAt(text, at + 1)
    if (next !== space) {
      at++
      kind = next
    }
  }
  let last = at
  while (at < end && classAt(text, at) === kind) {
    last = at
    at += widthAt(text, at, end)
  }
  if (kind !== space || at === end) return at
  return last > start ? last : at // the last blank of several goes to the next piece
}

function contraction(text: string, start: number, end: number): number {
  if (start + 1 >= end) return 0
  const second = text.charCodeAt(start + 1)
  if (second === 115 || second === 116 || second === 109 || second === 100) return 2 // 's 't 'm 'd
  if (start + 2 >= end) return 0
  const third = text.charCodeAt(start + 2)
  if ((second === 114 || second === 118) && third === 101) return 3 // 're 've
  return second === 108 && third === 108 ? 3 : 0 // 'll
}

/** Whether the piece text[start, stop) stays as it is, whatever follows text[0, end). */
export function isSettled(text: string, start: number, stop: number, end: number): boolean {
  return stop < end && (text.charCodeAt(start) !== 39 || start + 3 <= end) // 'r may become 're
}
