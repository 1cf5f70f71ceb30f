// Options as command-line flags: a list that a command-line library turns into its own, and the way back from texts to values.
import {
  type Declaration,
  kebabCase,
  type OptionDescription,
  type Options,
  parseOptions,
  rename,
  type ValuesOf,
} from "./declaration.ts"
import type { Kind } from "./kind.ts"

/** One flag. An option has one that help shows (with an alias of one letter as `-n`), and hidden ones for its other names. */
export interface Flag {
  readonly key: string
  /** `--learning-rate <number>`, `--no-bias` */
  readonly flag: string
  /** What it does, what it accepts, its default: one line of help. */
  readonly help: string
  /** True for other names, which work but are not listed. */
  readonly hidden: boolean
}

/**
 * The flags of a declaration, in its order. A switch has `--name` and `--no-name`, of which help shows the one that changes the
 * default. Defaults are in the help text only, so that a flag that was not given stays absent and a configuration file counts.
 */
export function flagsOf(declaration: Declaration): Flag[] {
  return declaration.describe().flatMap(description => {
    const { key, kind, flag, aliases } = description
    const help = helpOf(description)
    const value = flag.slice(flag.indexOf(" ") + 1)
    const short = aliases.find(alias => alias.length === 1)
    const shown = short === undefined ? flag : `-${short}, ${flag}`
    const others = [...new Set(aliases.flatMap(alias => [alias, kebabCase(alias)]))]
      .map(alias => `--${alias}`)
      .filter(alias => alias !== `--${kebabCase(key)}` && alias.length > 3)
    if (kind.type !== "boolean") {
      const hidden = others.map(alias => ({ key, flag: `${alias} ${value}`, help, hidden: true }))
      return [{ key, flag: shown, help, hidden: false }, ...hidden]
    }
    const on = description.default === true
    return [
      { key, flag: shown, help, hidden: on },
      { key, flag: flag.replace("--", "--no-"), help, hidden: !on },
      ...others.flatMap(alias => [
        { key, flag: alias, help, hidden: true },
        { key, flag: alias.replace("--", "--no-"), help, hidden: true },
      ]),
    ]
  })
}

function helpOf({ help, kind, accepts, required, default: value }: OptionDescription): string {
  const facts: string[] = []
  if (kind.type !== "boolean" && accepts !== "a text" && accepts !== "a number") facts.push(accepts)
  if (required) facts.push("required")
  else if (value !== undefined)
    facts.push(`default: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
  return facts.length === 0 ? help : `${help} (${facts.join("; ")})`
}

/** What a command line gives for a flag: a text, a list of texts where it was repeated, or a switch. */
export type FlagValue = string | boolean | readonly string[] | undefined

/**
 * Values from flags, over those of a configuration file, over the defaults. `flags` is keyed as command-line libraries do
 * (`learningRate`, also `learning-rate`, `learning_rate` or an alias). Throws ConfigError that speaks of `--learning-rate`.
 */
export function parseFlags<O extends Options>(
  declaration: Declaration<O>,
  flags: Readonly<Record<string, FlagValue>>,
  file: unknown = {},
  source: string = declaration.name,
): ValuesOf<Declaration<O>> {
  const kinds = new Map(declaration.describe().map(({ key, kind }) => [key, kind]))
  const underscored = Object.fromEntries(
    Object.entries(flags).map(([name, value]) => [name.replaceAll("-", "_"), value]),
  )
  const flagName = (name: string) => `--${kebabCase(name)}`
  const fromFlags = rename(declaration, underscored, source, flagName)
  const values = new Map(rename(declaration, file, source))
  for (const [key, { value, label }] of fromFlags) values.set(key, { value: fromText(kinds.get(key)!, value), label })
  return parseOptions(declaration, values, source, flagName) as ValuesOf<Declaration<O>>
}

/** The value a text stands for; a text that stands for none stays a text, for the check to refuse. */
function fromText(kind: Kind, given: unknown): unknown {
  if (kind.type === "list") {
    const texts = Array.isArray(given)
      ? given
      : given === ""
        ? []
        : typeof given === "string"
          ? given.split(",")
          : [given]
    return texts.map(text => fromText(kind.item, text))
  }
  const text: unknown = Array.isArray(given) ? given.at(-1) : given // repeated: the last one counts
  if (typeof text !== "string") return text
  switch (kind.type) {
    case "number":
    case "integer":
      return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text
    case "choice": {
      const choice = kind.choices.find(one => String(one) === text)
      return choice === undefined ? text : choice
    }
    case "either": {
      for (const part of kind.kinds) {
        const value = fromText(part, text)
        if (typeof value !== "string") return value
      }
      return text
    }
    case "object":
      try {
        return JSON.parse(text) as unknown
      } catch {
        return text
      }
    case "text":
      return text
  }
}
