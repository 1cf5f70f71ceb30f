// What the docs page about parity is made of: the largest differences of a test run, written to the file HEED_PARITY names.

import { writeFileSync } from "node:fs"

/** Largest difference of one kind of output, and what was allowed. */
interface Entry {
  readonly difference: number
  readonly tolerance: number
}

const table = new Map<string, Map<string, Entry>>()

/** Notes how far an output was from the original's. */
export function recordDifference(name: string, output: string, difference: number, tolerance: number): void {
  const row = table.get(name) ?? new Map<string, Entry>()
  table.set(name, row)
  const known = row.get(output)
  if (!known || difference > known.difference) row.set(output, { difference, tolerance })
}

/** Writes what was noted; called after all tests of a file. */
export function writeParity(part: string): void {
  const path = process.env.HEED_PARITY
  if (!path) return
  const rows = [...table].map(([name, row]) => [name, Object.fromEntries(row)])
  writeFileSync(`${path}.${part}.json`, JSON.stringify(Object.fromEntries(rows)))
}
