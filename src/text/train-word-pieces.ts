// Learning a WordPiece vocabulary for BERT's kind of tokenizer. As in Hugging Face's trainer it is learned like byte-pair encoding, by
// the frequency of pairs, over characters that carry "##" inside words; the merges are forgotten, for WordPiece cuts by longest match.
import { original } from "./aligned.ts"
import { addCount, checkTraining, countRuns } from "./count-words.ts"
import { TextError } from "./errors.ts"
import { layOutWords, learnPairs } from "./learn-pairs.ts"
import { loadTokenizer } from "./load.ts"
import { readNormalizer } from "./normalizers.ts"
import { template } from "./older-template.ts"
import { readSplitter } from "./splitters.ts"
import { rolesToSettings, type SpecialRole, type Tokenizer } from "./tokenizer.ts"

/** What to learn. */
export interface TrainWordPieceOptions {
  /** Tokens in all, special tokens included. Fewer come out when no pair is frequent enough any more. */
  readonly vocabularySize: number
  /** A pair must occur this often to become a token. Default 2. */
  readonly minimumFrequency?: number
  /** Lower case, and accents removed. Default true. */
  readonly lowercase?: boolean
  /** The most frequent characters that are kept; words with others are unknown. Default 1000. */
  readonly alphabetLimit?: number
  /** Special tokens; their ids are the first ones. Default [PAD], [UNK], [CLS], [SEP], [MASK]. */
  readonly specialTokens?: readonly string[]
  /** Which special token plays which role; the unknown one is needed. Default BERT's. */
  readonly roles?: Readonly<Partial<Record<SpecialRole, string>>>
}

const prefix = "##"
const longestWord = 100
const bertRoles = { padding: "[PAD]", unknown: "[UNK]", class: "[CLS]", separator: "[SEP]", mask: "[MASK]" } as const

/** Learns a WordPiece tokenizer from a text, or from chunks of one. Equal texts give equal vocabularies. Throws TextError. */
export async function trainWordPiece(
  text: string | AsyncIterable<string> | Iterable<string>,
  options: TrainWordPieceOptions,
): Promise<Tokenizer> {
  const { vocabularySize, minimumFrequency = 2, lowercase = true, alphabetLimit = 1000 } = options
  const roles = options.roles ?? bertRoles
  const specialTokens = options.specialTokens ?? Object.values(bertRoles)
  checkTraining("trainWordPiece", vocabularySize, specialTokens, roles)
  const { unknown } = roles
  if (unknown === undefined)
    throw new TextError(
      "trainWordPiece: expected the role of the unknown token, but got none",
      'roles: { unknown: "[UNK]" }',
    )
  const normalizer = {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase,
  }
  const words = await countWords(text, normalizer, new Set(specialTokens))
  const alphabet = frequentCharacters(words, alphabetLimit)
  const vocabulary = [...specialTokens, ...alphabet.filter(character => !specialTokens.includes(character))]
  const laid = layOut(words, vocabulary)
  if (vocabulary.length > vocabularySize)
    throw new TextError(
      `trainWordPiece: expected a vocabulary of at least ${vocabulary.length} tokens, but got ${vocabularySize}`,
      `the text has ${alphabet.length} characters, at the beginning of words and inside; lower alphabetLimit or take more tokens`,
    )
  learnPairs(laid, vocabulary, {
    size: vocabularySize,
    minimumFrequency: Math.max(1, minimumFrequency),
    join: (left, right) => left + right.slice(prefix.length),
  })
  const ids = new Map(vocabulary.map((token, id) => [token, id]))
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  const before = roles.class === undefined ? [] : [`${roles.class}:0`]
  const after = (type: 0 | 1): string[] => (roles.separator === undefined ? [] : [`${roles.separator}:${type}`])
  return loadTokenizer(
    {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({ id, content, ...flags })),
      normalizer,
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: template(
        [...before, "A:0", ...after(0)],
        [...before, "A:0", ...after(0), "B:1", ...after(1)],
        ids,
      ),
      decoder: { type: "WordPiece", prefix, cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: unknown,
        continuing_subword_prefix: prefix,
        max_input_chars_per_word: longestWord,
        vocab: Object.fromEntries(ids),
      },
    },
    {
      tokenizer_class: "BertTokenizer",
      do_lower_case: lowercase,
      clean_up_tokenization_spaces: true,
      ...rolesToSettings(roles),
    },
  )
}

async function countWords(
  text: string | AsyncIterable<string> | Iterable<string>,
  normalizer: { type: string },
  special: ReadonlySet<string>,
): Promise<Map<string, number>> {
  const normalize = readNormalizer(normalizer)!
  const { split } = readSplitter({ type: "BertPreTokenizer" })!
  const words = new Map<string, number>()
  for (const [run, count] of await countRuns(text, "trainWordPiece"))
    if (!special.has(run))
      for (const { text: word } of split(normalize(original(run)), false))
        if (word.length <= longestWord) addCount(words, word, count)
  if (words.size === 0) throw new TextError("trainWordPiece: expected a text with words to learn from, but got none")
  return words
}

/** The most frequent characters, in the order of their code points. */
function frequentCharacters(words: ReadonlyMap<string, number>, limit: number): string[] {
  const counts = new Map<string, number>()
  for (const [word, count] of words) for (const character of word) addCount(counts, character, count)
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0].codePointAt(0)! - b[0].codePointAt(0)!)
    .slice(0, limit)
    .map(([character]) => character)
    .sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
}

/** Words as ids of characters; "##c" is added to the vocabulary where it is met first. Words with other characters are left out. */
function layOut(words: ReadonlyMap<string, number>, vocabulary: string[]) {
  const ids = new Map(vocabulary.map((token, id) => [token, id]))
  const laid: { ids: number[]; frequency: number }[] = []
  for (const [word, frequency] of words) {
    const characters = [...word]
    if (characters.some(character => !ids.has(character))) continue
    const spelled = characters.map((character, i) => {
      const token = i === 0 ? character : prefix + character
      let id = ids.get(token)
      if (id === undefined) {
        id = vocabulary.length
        vocabulary.push(token)
        ids.set(token, id)
      }
      return id
    })
    laid.push({ ids: spelled, frequency })
  }
  return layOutWords(laid)
}
