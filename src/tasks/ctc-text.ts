// Text of models that name a letter for each frame (Graves et al. 2006): the best letter of each frame, runs joined, blanks left out.

import { HeedError } from "../tensor/index.ts"

/** A letter and the frames it was heard in, the last one exclusive. */
export interface HeardLetter {
  readonly id: number
  readonly start: number
  readonly end: number
}

/** The best class of each frame: scores [frames classes]. */
export function bestClasses(scores: Float32Array, classes: number): Int32Array {
  const best = new Int32Array(Math.floor(scores.length / classes))
  for (let frame = 0; frame < best.length; frame++)
    for (let i = 1; i < classes; i++)
      if (scores[frame * classes + i]! > scores[frame * classes + best[frame]!]!) best[frame] = i
  return best
}

/** Runs of equal classes as one letter each, without blanks. */
export function joinRuns(classes: ArrayLike<number>, blank: number): HeardLetter[] {
  const letters: HeardLetter[] = []
  for (let start = 0; start < classes.length; ) {
    let end = start + 1
    while (end < classes.length && classes[end] === classes[start]) end++
    if (classes[start] !== blank) letters.push({ id: classes[start]!, start, end })
    start = end
  }
  return letters
}

/** What the classes of a model mean. */
export interface LetterTable {
  /** Text of each class. */
  readonly letters: readonly string[]
  /** The class that stands between words; null: words are not told apart. */
  readonly delimiter: number | null
  /** Classes that are no part of the text. */
  readonly special: ReadonlySet<number>
}

/** The table of a vocab.json, with tokenizer_config.json where there is one. Throws HeedError for ids that are none. */
export function letterTable(
  vocabulary: Readonly<Record<string, unknown>>,
  configuration: Readonly<Record<string, unknown>> = {},
): LetterTable {
  const letters: string[] = []
  for (const [letter, id] of Object.entries(vocabulary)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) > 1_000_000)
      throw new HeedError(
        `vocab.json: expected whole numbers, but got ${JSON.stringify(id)} for ${JSON.stringify(letter)}`,
      )
    letters[id as number] = letter
  }
  const named = (key: string, otherwise: string): string => {
    const value = configuration[key]
    const content = typeof value === "object" && value !== null && "content" in value ? value.content : value
    return typeof content === "string" ? content : otherwise
  }
  const at = (letter: string): number | null => {
    const id = letters.indexOf(letter)
    return id < 0 ? null : id
  }
  const roles = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" }
  const special = Object.entries(roles).map(([key, otherwise]) => at(named(key, otherwise)))
  const lower = configuration.do_lower_case === true
  return {
    letters: Array.from(letters, letter => (lower ? (letter ?? "").toLowerCase() : (letter ?? ""))),
    delimiter: at(named("word_delimiter_token", "|")),
    special: new Set(special.filter(id => id !== null)),
  }
}

/** A word and the frames it was heard in, the last one exclusive. */
export interface HeardWord {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** Letters as words. */
export function wordsOf(heard: readonly HeardLetter[], { letters, delimiter, special }: LetterTable): HeardWord[] {
  const words: HeardWord[] = []
  let open: HeardWord | null = null
  for (const { id, start, end } of heard) {
    if (id === delimiter) {
      if (open) words.push(open)
      open = null
    } else if (!special.has(id)) {
      const text: string = letters[id] ?? ""
      open = open ? { text: open.text + text, start: open.start, end } : { text, start, end }
    }
  }
  if (open) words.push(open)
  return words
}
