// A corpus as token ids in one typed array, and its split into a part to learn from and a part to measure with.
import type { Tokenizer } from "../text/index.ts"
import { DataError } from "./errors.ts"

/** Token ids of a corpus, in the order of the text. */
export class TokenDataset {
  readonly tokens: Int32Array | Uint16Array
  /** Ids are below this. */
  readonly vocabularySize: number

  /** Throws DataError for an empty corpus, and for an id that is not below vocabularySize. */
  constructor(tokens: Int32Array | Uint16Array, vocabularySize: number) {
    if (!Number.isInteger(vocabularySize) || vocabularySize < 1)
      throw new DataError(`dataset: expected a vocabulary of 1 or more tokens, but got ${vocabularySize}`)
    if (tokens.length === 0)
      throw new DataError(
        "dataset: expected a corpus of tokens, but got an empty one",
        "the text has no content: is it the right file?",
      )
    for (let at = 0; at < tokens.length; at++)
      if (tokens[at]! < 0 || tokens[at]! >= vocabularySize)
        throw new DataError(
          `dataset: expected ids below the vocabulary's size of ${vocabularySize}, but got ${tokens[at]} at position ${at}`,
          "the ids were made by another tokenizer: encode the text again",
        )
    this.tokens = tokens
    this.vocabularySize = vocabularySize
  }

  /** Encodes a text, or chunks of one, in bounded memory beside the ids: two bytes an id where the vocabulary allows. */
  static async fromText(
    tokenizer: Tokenizer,
    text: string | AsyncIterable<string> | Iterable<string>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<TokenDataset> {
    const narrow = tokenizer.vocabularySize <= 0x10000
    let tokens: Int32Array | Uint16Array = narrow ? new Uint16Array(1 << 12) : new Int32Array(1 << 12)
    let length = 0
    for await (const ids of tokenizer.encodeStream(typeof text === "string" ? [text] : text)) {
      options.signal?.throwIfAborted()
      if (length + ids.length > tokens.length) {
        const size = Math.max(length + ids.length, Math.ceil(tokens.length * 1.5))
        const larger: Int32Array | Uint16Array = narrow ? new Uint16Array(size) : new Int32Array(size)
        larger.set(tokens.subarray(0, length))
        tokens = larger
      }
      tokens.set(ids, length)
      length += ids.length
    }
    return new TokenDataset(tokens.subarray(0, length), tokenizer.vocabularySize)
  }

  #fingerprint: number | null = null

  /** A number of 32 bits that two different corpora hardly ever share (FNV-1a over the ids). */
  get fingerprint(): number {
    if (this.#fingerprint !== null) return this.#fingerprint
    let hash = 0x811c9dc5
    for (let at = 0; at < this.tokens.length; at++) hash = Math.imul(hash ^ this.tokens[at]!, 0x01000193)
    this.#fingerprint = hash >>> 0
    return this.#fingerprint
  }

  /** Tokens in the corpus. */
  get length(): number {
    return this.tokens.length
  }

  /**
   * The last `fraction` of the corpus for validation, the rest for training; no token is in both. Each part has at least
   * `smallest` tokens (say, the context and one more), or DataError says how long the corpus must be.
   */
  split(fraction = 0.1, smallest = 1): { train: TokenDataset; validation: TokenDataset } {
    if (!(fraction > 0 && fraction < 1))
      throw new DataError(
        `split: expected a fraction between 0 and 1 for validation, but got ${fraction}`,
        "0.1 is usual",
      )
    const kept = Math.floor(this.length * (1 - fraction))
    if (kept < smallest || this.length - kept < smallest)
      throw new DataError(
        `split: expected two parts of ${smallest} tokens or more, but a corpus of ${this.length} gives ${kept} and ${this.length - kept}`,
        `use a corpus of ${Math.ceil(smallest / Math.min(fraction, 1 - fraction))} tokens or more, a shorter context or another fraction`,
      )
    return {
      train: new TokenDataset(this.tokens.subarray(0, kept), this.vocabularySize),
      validation: new TokenDataset(this.tokens.subarray(kept), this.vocabularySize),
    }
  }
}

/** Refuses a corpus whose ids a model cannot hold: it was encoded for a vocabulary larger than the model's. */
export function checkVocabulary(dataset: TokenDataset, modelVocabularySize: number): void {
  if (dataset.vocabularySize > modelVocabularySize)
    throw new DataError(
      `data: expected ids below the model's vocabulary of ${modelVocabularySize}, but the corpus was encoded for ${dataset.vocabularySize}`,
      "use the tokenizer that belongs to the model",
    )
}
