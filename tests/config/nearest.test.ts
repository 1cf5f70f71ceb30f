import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { editDistance, nearestName } from "../../src/config/nearest.ts"

describe("editDistance", () => {
  test.each([
    ["", "", 0],
    ["abc", "", 3],
    ["kitten", "sitting", 3],
    ["learning", "leanring", 1],
    ["ab", "ba", 1],
    ["ca", "abc", 3],
  ])("%s -> %s: %i", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance)
  })

  test("is symmetric, zero only of equals, at most the longer length", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b)
        expect(distance).toBe(editDistance(b, a))
        expect(distance === 0).toBe(a === b)
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      }),
    )
  })
})

describe("nearestName", () => {
  const names = ["learningRate", "warmupSteps", "heads", "maxSteps"]
  test.each([
    ["lerningrate", "learningRate", true],
    ["learning-rate", "learningRate", true],
    ["warmup", "warmupSteps", true],
    ["head", "heads", true],
    ["max_step", "maxSteps", true],
  ])("%s -> %s", (given, name, close) => {
    expect(nearestName(given, names)).toEqual({ name, close })
  })
  test("nothing near is not called close; of none there is none", () => {
    expect(nearestName("xqzwv", names)?.close).toBe(false)
    expect(nearestName("a", [])).toBeUndefined()
  })
})
