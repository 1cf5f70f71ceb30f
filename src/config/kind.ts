// What a zod schema accepts, in the few kinds that a flag, a form and an error message need. Read from the schema's JSON Schema,
// which is zod's public description of itself.
import { toJSONSchema, type z } from "zod"
import { nearestName } from "./nearest.ts"

/** A single value that stands for itself. */
export type Literal = string | number | boolean | null

/** Bounds of a number; `above` and `below` exclude the bound itself. */
export interface Range {
  readonly minimum?: number
  readonly above?: number
  readonly maximum?: number
  readonly below?: number
  readonly multipleOf?: number
}

/** What an option accepts. */
export type Kind =
  | { readonly type: "number" | "integer"; readonly range: Range }
  | { readonly type: "boolean" }
  | { readonly type: "text"; readonly minLength?: number }
  | { readonly type: "choice"; readonly choices: readonly Literal[] }
  | { readonly type: "list"; readonly item: Kind }
  | { readonly type: "object" }
  | { readonly type: "either"; readonly kinds: readonly Kind[] }

/** The parts of JSON Schema that zod writes and that this room reads. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly enum?: readonly Literal[]
  readonly const?: Literal
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly minLength?: number
  readonly default?: unknown
  readonly description?: string
}

/** The JSON Schema of what a schema takes in. Throws where the schema holds what JSON cannot (dates, functions). */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = toJSONSchema(schema, { io: "input" })
  return rest as JsonSchema
}

/** The kind that a JSON Schema describes. */
export function kindOf(schema: JsonSchema): Kind {
  if (schema.const !== undefined) return { type: "choice", choices: [schema.const] }
  if (schema.enum) return { type: "choice", choices: schema.enum }
  const parts = schema.anyOf ?? schema.oneOf
  if (parts) return either(parts.map(kindOf))
  if (Array.isArray(schema.type)) return either(schema.type.map((type: string) => kindOf({ ...schema, type })))
  switch (schema.type) {
    case "number":
    case "integer":
      return { type: schema.type, range: rangeOf(schema) }
    case "boolean":
      return { type: "boolean" }
    case "string":
      return { type: "text", ...(schema.minLength !== undefined && { minLength: schema.minLength }) }
    case "null":
      return { type: "choice", choices: [null] }
    case "array":
      return { type: "list", item: kindOf(schema.items ?? {}) }
    default:
      return { type: "object" }
  }
}

/** Alternatives as one kind: choices join, nested alternatives flatten. */
function either(parts: readonly Kind[]): Kind {
  const kinds = parts.flatMap(kind => (kind.type === "either" ? kind.kinds : [kind]))
  const choices = kinds.flatMap(kind => (kind.type === "choice" ? kind.choices : []))
  const others = kinds.filter(kind => kind.type !== "choice")
  const all: Kind[] = choices.length > 0 ? [...others, { type: "choice", choices }] : others
  return all.length === 1 ? all[0]! : { type: "either", kinds: all }
}

function rangeOf(schema: JsonSchema): Range {
  const limit = Number.MAX_SAFE_INTEGER // zod's bounds of every integer: true, but nothing to say
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf } = schema
  return {
    ...(minimum !== undefined && minimum !== -limit && { minimum }),
    ...(above !== undefined && { above }),
    ...(maximum !== undefined && maximum !== limit && { maximum }),
    ...(below !== undefined && { below }),
    ...(multipleOf !== undefined && { multipleOf }),
  }
}

/** The bounds in words: "above 0, at most 1"; empty where there are none. */
export function rangeText({ minimum, above, maximum, below, multipleOf }: Range): string {
  if (minimum !== undefined && maximum !== undefined && multipleOf === undefined) return `from ${minimum} to ${maximum}`
  const words: string[] = []
  if (minimum !== undefined) words.push(`at least ${minimum}`)
  if (above !== undefined) words.push(`above ${above}`)
  if (maximum !== undefined) words.push(`at most ${maximum}`)
  if (below !== undefined) words.push(`below ${below}`)
  if (multipleOf !== undefined) words.push(`a multiple of ${multipleOf}`)
  return words.join(", ")
}

/** A kind in words, as it stands after "expected": "a number above 0", "one of fp32, bf16". */
export function kindText(kind: Kind): string {
  switch (kind.type) {
    case "number":
      return `a number ${rangeText(kind.range)}`.trim()
    case "integer":
      return `a whole number ${rangeText(kind.range)}`.trim()
    case "boolean":
      return "true or false"
    case "text":
      return kind.minLength ? "a text that is not empty" : "a text"
    case "choice":
      return kind.choices.length === 1 ? String(kind.choices[0]) : `one of ${kind.choices.join(", ")}`
    case "list":
      return `a list, each ${kindText(kind.item)}`
    case "object":
      return "an object"
    case "either":
      return kind.kinds.map(kindText).join(", or ")
  }
}

/** The valid value nearest to a wrong one, or undefined where none can be named (an open bound has no nearest number). */
export function nearestValue(kind: Kind, value: unknown): Literal | undefined {
  switch (kind.type) {
    case "number":
    case "integer": {
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
      return typeof number === "number" && !Number.isNaN(number)
        ? nearestNumber(kind.type, kind.range, number)
        : undefined
    }
    case "choice":
      return nearestChoice(kind.choices, value)
    case "boolean":
      if (typeof value === "number") return value !== 0
      return typeof value === "string" ? nearestBoolean(value) : undefined
    case "either": {
      for (const part of kind.kinds) {
        const near = nearestValue(part, value)
        if (near !== undefined) return near
      }
      return undefined
    }
    default:
      return undefined
  }
}

function nearestNumber(type: "number" | "integer", range: Range, value: number): number | undefined {
  const step = range.multipleOf ?? (type === "integer" ? 1 : undefined)
  let low = range.minimum ?? Number.NEGATIVE_INFINITY
  let high = range.maximum ?? Number.POSITIVE_INFINITY
  if (step === undefined) {
    const near = Math.min(Math.max(value, low), high)
    const excluded =
      near <= (range.above ?? Number.NEGATIVE_INFINITY) || near >= (range.below ?? Number.POSITIVE_INFINITY)
    return excluded || !Number.isFinite(near) ? undefined : near
  }
  // on a grid an open bound has a nearest point inside
  if (range.above !== undefined) low = Math.max(low, (Math.floor(range.above / step) + 1) * step)
  if (range.below !== undefined) high = Math.min(high, (Math.ceil(range.below / step) - 1) * step)
  const near = Math.min(Math.max(value, low), high)
  let point = Math.round(near / step) * step
  if (point < low) point += step
  if (point > high) point -= step
  return Number.isFinite(point) && point >= low && point <= high ? point : undefined
}

function nearestChoice(choices: readonly Literal[], value: unknown): Literal | undefined {
  const numbers = choices.filter(choice => typeof choice === "number")
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  if (typeof number === "number" && !Number.isNaN(number) && numbers.length > 0)
    return numbers.reduce((best, choice) => (Math.abs(choice - number) < Math.abs(best - number) ? choice : best))
  if (typeof value !== "string") return undefined
  const texts = choices.filter(choice => typeof choice === "string")
  const near = nearestName(value, texts)
  return near?.close ? near.name : undefined
}

function nearestBoolean(text: string): boolean | undefined {
  if (/^(yes|on|1|y|t|true)$/i.test(text)) return true
  return /^(no|off|0|n|f|false)$/i.test(text) ? false : undefined
}
