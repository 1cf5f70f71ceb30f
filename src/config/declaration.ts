// One declaration of options gives their TypeScript type, defaults, checks, flags, JSON Schema and web form.
// Nothing is ignored: an unknown key or a value out of range is refused with the nearest valid one.
import type { z } from "zod"
import { ConfigError, type Problem } from "./errors.ts"
import {
  type JsonSchema,
  jsonSchemaOf,
  type Kind,
  kindOf,
  kindText,
  type Literal,
  nearestValue,
  type Range,
} from "./kind.ts"
import { nearestName } from "./nearest.ts"

/** One option: what it accepts, what it does, its other names. Made by `option`. */
export interface Option<S extends z.ZodType = z.ZodType> {
  readonly schema: S
  readonly help: string
  readonly aliases: readonly string[]
}

/** Options by their camelCase key. */
export type Options = Readonly<Record<string, Option>>

/** The values of a declaration (or of its options) after `parse`. */
export type ValuesOf<D> = D extends Declaration<infer O> ? Values<O> : D extends Options ? Values<D> : never

type Values<O extends Options> = { -readonly [K in keyof O]: z.output<O[K]["schema"]> }

/** What a caller may pass to `parse`: every key may be left out that has a default. */
export type InputOf<D> = D extends Declaration<infer O> ? { [K in keyof O]?: z.input<O[K]["schema"]> } : never

/** An option as help pages, flags and forms show it. */
export interface OptionDescription {
  readonly key: string
  /** `--learning-rate <number>` */
  readonly flag: string
  readonly type: Kind["type"]
  readonly kind: Kind
  /** Undefined where there is none. */
  readonly default: unknown
  /** True where a value must be given. */
  readonly required: boolean
  readonly help: string
  readonly choices: readonly Literal[] | undefined
  readonly range: Range | undefined
  /** What it accepts in words: "a number above 0". */
  readonly accepts: string
  /** Other accepted keys, the snake_case one first. */
  readonly aliases: readonly string[]
}

/** A declared set of options. */
export interface Declaration<O extends Options = Options> {
  /** What the options are of, for error messages. */
  readonly name: string
  readonly options: O
  /** A fresh object with the value of every option that has a default. */
  readonly defaults: Partial<Values<O>>
  /** Checks values, fills in defaults; keys may be camelCase, snake_case or an alias. Throws ConfigError listing every problem. */
  parse(input: unknown, source?: string): Values<O>
  /** The camelCase key of any accepted name, or undefined. */
  keyOf(name: string): (keyof O & string) | undefined
  describe(): OptionDescription[]
  /** JSON Schema of the options, for forms and editors; `JSON.stringify(declaration)` uses it. */
  toJSON(): JsonSchema & { readonly properties: Readonly<Record<string, JsonSchema>> }
}

/** Declares one option. `help` says what it does, with units. Throws where the default is not valid. */
export function option<S extends z.ZodType>(
  schema: S,
  help: string,
  settings: { readonly default?: z.output<S>; readonly alias?: string | readonly string[] } = {},
): Option<S> {
  const { alias = [] } = settings
  const aliases = typeof alias === "string" ? [alias] : alias
  if (!("default" in settings)) return { schema, help, aliases }
  // a default goes in where nothing came, so what comes out is still the output of S
  const filled: z.ZodType = schema.default(settings.default as never)
  return { schema: filled as S, help, aliases }
}

/** Declares options. `name` says what they are of. Throws ConfigError where the declaration itself is wrong. */
export function declare<const O extends Options>(options: O, name = "options"): Declaration<O> {
  const keyOfName = namesOf(options, name)
  for (const [key, { schema }] of Object.entries(options)) {
    const filled = schema.safeParse(undefined)
    if (filled.success && filled.data !== undefined && !schema.safeParse(filled.data).success)
      refuse(
        name,
        key,
        `expected a default that is ${textOf(schema)}, but got ${shown(filled.data)}`,
        "correct the default",
      )
  }
  const declaration: Declaration<O> = {
    name,
    options,
    get defaults() {
      const filled = Object.entries(options).map(([key, { schema }]) => [key, schema.safeParse(undefined).data])
      return Object.fromEntries(filled.filter(([, value]) => value !== undefined)) as Partial<Values<O>>
    },
    parse: (input, source = name) => parseOptions(declaration, rename(declaration, input, source), source),
    keyOf: given => keyOfName.get(given),
    describe: () => Object.entries(options).map(([key, one]) => describe(key, one)),
    toJSON: () => toSchema(declaration),
  }
  return declaration
}

/** Values by camelCase key, each with the name the caller used for it. */
export type NamedValues = ReadonlyMap<string, { readonly value: unknown; readonly label: string }>

/** Brings keys to camelCase. Throws ConfigError for unknown keys and for an option given by two names. */
export function rename(
  declaration: Declaration,
  input: unknown,
  source: string,
  label: (name: string) => string = name => name,
): NamedValues {
  if (typeof input !== "object" || input === null || Array.isArray(input))
    refuse(source, "options", `expected an object, but got ${shown(input)}`, "pass { key: value, … }")
  const problems: Problem[] = []
  const named = new Map<string, { value: unknown; label: string }>()
  for (const [name, value] of Object.entries(input as object)) {
    if (value === undefined) continue
    const key = declaration.keyOf(name)
    const before = key === undefined ? undefined : named.get(key)
    if (key === undefined) problems.push(unknownOption(declaration, name, label))
    else if (before)
      problems.push({
        option: label(name),
        message: `expected one value, but got two: as ${before.label} and as ${label(name)}`,
        hint: "keep one of them",
      })
    else named.set(key, { value, label: label(name) })
  }
  if (problems.length > 0) throw new ConfigError(source, problems)
  return named
}

