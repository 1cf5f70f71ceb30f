import fc from "fast-check"
import { expect, test } from "vitest"
import { draw, keepMinP, keepTopK, keepTopP, probabilities } from "../../src/generate/index.ts"

const rows = fc
  .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map(scores => Float32Array.from(scores))

const kept = (scores: Float32Array): number[] => [...scores.keys()].filter(i => scores[i]! > -Infinity)

test("top-k keeps the k best and their equals", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 50 }), (scores, k) => {
      const limit = [...scores].sort((a, b) => b - a)[Math.min(k, scores.length) - 1]!
      const expected = [...scores.keys()].filter(i => scores[i]! >= limit)
      keepTopK(scores, k)
      expect(kept(scores)).toEqual(expected)
    }),
  )
})

test("top-p keeps the smallest set that reaches p", () => {
  fc.assert(
    fc.property(rows, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (scores, p) => {
      const chances = probabilities(scores)
      const order = [...chances.keys()].sort((a, b) => chances[b]! - chances[a]! || a - b)
      keepTopP(scores, p)
      const ids = kept(scores)
      expect(ids).toEqual(order.slice(0, ids.length).sort((a, b) => a - b))
      const total = (count: number) => order.slice(0, count).reduce((sum, id) => sum + chances[id]!, 0)
      expect(total(ids.length)).toBeGreaterThanOrEqual(p - 1e-12)
      if (ids.length > 1) expect(total(ids.length - 1)).toBeLessThan(p)
    }),
  )
})

test("top-p keeps at least as many tokens as asked for", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 50 }), (scores, least) => {
      const chances = probabilities(scores)
      const order = [...chances.keys()].sort((a, b) => chances[b]! - chances[a]! || a - b)
      const whole = scores.slice()
      keepTopP(whole, 0.3)
      const count = Math.max(kept(whole).length, Math.min(least, scores.length))
      keepTopP(scores, 0.3, least)
      expect(kept(scores)).toEqual(order.slice(0, count).sort((a, b) => a - b))
    }),
  )
})

test("min-p keeps what is likely enough beside the best", () => {
  fc.assert(
    fc.property(rows, fc.double({ min: 0, max: 1, noNaN: true }), (scores, p) => {
      const chances = probabilities(scores)
      const expected = [...chances.keys()].filter(i => chances[i]! >= p * Math.max(...chances))
      keepMinP(scores, p)
      expect(kept(scores)).toEqual(expected)
    }),
  )
})

test("draws are as frequent as probable", () => {
  const scores = Float32Array.of(Math.log(0.5), -Infinity, Math.log(0.3), Math.log(0.2))
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 1000; i++) counts[draw(scores, (i + 0.5) / 1000)]!++
  expect(counts).toEqual([500, 0, 300, 200])
})
