// `pure.ts` is what a browser loads: nothing it reaches may import node:*.
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { expect, test } from "vitest"

test("nothing behind pure.ts imports node:*", () => {
  const seen = new Set<string>()
  const outside: string[] = []
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    for (const [, from] of readFileSync(file, "utf8").matchAll(/\bfrom "([^"]+)"/g)) {
      if (from!.startsWith(".")) visit(join(dirname(file), from!))
      else outside.push(`${file}: ${from}`)
    }
  }
  visit(join(import.meta.dirname, "../../src/files/pure.ts"))
  expect(outside).toEqual([])
  expect(seen.size).toBeGreaterThan(5)
})
