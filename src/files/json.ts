// JSON that says what it was given: values JSON would change silently (NaN to null, typed arrays to objects) are refused or spelled out. Pure.
import { FileError, quote } from "./errors.ts"

/** How to write JSON. */
export interface JsonOptions {
  /** Spaces of indentation; 0 gives one line. Default 2. */
  readonly indent?: number
  /** NaN and infinities: refused, or written as the texts "NaN", "Infinity", "-Infinity". Default "refuse". */
  readonly nonFinite?: "refuse" | "text"
}

/** The JSON text of a value. `what` names it in errors. Throws FileError for a value that JSON cannot hold. */
export function jsonText(value: unknown, what: string, options: JsonOptions = {}): string {
  const { indent = 2, nonFinite = "refuse" } = options
  const refuse = (key: string, got: string, hint: string): never => {
    throw new FileError(`${what}: expected values that JSON can hold, but got ${got} for ${quote(key)}`, hint)
  }
  const text = JSON.stringify(
    value,
    function (this: unknown, key: string, item: unknown): unknown {
      if (typeof item === "number" && !Number.isFinite(item))
        return nonFinite === "text" ? String(item) : refuse(key, String(item), "JSON has no such number")
      if (typeof item === "bigint") return refuse(key, `the bigint ${item}`, "write it as text: String(value)")
      if (typeof item === "function" || typeof item === "symbol") return refuse(key, `a ${typeof item}`, "leave it out")
      if (item === undefined && Array.isArray(this)) return refuse(key, "undefined in a list", "write null instead")
      if (ArrayBuffer.isView(item) || item instanceof Map || item instanceof Set)
        return refuse(key, `a ${item.constructor.name}`, "write Array.from(value), or save large arrays as tensors")
      return item
    },
    indent,
  )
  if (text === undefined)
    throw new FileError(`${what}: expected a value that JSON can hold, but got undefined`, "pass an object")
  return text
}

/** The value of one line of JSON with the texts "NaN", "Infinity", "-Infinity" read back as numbers. Throws SyntaxError. */
export function parseJsonRow(text: string): unknown {
  return JSON.parse(text, (_, item: unknown) =>
    item === "NaN" || item === "Infinity" || item === "-Infinity" ? Number(item) : item,
  )
}