/** Checks renamed values and fills in defaults. Throws ConfigError listing every problem. */
export function parseOptions<O extends Options>(
  declaration: Declaration<O>,
  named: NamedValues,
  source: string,
  label: (key: string) => string = key => key,
): Values<O> {
  const problems: Problem[] = []
  const values: Record<string, unknown> = {}
  for (const [key, { schema, help }] of Object.entries(declaration.options)) {
    const given = named.get(key)
    const result = schema.safeParse(given?.value)
    if (result.success) {
      if (given !== undefined || result.data !== undefined) values[key] = result.data
    } else if (given === undefined)
      problems.push({ option: label(key), message: `expected ${textOf(schema)}, but it was not given`, hint: help })
    else problems.push(wrongValue(schema, given.value, given.label, result.error.issues))
  }
  if (problems.length > 0) throw new ConfigError(source, problems)
  return values as Values<O>
}

function unknownOption(declaration: Declaration, name: string, label: (name: string) => string): Problem {
  const keys = Object.keys(declaration.options)
  const near = nearestName(name, [...keys, ...keys.flatMap(key => declaration.options[key]!.aliases)])
  const key = near && label(declaration.keyOf(near.name) ?? near.name)
  const all = `there is ${keys.map(label).join(", ")}`
  return {
    option: label(name),
    message: "expected an option that exists, but there is none of this name",
    hint:
      key === undefined
        ? "there are no options"
        : near?.close
          ? `did you mean ${key}?`
          : `the nearest is ${key}; ${all}`,
  }
}

function wrongValue(schema: z.ZodType, value: unknown, option: string, issues: readonly z.core.$ZodIssue[]): Problem {
  const kind = kindOf(jsonSchemaOf(schema))
  const near = nearestValue(kind, value)
  const filled = schema.safeParse(undefined).data
  const custom = issues.find(issue => issue.code === "custom")
  const place = issues[0]?.path.length ? ` at ${issues[0].path.map(part => `[${String(part)}]`).join("")}` : ""
  let hint = filled === undefined ? `give ${kindText(kind)}` : `for example the default, ${shown(filled)}`
  if (near !== undefined && schema.safeParse(near).success) hint = `the nearest valid value is ${shown(near)}`
  return {
    option,
    message: `expected ${custom ? custom.message : kindText(kind)}, but got ${shown(value)}${place && ` (wrong${place})`}`,
    hint,
  }
}

function describe(key: string, { schema, help, aliases }: Option): OptionDescription {
  const kind = kindOf(jsonSchemaOf(schema))
  const filled = schema.safeParse(undefined)
  return {
    key,
    flag: kind.type === "boolean" ? `--${kebabCase(key)}` : `--${kebabCase(key)} <${placeholder(kind)}>`,
    type: kind.type,
    kind,
    default: filled.data,
    required: !filled.success,
    help,
    choices: kind.type === "choice" ? kind.choices : undefined,
    range: kind.type === "number" || kind.type === "integer" ? kind.range : undefined,
    accepts: kindText(kind),
    aliases: otherNames(key, aliases),
  }
}

function placeholder(kind: Kind): string {
  if (kind.type === "choice") {
    const all = kind.choices.join("|")
    return all.length <= 40 ? all : "name"
  }
  if (kind.type === "list") return `${placeholder(kind.item)},...`
  return kind.type === "either" ? kind.kinds.map(placeholder).join("|") : kind.type === "object" ? "json" : kind.type
}

function toSchema(declaration: Declaration) {
  const all = Object.entries(declaration.options)
  return {
    type: "object",
    title: declaration.name,
    properties: Object.fromEntries(
      all.map(([key, { schema, help }]) => [key, { ...jsonSchemaOf(schema), description: help }]),
    ),
    required: all.filter(([, { schema }]) => !schema.safeParse(undefined).success).map(([key]) => key),
    additionalProperties: false,
  }
}

/** Every accepted name -> key. Throws ConfigError where keys are not camelCase, help is missing, or two options share a name. */
function namesOf<O extends Options>(options: O, source: string): Map<string, keyof O & string> {
  const names = new Map<string, string>()
  for (const [key, { help, aliases }] of Object.entries(options)) {
    if (!/^[a-z][a-zA-Z0-9]*$/.test(key)) refuse(source, key, "expected a key in camelCase", "the flag is made from it")
    if (help.trim() === "")
      refuse(source, key, "expected a help text, but it is empty", "say what the option does, with units")
    for (const name of [key, ...otherNames(key, aliases)]) {
      const owner = names.get(name)
      if (owner !== undefined && owner !== key)
        refuse(source, key, `expected a name of its own, but ${name} is also ${owner}'s`, "rename one of them")
      names.set(name, key)
    }
  }
  return names
}

function otherNames(key: string, aliases: readonly string[]): string[] {
  const names = [snakeCase(key), ...aliases, ...aliases.map(snakeCase)]
  return [...new Set(names)].filter(name => name !== key)
}

/** learningRate -> learning_rate */
export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

/** learningRate -> learning-rate */
export function kebabCase(key: string): string {
  return snakeCase(key).replaceAll("_", "-")
}

const textOf = (schema: z.ZodType) => kindText(kindOf(jsonSchemaOf(schema)))

function shown(value: unknown): string {
  if (value === undefined) return "nothing"
  if (typeof value === "number" || typeof value === "bigint") return String(value)
  let text: string
  try {
    text = JSON.stringify(value) ?? typeof value
  } catch {
    text = typeof value
  }
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

function refuse(source: string, option: string, message: string, hint: string): never {
  throw new ConfigError(source, [{ option, message, hint }])
}
