import { describe, expect, it } from "vitest"
import { hash32, Random } from "../../src/data/index.ts"

describe("Random", () => {
  it("gives the same numbers from the same seed, on every platform", () => {
    const random = new Random(42)
    expect([random.next(), random.next(), random.next()]).toEqual([4261106502, 3255968727, 2405101510])
    expect(hash32(1, 2, 3)).toBe(2389048300)
    expect(new Random(1, 2).next()).not.toBe(new Random(2, 1).next())
    expect(hash32(2 ** 40)).not.toBe(hash32(0))
  })

  it("draws evenly", () => {
    const random = new Random(7)
    const counts = new Array<number>(6).fill(0)
    for (let i = 0; i < 60_000; i++) counts[random.below(6)]!++
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
    let heads = 0
    for (let i = 0; i < 10_000; i++) if (random.chance(1, 4)) heads++
    expect(Math.abs(heads - 2500)).toBeLessThan(200)
  })

  it("shuffles without losing items", () => {
    const shuffled = new Random(3).shuffle(Array.from({ length: 50 }, (_, i) => i))
    expect(shuffled).not.toEqual([...shuffled].sort((a, b) => a - b))
    expect([...shuffled].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })
})
