// What callers without a type checker may get wrong: an argument that is no tensor, no list, no object. Every public function
// asks here first, so that the error names the function and the argument.

import { TypeMismatchError, ValueError } from "./errors.ts"
import { Tensor } from "./tensor.ts"

/** Arguments by name. */
type Named = Readonly<Record<string, unknown>>

/** What a value is, in a few words for an error: "null", "a list of 3", "Date", "text". */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (value instanceof Tensor) return `the tensor ${value}`
  if (typeof value === "object") return value.constructor?.name ?? "an object"
  if (typeof value === "string") return `the text "${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`
  return `${typeof value} ${String(value)}`
}

function refuse(what: string, name: string, expected: string, value: unknown, hint?: string): never {
  throw new TypeMismatchError(`${what}: expected ${name} to be ${expected}, but got ${describeValue(value)}`, hint)
}

const howToMake = "make one: tensor([1, 2, 3])"

/** Throws TypeMismatchError unless each of `required` is a tensor and each of `optional` is one or left out. */
export function checkTensors(what: string, required: Named, optional: Named = {}): void {
  for (const name in required)
    if (!(required[name] instanceof Tensor)) refuse(what, name, "a tensor", required[name], howToMake)
  for (const name in optional) {
    const value = optional[name]
    if (value !== undefined && value !== null && !(value instanceof Tensor))
      refuse(what, name, "a tensor", value, howToMake)
  }
}

/** Throws TypeMismatchError unless each is a list of tensors. */
export function checkTensorLists(what: string, lists: Named): void {
  for (const name in lists) {
    const list = lists[name]
    if (!Array.isArray(list)) refuse(what, name, "a list of tensors", list)
    for (const [i, one] of list.entries())
      if (!(one instanceof Tensor)) refuse(what, `${name}[${i}]`, "a tensor", one, howToMake)
  }
}

/** Throws TypeMismatchError unless each is a list of numbers. */
export function checkNumberLists(what: string, lists: Named): void {
  for (const name in lists) {
    const list = lists[name]
    if (!Array.isArray(list)) refuse(what, name, "a list of numbers", list)
    for (const [i, one] of list.entries()) if (typeof one !== "number") refuse(what, `${name}[${i}]`, "a number", one)
  }
}

/** Throws TypeMismatchError unless each is text. */
export function checkTexts(what: string, texts: Named): void {
  for (const name in texts) if (typeof texts[name] !== "string") refuse(what, name, "text", texts[name])
}

/** Throws TypeMismatchError unless each is an object of options, ValueError for an option that is not in `known`. */
export function checkOptions(what: string, given: Named, known?: readonly string[]): void {
  for (const name in given) {
    const value = given[name]
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Tensor)
      refuse(what, name, "an object", value)
    const unknown = known && Object.keys(value as object).find(key => !known.includes(key))
    if (unknown !== undefined)
      throw new ValueError(`${what}: expected the options ${known!.join(", ")}, but got "${unknown}"`)
  }
}

/** Throws TypeMismatchError unless it is a function. */
export function checkFunction(what: string, name: string, value: unknown): void {
  if (typeof value !== "function") refuse(what, name, "a function", value)
}
