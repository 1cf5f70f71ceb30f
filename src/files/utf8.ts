// Where UTF-8 goes wrong, and where it is cut: the two questions that streaming a text asks. Pure.

/** Length and second-byte range of the sequence that a lead byte begins; length 0 for a byte that begins none. */
function sequence(lead: number): [length: number, low: number, high: number] {
  if (lead < 0x80) return [1, 0, 0]
  if (lead < 0xc2) return [0, 0, 0] // continuation bytes, and c0 c1, which would be overlong
  if (lead < 0xe0) return [2, 0x80, 0xbf]
  if (lead < 0xf0) return [3, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf] // no overlong forms, no surrogates
  if (lead < 0xf5) return [4, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf] // up to U+10FFFF
  return [0, 0, 0]
}

/** Offset of the first byte of the first sequence that is no UTF-8; -1 when all of it is. */
export function firstInvalidUtf8(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; ) {
    const [length, low, high] = sequence(bytes[i]!)
    if (length === 0 || i + length > bytes.length) return i
    for (let k = 1; k < length; k++) {
      const byte = bytes[i + k]!
      if (byte < (k === 1 ? low : 0x80) || byte > (k === 1 ? high : 0xbf)) return i
    }
    i += length
  }
  return -1
}

/** Number of bytes at the end that begin a character without completing it: 0 to 3. */
export function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte >= 0x80 && byte < 0xc0) continue // a continuation byte: its lead stands further left
    return sequence(byte)[0] > back ? back : 0
  }
  return 0
}
