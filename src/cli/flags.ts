// Declared options as a command's flags, and back.

import { type Command, Option } from "commander"
import { type Declaration, type FlagValue, flagsOf, type Options, parseFlags, type ValuesOf } from "../config/index.ts"

/** What commander gives: the flags of a command line by key. */
export type Flags = Readonly<Record<string, FlagValue>>

/** Adds the flags of declarations to a command; each declaration is a group of its help, and defaults stand in the text. */
export function addFlags(command: Command, ...declarations: readonly Declaration[]): Command {
  for (const declaration of declarations) {
    const heading = `${declaration.name[0]!.toUpperCase()}${declaration.name.slice(1)}:`
    for (const { flag, help, hidden } of flagsOf(declaration))
      command.addOption(new Option(flag, help).helpGroup(heading).hideHelp(hidden))
  }
  return command
}

/** The values of a declaration among a command's flags, over those of a file. Throws ConfigError listing every problem. */
export function valuesOf<O extends Options>(
  declaration: Declaration<O>,
  flags: Flags,
  file: unknown = {},
): ValuesOf<Declaration<O>> {
  return parseFlags(declaration, flagsGiven(declaration, flags), file)
}

/** The flags that are a declaration's, under whichever of its names they were given. */
export function flagsGiven(declaration: Pick<Declaration, "keyOf">, flags: Flags): Flags {
  return Object.fromEntries(
    Object.entries(flags).filter(([name, value]) => value !== undefined && declaration.keyOf(name) !== undefined),
  )
}

/** learningRate -> --learning-rate */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}
