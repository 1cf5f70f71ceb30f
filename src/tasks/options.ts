// Options of tasks that write: those of the task itself, and all others, which belong to generation.

import type { Declaration, Options, ValuesOf } from "../config/index.ts"

/** A task's own options, checked and filled in, and the rest as it was given. Throws ConfigError. */
export function splitOwn<O extends Options>(
  declaration: Declaration<O>,
  given: Readonly<Record<string, unknown>>,
): { readonly own: ValuesOf<Declaration<O>>; readonly rest: Record<string, unknown> } {
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) (declaration.keyOf(name) === undefined ? rest : own)[name] = value
  return { own: declaration.parse(own) as ValuesOf<Declaration<O>>, rest }
}
