// Random numbers for data: 32-bit integer arithmetic only, so that a seed gives the same data on every platform.
// The generator is sfc32 (Doty-Humphrey, PractRand); seeds are spread by the finalizer of MurmurHash3 (Appleby).

/** One well-mixed unsigned 32-bit number from a few integers: the same integers, the same number. */
export function hash32(...integers: readonly number[]): number {
  let state = 0x9e3779b9
  for (const integer of integers) {
    const high = Math.floor(integer / 0x100000000) | 0
    for (const word of high === 0 ? [integer | 0] : [integer | 0, high]) {
      state = (state + Math.imul(word, 0x85ebca6b) + 0x6d2b79f5) | 0
      state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
      state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
      state ^= state >>> 16
    }
  }
  return state >>> 0
}

/** A sequence of random numbers that a few integers determine. */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(...seeds: readonly number[]) {
    this.a = hash32(1, ...seeds) | 0
    this.b = hash32(2, ...seeds) | 0
    this.c = hash32(3, ...seeds) | 0
    for (let i = 0; i < 12; i++) this.next()
  }

  /** The next unsigned 32-bit number. */
  next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number from 0 to count - 1, each as likely; 1 <= count <= 2^32. */
  below(count: number): number {
    const limit = 0x100000000 - (0x100000000 % count)
    let value = this.next()
    while (value >= limit) value = this.next()
    return value % count
  }

  /** True with a probability of `parts` in `of`. */
  chance(parts: number, of: number): boolean {
    return this.below(of) < parts
  }

  /** One item of a list that is not empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** Puts the items into a random order, in place (Fisher and Yates). */
  shuffle<L extends { length: number; [index: number]: unknown }>(items: L): L {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const kept = items[last]
      items[last] = items[other]
      items[other] = kept
    }
    return items
  }
}
