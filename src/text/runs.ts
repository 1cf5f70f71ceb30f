// Streams through tokenizers whose pipelines are settled by their files: the text is cut only where no tokenizer of the kind joins what
// lies before the cut with what lies behind it.
import { TextError } from "./errors.ts"
import { IdList } from "./ids.ts"
import type { TokenizerJson, TokenizerPartJson } from "./tokenizer.ts"

const longestUncutText = 1 << 24 // code units that a stream may hold when its tokenizer allows no cut
const smallestRun = 1 << 14

/**
 * The ids of a text in chunks. Cuts only between a letter and a blank followed by a letter, where tokenizers that split at blanks always
 * split. A tokenizer that does not (SentencePiece) is given the whole text at once, up to 16 million characters; a longer one is refused.
 */
export async function* encodeRuns(
  encode: (text: string) => Int32Array,
  cuttable: boolean,
  kind: string,
  chunks: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<Int32Array, void, void> {
  const ids = new IdList()
  let held = ""
  let wanted = smallestRun
  for await (const chunk of chunks) {
    if (typeof chunk !== "string") throw new TextError(`encodeStream: expected chunks of text, but got ${typeof chunk}`)
    held += chunk
    if (held.length < wanted) continue
    const cut = cuttable ? lastCut(held) : 0
    if (cut > 0) ids.append(encode(held.slice(0, cut)))
    held = held.slice(cut)
    if (held.length > longestUncutText)
      throw new TextError(
        `encodeStream: expected a text that this ${kind} tokenizer can cut, but got ${held.length} characters without a safe cut`,
        "encode it document by document with encode(text)",
      )
    wanted = Math.max(smallestRun, 2 * held.length)
    if (ids.length > 0) yield ids.take()
  }
  ids.append(encode(held))
  if (ids.length > 0) yield ids.take()
}

/** Where the text may be cut: the last blank between two letters, with a letter seen after it; 0 when there is none. */
function lastCut(text: string): number {
  const letter = /\p{L}/u
  for (let at = text.length - 2; at > 0; at--)
    if (text[at] === " " && letter.test(text[at - 1]!) && letter.test(text[at + 1]!)) return at
  return 0
}

const localNormalizers = new Set(["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"])
const localSplits = new Set([
  "BertPreTokenizer",
  "Whitespace",
  "WhitespaceSplit",
  "Split",
  "Digits",
  "Punctuation",
  "ByteLevel",
])
const droppingSplits = new Set(["BertPreTokenizer", "Whitespace", "WhitespaceSplit"])

/** Whether the pipeline treats the text before a blank between letters and the text from it on independently. */
export function cutsAtBlanks(json: TokenizerJson): boolean {
  if (!parts(json.normalizer, "normalizers").every(part => localNormalizers.has(String(part.type)))) return false
  const splitting = parts(json.pre_tokenizer, "pretokenizers")
  if (!splitting.every(part => localSplits.has(String(part.type)) && part.add_prefix_space !== true)) return false
  return (json.added_tokens ?? []).every(token => !token.content.includes(" "))
}

/** Whether blanks only separate: what lies between two of them has the same tokens wherever it stands. */
export function dropsBlanks(json: TokenizerJson): boolean {
  const [first] = parts(json.pre_tokenizer, "pretokenizers")
  return cutsAtBlanks(json) && first !== undefined && droppingSplits.has(String(first.type))
}

function parts(part: TokenizerPartJson | null | undefined, list: string): readonly TokenizerPartJson[] {
  if (part == null) return []
  if (part.type !== "Sequence") return [part]
  const inner = part[list]
  return Array.isArray(inner) ? (inner as TokenizerPartJson[]) : [part]
}
