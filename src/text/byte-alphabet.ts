// GPT-2's byte alphabet: each of the 256 bytes as one visible character, so that tokens of bytes can be written in JSON.
// Bytes that print as themselves stay; the others, in order, become the characters from U+0100 on.

/** The character of each byte. */
export const byteCharacters: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode((byte > 32 && byte < 127) || (byte > 160 && byte !== 173) ? byte : next++),
  )
})()

const bytesByCharacter = new Map(byteCharacters.map((character, byte) => [character, byte]))

/** The bytes of a token in the byte alphabet, or null when it has a character outside of it. */
export function tokenBytes(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length)
  for (let at = 0; at < token.length; at++) {
    const byte = bytesByCharacter.get(token[at]!)
    if (byte === undefined) return null
    bytes[at] = byte
  }
  return bytes
}

/** The bytes in the order of their characters' code points: the order of GPT-2's first 256 ids. */
export const bytesInOrder: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte).sort(
  (a, b) => byteCharacters[a]!.charCodeAt(0) - byteCharacters[b]!.charCodeAt(0),
)
