// The error of options, in the form of the house. This room imports nothing but zod, so it has its own class.

/** One option that is wrong. */
export interface Problem {
  /** The option as the caller wrote it: `learningRate`, `learning_rate`, `--learning-rate`. */
  readonly option: string
  /** What was expected and what came. */
  readonly message: string
  /** What to do. */
  readonly hint: string
}

/** Options that are unknown, missing or out of range; `problems` lists every one, for forms that show them in place. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[]
  readonly hint: string

  constructor(source: string, problems: readonly Problem[]) {
    const lines = problems.map(({ option, message, hint }) => `${option}: ${message}\n  hint: ${hint}`)
    super(
      problems.length === 1
        ? `${source}: ${lines[0]}`
        : `${source}: ${problems.length} options are wrong\n${lines.map(line => `- ${line}`).join("\n")}`,
    )
    this.name = "ConfigError"
    this.problems = problems
    this.hint = problems[0]?.hint ?? ""
  }
}
