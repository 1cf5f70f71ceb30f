import { expect, test } from "vitest"
import { deepestNesting, isTooDeep } from "../../src/config/index.ts"

const nested = (depth: number, end: unknown = 1): unknown => {
  let value = end
  for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { a: value }
  return value
}

test("depth counts lists and objects, and never overflows the stack", () => {
  expect(isTooDeep(nested(deepestNesting))).toBe(false)
  expect(isTooDeep(nested(deepestNesting + 1))).toBe(true)
  expect(isTooDeep([nested(deepestNesting)])).toBe(true)
  expect(isTooDeep(nested(1_000_000))).toBe(true)
  for (const flat of [null, 1, "a", [], {}, [[], {}], { a: null }]) expect(isTooDeep(flat, 2)).toBe(false)
})
