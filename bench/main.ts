// npm run bench: answers every question of this folder and prints a table. --json prints one line a row, --only NAME takes the
// questions whose name begins so, --smoke makes each as short as it can be.

import { readdirSync } from "node:fs"
import type { Question, Row } from "./question.ts"

const args = process.argv.slice(2)
const json = args.includes("--json")
const smoke = args.includes("--smoke")
const only = args.includes("--only") ? (args[args.indexOf("--only") + 1] ?? "") : ""
const known = ["--json", "--smoke", "--only", only]
const unknown = args.find(arg => !known.includes(arg))
if (unknown !== undefined) {
  console.error(`bench: expected --json, --smoke or --only NAME, but got ${unknown}`)
  process.exit(2)
}

const number = (x: number): string =>
  Number.isNaN(x) ? "-" : x >= 100 ? x.toFixed(0) : x >= 1 ? x.toFixed(2) : x.toFixed(3)
const bound = (x: number | null): string => (x === null ? "-" : String(x))

function line(row: Row): string {
  const name = row.name.padEnd(46)
  if (row.skipped) return `${name} skipped: ${row.skipped}`
  const verdict =
    row.atLeast === null
      ? ""
      : row.ratio >= (row.aim ?? row.atLeast)
        ? "aim"
        : row.ratio >= row.atLeast
          ? "ok"
          : "SHORT"
  const value = `${number(row.value)} ${row.unit}`.padEnd(18)
  return `${name} ${value} ${number(row.ratio).padStart(7)}  ${bound(row.atLeast).padStart(5)} ${bound(row.aim).padStart(5)}  ${verdict.padEnd(5)}  ${row.against}`
}

const files = readdirSync(import.meta.dirname)
  .filter(name => name.endsWith(".ts") && !["main.ts", "question.ts", "shapes.ts"].includes(name))
  .sort()
if (!json)
  console.log(`${"question".padEnd(46)} ${"value".padEnd(18)} ${"ratio".padStart(7)}  least   aim         against`)
let answered = 0
for (const file of files) {
  const { question } = (await import(`./${file}`)) as { question: Question }
  if (!question.name.startsWith(only) && !only.startsWith(question.name)) continue
  for (const row of await question.run({ smoke })) {
    if (!row.name.startsWith(only)) continue
    answered++
    console.log(json ? JSON.stringify(row) : line(row))
  }
}
if (answered === 0) {
  console.error(
    `bench: expected a question, but none begins with "${only}"; there are ${files.map(f => f.replace(".ts", "")).join(", ")}`,
  )
  process.exit(1)
}
process.exit(0)
