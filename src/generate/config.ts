// The options of generation. Names are those of transformers' GenerationConfig in camelCase; snake_case and other usual names work too.
// An option that would have no effect is refused.
import { z } from "zod"
import { ConfigError, declare, type InputOf, option, type Problem, type ValuesOf } from "../config/index.ts"

const count = (least: number) => z.int().min(least)
const fraction = z.number().min(0).max(1)

/** Every option of a generation, declared once. */
export const generationOptions = declare(
  {
    maxNewTokens: option(count(1), "Tokens to write at most", { default: 128, alias: "maxTokens" }),
    minNewTokens: option(count(0), "Tokens to write at least: before that the end token is forbidden", { default: 0 }),
    doSample: option(
      z.boolean().optional(),
      "Draw tokens at random instead of taking the most likely one; true unless said otherwise when temperature, topK, topP or minP is given",
      { alias: "sample" },
    ),
    temperature: option(
      z.number().min(0).max(100).optional(),
      "Divides scores: below 1 bolder, above 1 more surprising (1); 0 takes the most likely token",
    ),
    topK: option(count(0).optional(), "Draw among this many most likely tokens; 0 among all (0)"),
    topP: option(
      z.number().gt(0).max(1).optional(),
      "Draw among the most likely tokens whose probabilities together reach this; 1 among all (1)",
    ),
    minP: option(
      fraction.optional(),
      "Draw among tokens at least this times as probable as the most likely one; 0 among all (0)",
    ),
    seed: option(z.int().min(0), "Seed of the draws: the same seed gives the same text", { default: 1 }),
    repetitionPenalty: option(
      z.number().gt(0).max(100),
      "Above 1: tokens that occurred already become less likely; 1 leaves them",
      { default: 1 },
    ),
    noRepeatNgramSize: option(count(0), "No sequence of this many tokens occurs twice; 0 allows all", { default: 0 }),
    badWordsIds: option(z.array(z.array(count(0)).min(1)), "Token sequences that must not be written", {
      default: [],
      alias: "badWords",
    }),
    stop: option(z.array(z.string().min(1)), "Texts at which writing stops; they are not part of what is given", {
      default: [],
      alias: ["stopStrings", "stopSequences"],
    }),
    eosTokenId: option(
      z.union([count(0), z.array(count(0)).min(1)]).optional(),
      "Tokens that end a text; those of the model unless given",
      { alias: "endToken" },
    ),
    padTokenId: option(count(0).optional(), "Token that fills rows of a batch that ended; the model's unless given", {
      alias: "padToken",
    }),
    contextFull: option(
      z.enum(["stop", "slide"]),
      "What happens when the model's context is full: writing stops, or goes on without the oldest quarter of the text",
      { default: "stop" },
    ),
    logprobs: option(z.boolean(), "Also give the log-probability of each token", { default: false }),
    numBeams: option(count(1).max(256), "Follow this many most likely beginnings at once (beam search)", {
      default: 1,
      alias: "beams",
    }),
    lengthPenalty: option(
      z.number().optional(),
      "Beams: scores are divided by the length to this power; above 0 favours long texts (1)",
    ),
    earlyStopping: option(
      z.union([z.boolean(), z.literal("never")]).optional(),
      "Beams: true stops when enough texts are complete; false when better ones are unlikely; never when they are impossible (false)",
    ),
    numReturnSequences: option(count(1).optional(), "Beams: how many of the best texts are given (1)"),
  },
  "generation",
)

/** The options of a generation, checked and filled in. */
export type GenerationConfig = ValuesOf<typeof generationOptions>

type SnakeCase<S extends string> = S extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : S

type Given = Omit<InputOf<typeof generationOptions>, "stop"> & {
  readonly stop?: string | readonly string[] | undefined
  readonly stopStrings?: string | readonly string[] | undefined
}

/** What a caller may give, in camelCase or as transformers writes it; `stop` may be a single text. */
export type GenerationInput = Given & { readonly [K in keyof Given as SnakeCase<K>]?: Given[K] }

/** Reads options, under any of their names. Throws ConfigError listing every problem. */
export function generationConfig(input: GenerationInput | Readonly<Record<string, unknown>> = {}): GenerationConfig {
  const listed = Object.entries(input).map(([name, value]) => {
    const single = typeof value === "string" && generationOptions.keyOf(name) === "stop"
    return [name, single ? [value] : value] as const
  })
  const config = generationOptions.parse(Object.fromEntries(listed))
  checkGeneration(config)
  return config
}

/** Whether tokens are drawn at random. */
export function samples({ doSample, temperature, topK, topP, minP }: GenerationConfig): boolean {
  if (doSample !== undefined) return doSample
  return temperature !== 0 && [temperature, topK, topP, minP].some(value => value !== undefined)
}

/** Refuses options that would have no effect together. Throws ConfigError listing every problem. */
export function checkGeneration(config: GenerationConfig): void {
  const problems: Problem[] = []
  const refuse = (key: keyof GenerationConfig, message: string, hint: string): void => {
    problems.push({ option: key, message, hint })
  }
  const { minNewTokens, maxNewTokens, numBeams, doSample, temperature } = config
  if (minNewTokens > maxNewTokens)
    refuse("minNewTokens", `expected at most maxNewTokens, ${maxNewTokens}, but got ${minNewTokens}`, "raise the other")
  if (doSample === true && temperature === 0)
    refuse(
      "temperature",
      "expected a number above 0 where tokens are drawn, but got 0",
      "leave doSample out, or raise it",
    )
  const off = { temperature: 1, topK: 0, topP: 1, minP: 0 }
  if (!samples(config))
    for (const [key, value] of Object.entries(off) as [keyof typeof off, number][])
      if (config[key] !== undefined && config[key] !== value && !(key === "temperature" && config[key] === 0))
        refuse(
          key,
          `expected doSample where ${key} is ${config[key]}, but the most likely token is taken`,
          temperature === 0 ? `raise the temperature, or leave ${key} out` : `set doSample, or leave ${key} out`,
        )
  if (numBeams > 1) checkBeams(config, refuse)
  else
    for (const key of ["lengthPenalty", "earlyStopping", "numReturnSequences"] as const)
      if (config[key] !== undefined && config[key] !== 1 && config[key] !== false)
        refuse(key, `expected numBeams of 2 or more with ${key}, but got 1`, `set numBeams, or leave ${key} out`)
  if (problems.length > 0) throw new ConfigError("generation", problems)
}

function checkBeams(
  config: GenerationConfig,
  refuse: (key: keyof GenerationConfig, message: string, hint: string) => void,
): void {
  const { numBeams, numReturnSequences = 1 } = config
  if (samples(config))
    refuse(
      "numBeams",
      `expected 1 where tokens are drawn, but got ${numBeams}`,
      "beam search draws nothing: choose one",
    )
  if (numReturnSequences > numBeams)
    refuse(
      "numReturnSequences",
      `expected at most numBeams, ${numBeams}, but got ${numReturnSequences}`,
      "raise numBeams",
    )
  if (config.stop.length > 0)
    refuse("stop", "expected no stop texts with beam search, but got some", "cut the texts afterwards")
  if (config.contextFull !== "stop")
    refuse("contextFull", `expected stop with beam search, but got ${config.contextFull}`, "ask for fewer tokens")
  if (config.logprobs) refuse("logprobs", "expected false with beam search, but got true", "a text's score is given")
}
