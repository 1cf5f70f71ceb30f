// What is piped into a command.

import { fstatSync } from "node:fs"
import { text as readAll } from "node:stream/consumers"

/** What a pipe or a file on standard input holds, without its last line end; null where nothing is piped in. */
export async function piped(): Promise<string | null> {
  const input = fstatSync(0)
  if (!input.isFIFO() && !input.isFile()) return null
  return (await readAll(process.stdin)).replace(/\r?\n$/, "")
}
