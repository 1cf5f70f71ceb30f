// Options: declared once, used as types, defaults, flags, JSON and forms.
export {
  type Declaration,
  declare,
  type InputOf,
  kebabCase,
  type Option,
  type OptionDescription,
  type Options,
  option,
  snakeCase,
  type ValuesOf,
} from "./declaration.ts"
export { ConfigError, type Problem } from "./errors.ts"
export { type Flag, type FlagValue, flagsOf, parseFlags } from "./flags.ts"
export type { JsonSchema, Kind, Literal, Range } from "./kind.ts"
export { editDistance, nearestName } from "./nearest.ts"
export { deepestNesting, isTooDeep } from "./nesting.ts"
