// What the docs page about parity is made of: the largest differences of a test run, written to the file HEED_PARITY names.

import { writeFileSync } from "node:fs"

/** Largest difference of one kind of output, and what was allowed. */
interface Entry {
  readonly difference: number
  readonly tolerance: number
}

/** The differences of one part of the page: "models", "generate" or "bf16". */
export class ParityRecord {
  readonly #part: string
  readonly #rows = new Map<string, Map<string, Entry>>()

  constructor(part: string) {
    this.#part = part
  }

  /** Notes how far an output of a case ("family/case") was from the original's. */
  add(name: string, output: string, difference: number, tolerance: number): void {
    const row = this.#rows.get(name) ?? new Map<string, Entry>()
    this.#rows.set(name, row)
    const known = row.get(output)
    if (!known || difference > known.difference) row.set(output, { difference, tolerance })
  }

  /** Writes what was noted; called after all tests of a file. */
  write(): void {
    const path = process.env.HEED_PARITY
    if (!path) return
    const rows = [...this.#rows].map(([name, row]) => [name, Object.fromEntries(row)])
    writeFileSync(`${path}.${this.#part}.json`, JSON.stringify(Object.fromEntries(rows)))
  }
}
