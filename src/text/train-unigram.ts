// Learning a unigram vocabulary (Kudo 2018): begin with every frequent piece of a word, estimate the pieces' probabilities by expectation
// maximization over all ways to cut the words, drop the pieces that the text's likelihood misses least, and go on until enough are gone.
import { addCount, checkTraining, countRuns } from "./count-words.ts"
import { TextError } from "./errors.ts"
import { frequentPieces } from "./frequent-pieces.ts"
import { UnigramLattice } from "./lattice.ts"
import { loadTokenizer } from "./load.ts"
import { template } from "./older-template.ts"
import { rolesToSettings, type SpecialRole, type Tokenizer } from "./tokenizer.ts"

/** What to learn. */
export interface TrainUnigramOptions {
  /** Tokens in all, special tokens included. Fewer come out of a text with few different pieces. */
  readonly vocabularySize: number
  /** The share of the text's characters that the vocabulary covers; the rarest ones are unknown. Default 0.9995. */
  readonly characterCoverage?: number
  /** Characters of the longest piece. Default 16. */
  readonly longestPiece?: number
  /** Lower case. Default false. */
  readonly lowercase?: boolean
  /** Special tokens; their ids are the first ones. Default <pad>, </s>, <unk>. */
  readonly specialTokens?: readonly string[]
  /** Which special token plays which role; the unknown one is needed, `end` is put behind texts. Default T5's. */
  readonly roles?: Readonly<Partial<Record<SpecialRole, string>>>
}

const mark = "▁"
const t5Roles = { padding: "<pad>", end: "</s>", unknown: "<unk>" } as const
const seedsPerToken = 16
const leastSeeds = 50_000
const longestRun = 40 // code units that are cut in one lattice; longer runs are learned from in parts
const rounds = 2 // of expectation maximization between prunings
const keptByPruning = 0.75

/** Learns a unigram tokenizer (as SentencePiece has it) from a text, or from chunks of one. Throws TextError. */
export async function trainUnigram(
  text: string | AsyncIterable<string> | Iterable<string>,
  options: TrainUnigramOptions,
): Promise<Tokenizer> {
  const { vocabularySize, characterCoverage = 0.9995, longestPiece = 16, lowercase = false } = options
  const roles = options.roles ?? t5Roles
  const specialTokens = options.specialTokens ?? Object.values(t5Roles)
  checkTraining("trainUnigram", vocabularySize, specialTokens, roles)
  const { unknown } = roles
  if (unknown === undefined)
    throw new TextError(
      "trainUnigram: expected the role of the unknown token, but got none",
      'roles: { unknown: "<unk>" }',
    )
  if (!(characterCoverage > 0 && characterCoverage <= 1))
    throw new TextError(`trainUnigram: expected a characterCoverage above 0, up to 1, but got ${characterCoverage}`)
  if (!(Number.isInteger(longestPiece) && longestPiece > 0))
    throw new TextError(`trainUnigram: expected a longestPiece of 1 or more characters, but got ${longestPiece}`)
  const counted = await countRuns(text, "trainUnigram")
  const { words, alphabet } = prepare(counted, { characterCoverage, lowercase, special: new Set(specialTokens) })
  const wanted = vocabularySize - specialTokens.length
  if (alphabet.length > wanted)
    throw new TextError(
      `trainUnigram: expected a vocabulary of at least ${alphabet.length + specialTokens.length} tokens, but got ${vocabularySize}`,
      `the text has ${alphabet.length} characters; lower characterCoverage or take more tokens`,
    )
  const pieces = learn(words, alphabet, wanted, longestPiece)
  return finished(pieces, specialTokens, { ...roles, unknown }, lowercase)
}

type Words = ReadonlyMap<string, number>
type Piece = readonly [piece: string, score: number]

/** Runs as the tokenizer will see them, cut where characters are not covered. */
function prepare(
  counted: Words,
  {
    characterCoverage,
    lowercase,
    special,
  }: { characterCoverage: number; lowercase: boolean; special: ReadonlySet<string> },
): { words: Words; alphabet: string[] } {
  const normal = new Map<string, number>()
  const characters = new Map<string, number>()
  let total = 0
  for (const [run, count] of counted) {
    if (special.has(run)) continue
    const form = run.normalize("NFKC")
    for (const word of (lowercase ? [...form].map(each => each.toLowerCase()).join("") : form).split(/\s+/)) {
      if (word === "" || /\p{Surrogate}/u.test(word)) continue
      addCount(normal, mark + word, count)
      for (const character of mark + word) {
        addCount(characters, character, count)
        total += count
      }
    }
  }
  if (normal.size === 0) throw new TextError("trainUnigram: expected a text with words to learn from, but got none")
  const sorted = [...characters].sort((a, b) => b[1] - a[1] || a[0].codePointAt(0)! - b[0].codePointAt(0)!)
  const alphabet: string[] = []
  let covered = 0
  for (const [character, count] of sorted) {
    if (covered >= total * characterCoverage && character !== mark) continue
    alphabet.push(character)
    covered += count
  }
  const known = new Set(alphabet)
  const words = new Map<string, number>()
  for (const [word, count] of normal) {
    let part = ""
    for (const character of word) {
      if (known.has(character) && part.length < longestRun) part += character
      else {
        if (part !== "") addCount(words, part, count)
        part = known.has(character) ? character : ""
      }
    }
    if (part !== "") addCount(words, part, count)
  }
  return { words, alphabet }
}

