// Options of a call: those of the task, a signal, and of tasks that write all others, which belong to generation.

import type { Declaration, Options, ValuesOf } from "../config/index.ts"
import { generationOptions } from "../generate/index.ts"
import { HeedError } from "../tensor/index.ts"

/** A task's options, checked and filled in, and a signal that ends the call. Throws ConfigError, HeedError. */
export function readCall<O extends Options>(
  declaration: Declaration<O>,
  given: Readonly<Record<string, unknown>>,
): ValuesOf<Declaration<O>> & { readonly signal?: AbortSignal } {
  if (typeof given !== "object" || given === null || Array.isArray(given)) declaration.parse(given) // refuses it
  const { signal, ...rest } = given
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal))
    throw new HeedError(`${declaration.name}: expected an AbortSignal as signal, but got ${typeof signal}`)
  const values = declaration.parse(rest) as ValuesOf<Declaration<O>>
  return signal instanceof AbortSignal ? { ...values, signal } : values
}

/** A task's own options, checked and filled in, and the rest as it was given. Throws ConfigError. */
export function splitOwn<O extends Options>(
  declaration: Declaration<O>,
  given: Readonly<Record<string, unknown>>,
): { readonly own: ValuesOf<Declaration<O>>; readonly rest: Record<string, unknown> } {
  if (typeof given !== "object" || given === null || Array.isArray(given)) declaration.parse(given) // refuses it
  const own: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) (declaration.keyOf(name) === undefined ? rest : own)[name] = value
  return { own: declaration.parse(own) as ValuesOf<Declaration<O>>, rest }
}

/** Options of generation by their names here, so that what a task sets meets what a caller wrote in snake_case. One that is given under two names keeps both, to be refused. */
export function ownNames(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const key = generationOptions.keyOf(name) ?? name
    out[Object.hasOwn(out, key) ? name : key] = value
  }
  return out
}
