// The rooms of the house and who may enter which: reads every import and fails on a forbidden one, on a cycle, and on files
// that grew too long.

import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { describe, expect, test } from "vitest"

const root = resolve(import.meta.dirname, "..")
const source = join(root, "src")

/** What each room may import besides itself; a room that is not listed may not exist. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  kernels: [],
  compiler: ["tensor", "kernels/table"],
  runtime: ["tensor", "compiler", "kernels"],
  config: ["tensor/errors"],
  text: ["config", "tensor/errors"],
  files: ["tensor", "config"],
  media: ["tensor", "config", "files"],
  nn: ["tensor"],
  models: ["nn", "tensor", "runtime", "config", "files", "text"],
  data: ["text", "config", "tensor/errors"],
  train: ["nn", "models", "runtime", "files", "text", "data", "config", "tensor"],
  generate: ["nn", "models", "runtime", "text", "config", "tensor"],
  inspect: ["nn", "models", "runtime", "text", "tensor"],
  tasks: ["models", "generate", "text", "files", "media", "runtime", "config", "tensor"],
  cli: [
    "tensor",
    "compiler",
    "runtime",
    "config",
    "text",
    "files",
    "nn",
    "models",
    "data",
    "train",
    "generate",
    "inspect",
    "tasks",
  ],
}

/** Rooms or files that may use node:*; the rest runs in a browser unchanged. */
const nodeUsers = ["files/", "runtime/native", "runtime/wasm-worker", "cli/", "train/run"]

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return name === "generated" ? [] : filesUnder(path, ending)
    return ending.test(name) ? [path] : []
  })
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8")
  const found: Import[] = []
  for (const match of text.matchAll(/(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/g))
    found.push({ from: file, to: match[2]!, typeOnly: match[1] !== undefined })
  for (const match of text.matchAll(/import\("([^"]+)"\)/g)) found.push({ from: file, to: match[1]!, typeOnly: false })
  return found
}

const path = (file: string): string => relative(source, file).split(sep).join("/")
const files = filesUnder(source, /\.ts$/)
const imports = files.flatMap(importsOf)

describe("architecture", () => {
  test("rooms import only what the plan allows", () => {
    const wrong = imports.flatMap(({ from, to }) => {
      if (!to.startsWith(".")) return []
      const [room, rest] = [path(from).split("/")[0]!, path(resolve(dirname(from), to))]
      if (room === "index.ts" || rest.startsWith(`${room}/`)) return []
      const rooms = allowed[room]
      if (!rooms) return [`${path(from)}: the room ${room} is not in the plan`]
      return rooms.some(name => rest === `${name}.ts` || rest.startsWith(`${name}/`))
        ? []
        : [`${path(from)} imports ${rest}`]
    })
    expect(wrong).toEqual([])
  })

  test("only rooms that touch the machine import node:*", () => {
    const wrong = imports
      .filter(({ from, to }) => to.startsWith("node:") && !nodeUsers.some(prefix => path(from).startsWith(prefix)))
      .map(({ from, to }) => `${path(from)} imports ${to}`)
    expect(wrong).toEqual([])
  })

  test("no file imports itself through others", () => {
    const edges = new Map<string, string[]>()
    for (const { from, to, typeOnly } of imports)
      if (to.startsWith(".") && !typeOnly) edges.set(from, [...(edges.get(from) ?? []), resolve(dirname(from), to)])
    const state = new Map<string, "open" | "done">()
    const cycles: string[] = []
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === "done") return
      if (state.get(file) === "open") {
        cycles.push([...trail.slice(trail.indexOf(file)), file].map(path).join(" -> "))
        return
      }
      state.set(file, "open")
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file])
      state.set(file, "done")
    }
    for (const file of files) visit(file, [])
    expect(cycles).toEqual([])
  })

  test("no model family imports another", () => {
    // a family is a file that defines one
    const family = (file: string): string | null =>
      path(file).startsWith("models/") && files.includes(file) && /= defineModel\(/.test(readFileSync(file, "utf8"))
        ? path(file)
        : null
    const wrong = imports.flatMap(({ from, to }) => {
      const own = family(from)
      const other = to.startsWith(".") ? family(resolve(dirname(from), to)) : null
      return own && other && own !== other ? [`${own} imports ${other}`] : []
    })
    expect(wrong).toEqual([])
  })

  test("files stay short enough to be read", () => {
    const long = files.flatMap(file => {
      const lines = readFileSync(file, "utf8").split("\n").length
      const limit = path(file).startsWith("models/") ? 300 : 600
      return lines > limit ? [`${path(file)} has ${lines} lines (limit ${limit})`] : []
    })
    expect(long).toEqual([])
  })

  test("every file begins with what it is for", () => {
    const bare = files.filter(
      file => !readFileSync(file, "utf8").startsWith("//") && !readFileSync(file, "utf8").startsWith("#!"),
    )
    expect(bare.map(path)).toEqual([])
  })
})