function learn(words: Words, alphabet: readonly string[], wanted: number, longestPiece: number): Piece[] {
  let pieces = seeds(words, alphabet, Math.max(leastSeeds, wanted * seedsPerToken), longestPiece)
  const single = new Set(alphabet)
  const enough = Math.floor(wanted * 1.1)
  for (;;) {
    for (let round = 0; round < rounds; round++) pieces = maximize(new UnigramLattice(pieces), words, pieces, single)
    if (pieces.length <= enough) break
    const pruned = prune(words, pieces, single, Math.max(enough, Math.floor(pieces.length * keptByPruning)))
    if (pruned.length === pieces.length) break
    pieces = pruned
  }
  const must = pieces.filter(([piece]) => single.has(piece))
  const others = pieces.filter(([piece]) => !single.has(piece)).sort(byScore)
  return [...must, ...others.slice(0, wanted - must.length)].sort(byScore)
}

const byScore = (a: Piece, b: Piece): number => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)

/** Every character, and the pieces of words that occur twice or more and cover most of the text. */
function seeds(words: Words, alphabet: readonly string[], limit: number, longestPiece: number): Piece[] {
  const { characters, pieces } = frequentPieces(words, alphabet, limit, longestPiece)
  const all = [...alphabet.map((character, i) => [character, characters[i] || 1] as const), ...pieces]
  const total = all.reduce((sum, [, weight]) => sum + weight, 0)
  return all.map(([piece, weight]) => [piece, Math.log(weight / total)])
}

/** One round: how often each piece is expected, and the scores that follow (Bayesian, so that rare pieces lose). */
function maximize(
  lattice: UnigramLattice,
  words: Words,
  pieces: readonly Piece[],
  single: ReadonlySet<string>,
): Piece[] {
  const expected = new Float64Array(pieces.length)
  for (const [word, count] of words) lattice.addExpected(word, count, expected)
  const least = 0.5
  const kept: [string, number][] = []
  let total = 0
  pieces.forEach(([piece], id) => {
    const count = single.has(piece) ? Math.max(least, expected[id]!) : expected[id]!
    if (count < least) return
    kept.push([piece, count])
    total += count
  })
  const whole = digamma(total)
  return kept.map(([piece, count]) => [piece, digamma(count) - whole])
}

/** The `size` pieces whose loss would cost the text's likelihood most, and all characters. */
function prune(words: Words, pieces: readonly Piece[], single: ReadonlySet<string>, size: number): Piece[] {
  const lattice = new UnigramLattice(pieces)
  const used = new Float64Array(pieces.length)
  let tokens = 0
  let weight = 0
  for (const [word, count] of words) {
    weight += count
    for (const id of lattice.best(word)) {
      used[id]! += count
      tokens += count
    }
  }
  const kept: Piece[] = []
  const candidates: { readonly piece: Piece; readonly loss: number }[] = []
  pieces.forEach((piece, id) => {
    if (single.has(piece[0])) {
      kept.push(piece)
      return
    }
    const other = lattice.best(piece[0], id)
    const otherScore = other.reduce((sum, each) => sum + pieces[each]![1], 0)
    const count = used[id]!
    if (count === 0 || otherScore > piece[1]) return
    const otherTokens = Math.log(tokens + count * (other.length - 1))
    let otherLikelihood = 0
    for (const each of other) otherLikelihood += Math.log(used[each]! + count) - otherTokens
    candidates.push({ piece, loss: (count / weight) * (Math.log(count / tokens) - otherLikelihood) })
  })
  candidates.sort((a, b) => b.loss - a.loss || byScore(a.piece, b.piece))
  for (const { piece } of candidates.slice(0, Math.max(0, size - kept.length))) kept.push(piece)
  return kept
}

/** The derivative of log Γ, for x > 0. */
function digamma(given: number): number {
  let x = given
  let sum = 0
  for (; x < 7; x++) sum -= 1 / x
  x -= 0.5
  const inverse = 1 / (x * x)
  return sum + Math.log(x) + inverse * (1 / 24 - inverse * (7 / 960 - inverse * (31 / 8064 - inverse * (127 / 30720))))
}

function finished(
  pieces: readonly Piece[],
  specialTokens: readonly string[],
  roles: Readonly<Partial<Record<SpecialRole, string>>> & { readonly unknown: string },
  lowercase: boolean,
): Tokenizer {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  const vocabulary: Piece[] = [...specialTokens.map((token): Piece => [token, 0]), ...pieces]
  const after = roles.end === undefined ? [] : [`${roles.end}:0`]
  const ids = new Map(specialTokens.map((token, id) => [token, id]))
  const splitter = { type: "Metaspace", replacement: mark, prepend_scheme: "always", split: true }
  return loadTokenizer(
    {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({ id, content, ...flags })),
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "NFKC" },
          ...(lowercase ? [{ type: "Lowercase" }] : []),
          { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
          { type: "Strip", strip_left: true, strip_right: true },
        ],
      },
      pre_tokenizer: splitter,
      post_processor: template(["A:0", ...after], ["A:0", ...after, "B:0", ...after], ids),
      decoder: splitter,
      model: { type: "Unigram", unk_id: ids.get(roles.unknown), vocab: vocabulary, byte_fallback: false },
    },
    { tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false, ...rolesToSettings(roles) },
  )
}
