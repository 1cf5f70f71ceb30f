// Learning a byte-level vocabulary (Sennrich et al. 2016): again and again the most frequent pair of neighbours becomes a token.
import { byteCharacters, bytesInOrder } from "./byte-alphabet.ts"
import { ByteLevelTokenizer } from "./byte-level.ts"
import { TextError } from "./errors.ts"
import { isSettled, pieceEnd } from "./gpt2-split.ts"
import { layOutWords, learnPairs } from "./learn-pairs.ts"
import { SpecialTokens, walkSegments } from "./segments.ts"
import type { SpecialRole } from "./tokenizer.ts"

/** What to learn. */
export interface TrainByteLevelOptions {
  /** Tokens in all: 256 bytes, merges and special tokens. Fewer come out when no pair is frequent enough any more. */
  readonly vocabularySize: number
  /** A pair must occur this often to become a token. Default 2. */
  readonly minimumFrequency?: number
  /** Tokens that are no text, such as "<|endoftext|>"; their ids are the last ones. Occurrences in the text are not learned from. */
  readonly specialTokens?: readonly string[]
  /** Which special token plays which role. */
  readonly roles?: Readonly<Partial<Record<SpecialRole, string>>>
}

/** Learns byte-level BPE from a text, or from chunks of one. Equal texts give equal vocabularies, wherever they are cut. */
export async function trainByteLevel(
  text: string | AsyncIterable<string> | Iterable<string>,
  options: TrainByteLevelOptions,
): Promise<ByteLevelTokenizer> {
  const { vocabularySize, minimumFrequency = 2, specialTokens = [], roles = {} } = options
  const merges = vocabularySize - 256 - specialTokens.length
  if (!Number.isInteger(vocabularySize) || merges < 0 || vocabularySize > 1 << 20)
    throw new TextError(
      `trainByteLevel: expected a vocabulary of ${256 + specialTokens.length} to ${1 << 20} tokens, but got ${vocabularySize}`,
      "256 tokens are the single bytes; the rest are merges and special tokens",
    )
  for (const token of Object.values(roles))
    if (!specialTokens.includes(token))
      throw new TextError(
        `trainByteLevel: expected roles of special tokens, but got ${JSON.stringify(token)}, which is none`,
      )
  const special = new SpecialTokens(new Map(specialTokens.map((token, index) => [token, index])))
  const counts = await countPieces(typeof text === "string" ? [text] : text, special)
  if (counts.size === 0)
    throw new TextError(
      "trainByteLevel: expected a text to learn from, but got an empty one",
      "the file is empty, or was not read",
    )
  const learned = learnMerges(counts, merges, Math.max(1, minimumFrequency))
  const size = learned.vocabulary.length
  return new ByteLevelTokenizer({
    ...learned,
    specialTokens: new Map(specialTokens.map((token, index) => [token, size + index])),
    roles,
  })
}

/** How often each piece of GPT-2's split occurs. */
async function countPieces(
  chunks: AsyncIterable<string> | Iterable<string>,
  special: SpecialTokens,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const take = (text: string, complete: boolean): number => {
    const count = (start: number, end: number, whole: boolean): number => {
      for (let at = start; at < end; ) {
        const next = pieceEnd(text, at, end)
        if (!whole && !isSettled(text, at, next, end)) return at
        const piece = text.slice(at, next)
        counts.set(piece, (counts.get(piece) ?? 0) + 1)
        at = next
      }
      return end
    }
    return walkSegments(special, text, complete, count, () => {})
  }
  let held = ""
  let wanted = 0
  for await (const chunk of chunks) {
    held += chunk
    if (held.length < wanted) continue
    held = held.slice(take(held, false))
    wanted = 2 * held.length
  }
  take(held, true)
  return counts
}

function learnMerges(
  counts: ReadonlyMap<string, number>,
  limit: number,
  minimumFrequency: number,
): { vocabulary: string[]; merges: [string, string][] } {
  const vocabulary = bytesInOrder.map(byte => byteCharacters[byte]!)
  const byteIds = new Int32Array(256)
  bytesInOrder.forEach((byte, id) => {
    byteIds[byte] = id
  })
  const utf8 = new TextEncoder()
  const words = [...counts].map(([piece, frequency]) => ({
    ids: Int32Array.from(utf8.encode(piece), byte => byteIds[byte]!),
    frequency,
  }))
  const join = (left: string, right: string): string => left + right
  const merges = learnPairs(layOutWords(words), vocabulary, { size: limit + 256, minimumFrequency, join })
  return { vocabulary, merges }
}
