// A binary heap of numbers, smallest first: the queue of merges while a piece is encoded and while a vocabulary is trained.

/** Numbers, handed out smallest first. */
export class NumberHeap {
  private values = new Float64Array(64)
  size = 0

  /** Adds a number. */
  push(value: number): void {
    if (this.size === this.values.length) {
      const larger = new Float64Array(this.size * 2)
      larger.set(this.values)
      this.values = larger
    }
    const { values } = this
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (values[parent]! <= value) break
      values[at] = values[parent]!
      at = parent
    }
    values[at] = value
  }

  /** Removes and returns the smallest number; the heap must not be empty. */
  pop(): number {
    const { values } = this
    const smallest = values[0]!
    const value = values[--this.size]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.size) break
      if (child + 1 < this.size && values[child + 1]! < values[child]!) child++
      if (values[child]! >= value) break
      values[at] = values[child]!
      at = child
    }
    values[at] = value
    return smallest
  }
}
