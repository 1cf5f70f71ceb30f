// What compile() makes, shown to people: HEED_DUMP=graph, program or graph,program prints every function that is recorded.

import type { Program } from "../compiler/compile.ts"
import { printGraph, printProgram } from "../compiler/print.ts"
import { ValueError } from "../tensor/errors.ts"
import type { Tensor } from "../tensor/tensor.ts"

/** What is shown of a function, and who gets the text. */
export interface Dump {
  readonly kinds: ReadonlySet<DumpKind>
  readonly write: (text: string) => void
}

/** The graph as it was recorded, or the program made of it. */
export type DumpKind = "graph" | "program"

let asked: Dump | null = null

/** Shows every function recorded from now on; null leaves it to HEED_DUMP again. */
export function dumpTo(dump: Dump | null): void {
  asked = dump
}

/** Reads HEED_DUMP. Throws ValueError for what it does not know. */
function fromEnvironment(): Dump | null {
  const text = typeof process === "object" ? (process.env?.HEED_DUMP ?? "") : ""
  if (text === "") return null
  const kinds = text.split(",")
  const wrong = kinds.find(kind => kind !== "graph" && kind !== "program")
  if (wrong !== undefined)
    throw new ValueError(
      `HEED_DUMP: expected graph, program or both with a comma, but got ${JSON.stringify(wrong)}`,
      "HEED_DUMP=graph,program",
    )
  return { kinds: new Set(kinds as DumpKind[]), write: line => console.error(line) }
}

/** Shows one recorded function where somebody asked for it. */
export function dumpRecorded(outputs: readonly Tensor[], program: Program): void {
  const dump = asked ?? fromEnvironment()
  if (dump?.kinds.has("graph")) dump.write(printGraph(outputs))
  if (dump?.kinds.has("program")) dump.write(printProgram(program))
}
