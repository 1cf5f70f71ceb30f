// Places of tokens in a text, found from the tokens' texts alone: for tokenizers that run in the library, which gives no offsets. Both
// sides are compared without case, accents, blanks and compatibility forms, because normalizers change those.

const blank = /[\s\u200b▁]/u

/** Characters as they are compared, each with its place in the text. */
interface Folded {
  readonly characters: readonly string[]
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

function fold(text: string): Folded {
  const characters: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  for (let at = 0; at < text.length; ) {
    const to = at + (text.codePointAt(at)! > 0xffff ? 2 : 1)
    const plain = text.slice(at, to).normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    for (const character of plain) {
      if (blank.test(character)) continue
      characters.push(character)
      starts.push(at)
      ends.push(to)
    }
    at = to
  }
  return { characters, starts, ends }
}

const farthest = 64 // characters of the text that no token shows (unknown ones, removed ones) before a token is looked for no further

/**
 * The span of each token in a text; `surfaces` are what tokens say. A token that is not found there (unknown, part of a character) has
 * the span between its neighbours. Words are runs of tokens without a blank between them.
 */
export function alignTokens(
  text: string,
  surfaces: readonly string[],
): { starts: Int32Array; ends: Int32Array; words: Int32Array } {
  const folded = fold(text)
  const starts = new Int32Array(surfaces.length).fill(-1)
  const ends = new Int32Array(surfaces.length)
  let cursor = 0
  surfaces.forEach((surface, i) => {
    const wanted = fold(surface).characters
    if (wanted.length === 0 || wanted.includes("\ufffd")) return
    const at = find(folded.characters, wanted, cursor)
    if (at < 0) return
    starts[i] = folded.starts[at]!
    ends[i] = folded.ends[at + wanted.length - 1]!
    cursor = at + wanted.length
  })
  fillGaps(text, starts, ends)
  const words = new Int32Array(surfaces.length)
  for (let i = 1; i < surfaces.length; i++) {
    const between = text.slice(ends[i - 1], Math.max(ends[i - 1]!, starts[i]!))
    words[i] = words[i - 1]! + (/\s/.test(between) || text[starts[i]!] === " " ? 1 : 0)
  }
  return { starts, ends, words }
}

function find(characters: readonly string[], wanted: readonly string[], from: number): number {
  for (let at = from; at <= Math.min(characters.length - wanted.length, from + farthest); at++)
    if (wanted.every((character, i) => characters[at + i] === character)) return at
  return -1
}

/** Tokens without a place take what lies between their neighbours, without the blanks around it. */
function fillGaps(text: string, starts: Int32Array, ends: Int32Array): void {
  for (let i = 0; i < starts.length; i++) {
    if (starts[i] !== -1) continue
    let next = i
    while (next < starts.length && starts[next] === -1) next++
    let from = i === 0 ? 0 : ends[i - 1]!
    let to = Math.max(from, next < starts.length ? starts[next]! : text.length)
    while (from < to && /\s/.test(text[from]!)) from++
    while (to > from && /\s/.test(text[to - 1]!)) to--
    for (; i < next; i++) {
      starts[i] = from
      ends[i] = to
    }
  }
}
