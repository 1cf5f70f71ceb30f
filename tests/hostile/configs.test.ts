// The configuration of every golden model with one value changed to what it should never be: opened all the same, or refused in words.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { expect, test } from "vitest"
import { parseSafetensors } from "../../src/files/pure.ts"
import { modelFrom } from "../../src/models/load.ts"
import { cases } from "../reference/golden.ts"

const odd: readonly unknown[] = [
  ...[null, true, false, 0, -1, -0, 1, 3, 1.5, 65536, 1e9, 2 ** 31, 2 ** 53, 1e300, 1e-300, -1e9],
  ...["", "NaN", "Infinity", "gelu", "__proto__", "constructor", "x".repeat(1000)],
  ...[[], [1], [0, 0], [1e9], [[]], {}, { a: 1 }, { "0": 5 }, { "1000000000": "x" }, Array(1000).fill(3)],
  JSON.parse('{"__proto__": {"hidden_size": 1}}'),
]

/** Paths to every key, also of nested configurations. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || path.length > 2) return []
  return Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...pathsOf(inner, [...path, key])])
}

test.each(cases.map(one => [one.name, one] as const))("%s", async (_, { folder, config }) => {
  const file = parseSafetensors(new Uint8Array(readFileSync(join(folder, "model.safetensors"))))
  const source = { names: file.names, info: (name: string) => file.info(name), read: (name: string) => file.read(name) }
  const text = JSON.stringify(config)
  const change = fc.tuple(fc.constantFrom(...pathsOf(config)), fc.constantFrom(...odd))
  await fc.assert(
    fc.asyncProperty(change, async ([path, value]) => {
      const changed = JSON.parse(text)
      let inner = changed
      for (const key of path.slice(0, -1)) inner = inner[key]
      inner[path.at(-1)!] = value
      try {
        await modelFrom(changed, source)
      } catch (problem) {
        const { name, message, stack } = problem as Error
        expect(name, stack).toMatch(/^(HeedError|ShapeError|ValueError|ConfigError|TypeMismatchError)$/)
        expect(message).toMatch(/expected/)
      }
    }),
    { numRuns: 40 },
  )
})
