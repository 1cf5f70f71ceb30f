// Vocabularies by their code units: what tokens begin at a place is found without making a text of each.

/** A trie over code units in one open-addressing table: small for vocabularies of any size. */
export class PieceTrie {
  private keys: Float64Array
  private nodes: Int32Array
  private mask: number
  private edges = 0
  private values: number[] = [-1]

  constructor() {
    this.mask = (1 << 10) - 1
    this.keys = new Float64Array(1 << 10).fill(-1)
    this.nodes = new Int32Array(1 << 10)
  }

  /** Adds a piece with its value (0 or more). */
  add(piece: string, value: number): void {
    let node = 0
    for (let at = 0; at < piece.length; at++) {
      const key = node * 0x10000 + piece.charCodeAt(at)
      let slot = this.slot(key)
      if (this.keys[slot] === -1) {
        if (++this.edges * 2 > this.mask) {
          this.grow()
          slot = this.slot(key)
        }
        this.keys[slot] = key
        this.nodes[slot] = this.values.length
        this.values.push(-1)
      }
      node = this.nodes[slot]!
    }
    this.values[node] = value
  }

  /** The node that a code unit leads to, or -1. The root is 0. */
  next(node: number, unit: number): number {
    const key = node * 0x10000 + unit
    let slot = this.hash(key)
    for (;;) {
      const there = this.keys[slot]
      if (there === key) return this.nodes[slot]!
      if (there === -1) return -1
      slot = (slot + 1) & this.mask
    }
  }

  /** The value at a node, or -1. */
  value(node: number): number {
    return this.values[node]!
  }

  private hash(key: number): number {
    const high = Math.floor(key / 0x10000)
    const mixed = Math.imul(high, 0x9e3779b1) ^ Math.imul(key & 0xffff, 0x85ebca6b)
    return (mixed ^ (mixed >>> 15)) & this.mask
  }

  private slot(key: number): number {
    let slot = this.hash(key)
    while (this.keys[slot] !== -1 && this.keys[slot] !== key) slot = (slot + 1) & this.mask
    return slot
  }

  private grow(): void {
    const { keys, nodes } = this
    this.mask = keys.length * 2 - 1
    this.keys = new Float64Array(this.mask + 1).fill(-1)
    this.nodes = new Int32Array(this.mask + 1)
    for (let at = 0; at < keys.length; at++) {
      if (keys[at] === -1) continue
      const slot = this.slot(keys[at]!)
      this.keys[slot] = keys[at]!
      this.nodes[slot] = nodes[at]!
    }
  }
}
