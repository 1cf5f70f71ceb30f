// The README keeps its word: its TypeScript runs, its commands exist, its links lead somewhere.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, describe, expect, test } from "vitest"

const root = resolve(import.meta.dirname, "..")
const text = readFileSync(join(root, "README.md"), "utf8")
const blocks = [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, code]) => ({ language, code: code! }))
const packed = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>
  exports: Record<string, unknown>
}

const folder = mkdtempSync(join(tmpdir(), "heed-readme-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The code with its imports led to the sources, and example paths to folders that exist. */
function runnable(code: string): string {
  const source = (door: string): string =>
    pathToFileURL(join(root, "src", door === "heed" ? "index.ts" : `${door.slice(5)}/index.ts`)).href
  return code
    .replace(/from "(heed(?:\/\w+)?)"/g, (_, door: string) => `from "${source(door)}"`)
    .replace("path/to/gpt2", join(root, "tests", "reference", "gpt2"))
}

describe("README", () => {
  const snippets = blocks.filter(block => block.language === "ts")

  test("has TypeScript to try", () => {
    expect(snippets.length).toBeGreaterThanOrEqual(3)
  })

  test.each(snippets.map((block, i) => [i + 1, block.code] as const))("snippet %i runs", async (i, code) => {
    const file = join(folder, `snippet-${i}.ts`)
    writeFileSync(file, runnable(code))
    await import(file)
  })

  test("names commands and doors that exist", () => {
    const commands = [...text.matchAll(/npx heed (\w+)/g)].map(match => match[1]!)
    expect(commands.length).toBeGreaterThan(3)
    for (const command of new Set(commands))
      expect(existsSync(join(root, "src", "cli", `${command}.ts`)), command).toBe(true)
    for (const [, script] of text.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(packed.scripts)).toContain(script)
    for (const [, door] of text.matchAll(/`heed\/(\w+)`/g)) expect(Object.keys(packed.exports)).toContain(`./${door}`)
  })

  test("links lead somewhere", () => {
    for (const [, target] of text.matchAll(/\]\(([^)#]+)\)/g))
      if (!target!.startsWith("http")) expect(existsSync(join(root, target!)), target).toBe(true)
  })

  test("shows the two commands", () => {
    expect(text).toContain("npm ci && npm start")
    expect(text).toContain("npm ci && npm test")
  })
})
