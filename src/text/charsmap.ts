// SentencePiece's compiled character map (Kudo & Richardson 2018): a double-array trie from byte strings to their replacements, as
// spiece.model and tokenizer.json carry it. The walk is bounded by the table, whatever bytes it holds.
import { TextError } from "./errors.ts"

const longestWhole = 6 // bytes; Hugging Face looks up character clusters shorter than this in one piece

/** Replaces characters as a compiled map says. */
export class CharacterMap {
  private readonly units: Uint32Array
  private readonly replacements: Uint8Array
  private readonly found = new Map<string, string | null>()
  private readonly encoder = new TextEncoder()
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true })

  /** Reads the bytes of a compiled map: the size of the trie, the trie, replacements that end in zero. Throws TextError. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const size = bytes.length < 4 ? -1 : view.getUint32(0, true)
    if (size < 4 || size % 4 !== 0 || size + 4 > bytes.length)
      throw new TextError(
        `character map: expected a trie of at most ${Math.max(0, bytes.length - 4)} bytes, but got ${size}`,
        "the normalizer's precompiled_charsmap is damaged: fetch the tokenizer again",
      )
    this.units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true))
    this.replacements = bytes.subarray(4 + size)
  }

  /** What stands for a character, or for a whole cluster of a base and its marks; null when it stays as it is. */
  replace(characters: string): string | null {
    let known = this.found.get(characters)
    if (known === undefined) {
      known = this.search(this.encoder.encode(characters))
      if (this.found.size < 1 << 16) this.found.set(characters, known)
    }
    return known
  }

  /** Whether a cluster is looked up as one; longer ones go character by character. */
  static isShort(cluster: string): boolean {
    let bytes = 0
    for (const character of cluster) {
      const code = character.codePointAt(0)!
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    }
    return bytes < longestWhole
  }

  /** The replacement of the shortest prefix that has one (it is the whole character, or the base of a cluster). */
  private search(key: Uint8Array): string | null {
    const { units } = this
    const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6)
    let node = offset(units[0]!)
    for (const byte of key) {
      if (byte === 0) return null
      node = (node ^ byte) >>> 0
      const unit = units[node]
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return null
      node = (node ^ offset(unit)) >>> 0
      if ((unit & 0x100) === 0) continue
      const leaf = units[node]
      if (leaf === undefined) return null
      const start = (leaf & 0x7fffffff) >>> 0
      if (start > this.replacements.length) return null
      const end = this.replacements.indexOf(0, start)
      return this.decoder.decode(this.replacements.subarray(start, end < 0 ? undefined : end))
    }
    return null
  }
}
