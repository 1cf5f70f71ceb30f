// Options of a generation, checked: an option that would have no effect is refused.
import { ConfigError, type InputOf, type Problem, type ValuesOf } from "../config/index.ts"
import { generationOptions } from "./options.ts"

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
  const given = new Set(listed.flatMap(([name, value]) => (value === undefined ? [] : [generationOptions.keyOf(name)])))
  const config = generationOptions.parse(Object.fromEntries(listed))
  if (config.maxLength !== undefined && !given.has("maxNewTokens")) config.maxNewTokens = config.maxLength
  checkGeneration(config)
  return config
}

/** What shapes draws, and the values that leave them as they are. */
export const drawing = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  epsilonCutoff: 0,
  etaCutoff: 0,
} as const

const drawingKeys = Object.keys(drawing) as (keyof typeof drawing)[]

/** Whether tokens are drawn at random. */
export function samples(config: Partial<GenerationConfig>): boolean {
  if (config.doSample !== undefined) return config.doSample
  if (config.penaltyAlpha) return false
  return config.temperature !== 0 && drawingKeys.some(key => config[key] !== undefined)
}

/** How the next token is found. */
export type Strategy = "choose" | "beams" | "contrastive" | "speculative"

/** The strategy that options ask for; `assisted`: there is a draft model. */
export function strategyOf(config: GenerationConfig, assisted = false): Strategy {
  if (config.numBeams > 1) return "beams"
  if (config.penaltyAlpha) return "contrastive"
  return assisted || config.promptLookupNumTokens !== undefined ? "speculative" : "choose"
}

type Refuse = (key: keyof GenerationConfig, message: string, hint: string) => void

/** Refuses options that would have no effect together. Throws ConfigError listing every problem. */
export function checkGeneration(config: GenerationConfig): void {
  const problems: Problem[] = []
  const refuse: Refuse = (key, message, hint) => {
    problems.push({ option: key, message, hint })
  }
  const { minNewTokens, maxNewTokens, maxLength, minLength } = config
  if (minNewTokens > maxNewTokens)
    refuse("minNewTokens", `expected at most maxNewTokens, ${maxNewTokens}, but got ${minNewTokens}`, "raise the other")
  if (maxLength !== undefined && minLength > maxLength)
    refuse("minLength", `expected at most maxLength, ${maxLength}, but got ${minLength}`, "raise the other")
  checkDraws(config, refuse)
  if (config.numBeams > 1) checkBeams(config, refuse)
  else checkNoBeams(config, refuse)
  if (config.penaltyAlpha) checkContrastive(config, refuse)
  if (config.maxMatchingNgramSize !== undefined && config.promptLookupNumTokens === undefined)
    refuse("maxMatchingNgramSize", "expected promptLookupNumTokens with it", "set it, or leave this out")
  if (problems.length > 0) throw new ConfigError("generation", problems)
}

function checkDraws(config: GenerationConfig, refuse: Refuse): void {
  const { doSample, temperature } = config
  if (doSample === true && temperature === 0)
    refuse(
      "temperature",
      "expected a number above 0 where tokens are drawn, but got 0",
      "leave doSample out, or raise it",
    )
  if (samples(config)) return
  for (const key of drawingKeys) {
    const harmless = config[key] === undefined || config[key] === drawing[key]
    if (harmless || (key === "temperature" && config[key] === 0) || (key === "topK" && config.penaltyAlpha)) continue
    refuse(
      key,
      `expected doSample where ${key} is ${config[key]}, but the most likely token is taken`,
      temperature === 0 ? `raise the temperature, or leave ${key} out` : `set doSample, or leave ${key} out`,
    )
  }
  if ((config.numReturnSequences ?? 1) > 1 && config.numBeams === 1)
    refuse(
      "numReturnSequences",
      `expected numBeams of 2 or more, or doSample, with numReturnSequences ${config.numReturnSequences}: the most likely text is only one`,
      "set numBeams or doSample, or leave it out",
    )
}

function checkNoBeams(config: GenerationConfig, refuse: Refuse): void {
  const harmless = { lengthPenalty: 1, earlyStopping: false, numBeamGroups: 1, diversityPenalty: 0 }
  for (const [key, value] of Object.entries(harmless) as [keyof typeof harmless, unknown][])
    if (config[key] !== undefined && config[key] !== value)
      refuse(key, `expected numBeams of 2 or more with ${key}, but got 1`, `set numBeams, or leave ${key} out`)
}

function checkBeams(config: GenerationConfig, refuse: Refuse): void {
  const { numBeams, numBeamGroups, diversityPenalty = 0, numReturnSequences = 1 } = config
  if (numReturnSequences > numBeams)
    refuse(
      "numReturnSequences",
      `expected at most numBeams, ${numBeams}, but got ${numReturnSequences}`,
      "raise numBeams",
    )
  if (numBeams % numBeamGroups !== 0)
    refuse(
      "numBeamGroups",
      `expected groups that share ${numBeams} beams evenly, but got ${numBeamGroups}`,
      "change one of them",
    )
  if (numBeamGroups > 1 && diversityPenalty === 0)
    refuse("diversityPenalty", "expected a number above 0 with numBeamGroups: equal groups find equal texts", "set it")
  if (numBeamGroups === 1 && diversityPenalty > 0)
    refuse("diversityPenalty", "expected numBeamGroups of 2 or more with diversityPenalty, but got 1", "set it")
  if (numBeamGroups > 1 && samples(config))
    refuse("doSample", "expected false with numBeamGroups, but got true", "groups of beams draw nothing: choose one")
  if (config.penaltyAlpha) refuse("penaltyAlpha", "expected numBeams 1 with penaltyAlpha", "choose one of them")
  if (config.promptLookupNumTokens !== undefined)
    refuse("promptLookupNumTokens", "expected numBeams 1 with promptLookupNumTokens", "choose one of them")
  if (config.stop.length > 0)
    refuse("stop", "expected no stop texts with beam search, but got some", "cut the texts afterwards")
  if (config.contextFull !== "stop")
    refuse("contextFull", `expected stop with beam search, but got ${config.contextFull}`, "ask for fewer tokens")
  if (config.logprobs || config.topLogprobs > 0)
    refuse("logprobs", "expected none with beam search", "a text's score is given")
}

function checkContrastive(config: GenerationConfig, refuse: Refuse): void {
  if ((config.topK ?? 0) < 2)
    refuse("topK", "expected 2 or more with penaltyAlpha: how many tokens are compared", "4 is usual")
  if (samples(config))
    refuse("doSample", "expected false with penaltyAlpha: contrastive search draws nothing", "choose one of them")
  if (config.promptLookupNumTokens !== undefined)
    refuse("promptLookupNumTokens", "expected no penaltyAlpha with promptLookupNumTokens", "choose one of them")
  if (config.contextFull !== "stop")
    refuse("contextFull", `expected stop with penaltyAlpha, but got ${config.contextFull}`, "ask for fewer tokens")
}
