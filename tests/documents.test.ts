// The README and the pages under docs/ keep their word: their TypeScript runs, their commands exist, their links lead somewhere.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, describe, expect, test, vi } from "vitest"
import { findTask } from "../src/tasks/index.ts"
import { folderNames, makeFolder } from "./tasks/folders.ts"

const root = resolve(import.meta.dirname, "..")
const packed = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>
  exports: Record<string, unknown>
}

function pagesUnder(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(name => name.endsWith(".md"))
    .map(name => join(folder, name))
}

const pages = [join(root, "README.md"), ...pagesUnder(join(root, "docs"))].map(path => {
  const text = readFileSync(path, "utf8")
  const blocks = [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, code]) => ({ language, code: code! }))
  return { path, name: relative(root, path), text, snippets: blocks.filter(block => block.language === "ts") }
})

const folder = mkdtempSync(join(tmpdir(), "heed-documents-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const made = new Map<string, Promise<string>>()

/** Makes the small models with random weights that code names ("path/to/sentiment"); golden models are there already. */
async function makeFolders(code: string): Promise<void> {
  for (const [, name] of code.matchAll(/path\/to\/([\w.-]+)/g))
    if (folderNames.includes(name!) && !made.has(name!)) made.set(name!, makeFolder(name!, join(folder, "path", "to")))
  await Promise.all(made.values())
}

/** The code with its imports led to the sources, and example paths ("path/to/gpt2") to the folders of golden or small models. */
function runnable(code: string): string {
  const source = (door: string): string =>
    pathToFileURL(join(root, "src", door === "heed" ? "index.ts" : `${door.slice(5)}/index.ts`)).href
  return code
    .replace(/from "(heed(?:\/\w+)?)"/g, (_, door: string) => `from "${source(door)}"`)
    .replace(/import "heed"/g, `import "${source("heed")}"`)
    .replace(/path\/to\/([\w.-]+)/g, (path, name: string) => {
      const golden = join(root, "tests", "reference", name)
      return existsSync(golden) ? golden : join(folder, path)
    })
}

const runs = pages.flatMap(({ name, snippets }) => snippets.map(({ code }, i) => [name, i + 1, code] as const))

test.each(runs)("%s: snippet %i runs", async (name, i, code) => {
  vi.spyOn(console, "log").mockImplementation(() => {})
  const file = join(folder, `${name.replace(/\W/g, "-")}-${i}.ts`)
  writeFileSync(file, runnable(code))
  await makeFolders(code)
  await import(file)
  vi.restoreAllMocks()
})

describe.each(pages)("$name", ({ path, text }) => {
  test("names commands, scripts and doors that exist", () => {
    for (const [, command] of text.matchAll(/npx heed (\w+)/g))
      expect(existsSync(join(root, "src", "cli", `${command}.ts`)), command).toBe(true)
    for (const [, task] of text.matchAll(/npx heed run ([\w-]+)/g)) expect(() => findTask(task!)).not.toThrow()
    for (const [, script] of text.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(packed.scripts)).toContain(script)
    for (const [, door] of text.matchAll(/`heed\/(\w+)`/g)) expect(Object.keys(packed.exports)).toContain(`./${door}`)
  })

  test("links lead somewhere", () => {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g))
      if (!target!.startsWith("http")) expect(existsSync(join(dirname(path), target!)), target).toBe(true)
  })
})

describe("README", () => {
  const { text, snippets } = pages[0]!

  test("has TypeScript to try and commands to type", () => {
    expect(snippets.length).toBeGreaterThanOrEqual(3)
    expect([...text.matchAll(/npx heed (\w+)/g)].length).toBeGreaterThan(3)
  })

  test("shows the two commands", () => {
    expect(text).toContain("npm ci && npm start")
    expect(text).toContain("npm ci && npm test")
  })
})
