// The pages of docs/tasks say what the declarations say: one page a task, its options with their defaults and meanings, flags that exist.
// HEED_WRITE=1 npx vitest run tests/tasks/pages.test.ts writes the tables anew.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { type Declaration, flagsOf } from "../../src/config/index.ts"
import { generationOptions } from "../../src/generate/index.ts"
import { findTask, pipelineOptions, tasks } from "../../src/tasks/index.ts"

const folder = join(import.meta.dirname, "../../docs/tasks")
const page = (name: string): string => readFileSync(join(folder, `${name}.md`), "utf8")

/** A default as pages write it. */
const written = (value: unknown): string => (value === undefined ? "–" : `\`${JSON.stringify(value)}\``)

/** The rows of a table of options. */
const rowsOf = (declaration: Pick<Declaration, "describe">): string[] =>
  declaration.describe().map(({ key, default: usual, help }) => `| \`${key}\` | ${written(usual)} | ${help} |`)

const heading = "| option | default | meaning |\n|---|---|---|\n"

/** Holds the table of a page against a declaration, or writes it anew. */
function checkTable(name: string, declaration: Pick<Declaration, "describe">): void {
  const rows = rowsOf(declaration)
  const [before, after = ""] = page(name).split(heading)
  const found = after === "" ? [] : after.slice(0, after.indexOf("\n\n")).split("\n")
  if (process.env.HEED_WRITE && after !== "")
    writeFileSync(
      join(folder, `${name}.md`),
      `${before}${heading}${rows.join("\n")}${after.slice(after.indexOf("\n\n"))}`,
    )
  else expect(found, "HEED_WRITE=1 npx vitest run tests/tasks/pages.test.ts writes the table anew").toEqual(rows)
}

test("every task has a page, and every page a task", () => {
  const names = readdirSync(folder).filter(name => name !== "README.md")
  expect(names).toEqual(
    Object.keys(tasks)
      .map(name => `${name}.md`)
      .sort(),
  )
  for (const name of Object.keys(tasks)) expect(page("README")).toContain(`| [${name}](${name}.md) |`)
  checkTable("README", pipelineOptions)
})

describe.each(Object.values(tasks))("$name", ({ name, aliases, options, ...task }) => {
  const text = page(name)

  test("its options are those of the declaration", () => {
    checkTable(name, options)
    expect(text.includes("[generation](../generation.md)")).toBe("generates" in task)
    for (const alias of aliases) expect(text).toContain(`\`${alias}\``)
  })

  test("its commands name tasks and flags that exist", () => {
    const commands = [...text.matchAll(/npx heed run ([\w-]+)(.*)/g)]
    expect(commands.length).toBeGreaterThan(0)
    expect(commands.some(([, , rest]) => rest!.includes("--json"))).toBe(true)
    for (const [, named, rest] of commands) {
      const declarations = [findTask(named!).options, pipelineOptions, generationOptions]
      const known = new Set(declarations.flatMap(one => flagsOf(one).map(({ flag }) => flag.split(" ")[0]!)))
      for (const [flag] of rest!.matchAll(/--[\w-]+/g))
        if (flag !== "--model" && flag !== "--json") expect([...known]).toContain(flag)
    }
  })

  test("has an example", () => {
    expect(existsSync(join(import.meta.dirname, "../../examples", `${name}.ts`))).toBe(true)
  })
})
