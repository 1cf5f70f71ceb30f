// The options of generation, declared once. Names are those of transformers' GenerationConfig in camelCase; snake_case and other usual
// names work too.
import { z } from "zod"
import { declare, option } from "../config/index.ts"

const count = (least: number) => z.int().min(least)
const fraction = z.number().min(0).max(1)
const token = count(0)
const tokens = z.union([token, z.array(token).min(1)])

/** Every option of a generation. */
export const generationOptions = declare(
  {
    maxNewTokens: option(count(1), "Tokens to write at most", { default: 128, alias: "maxTokens" }),
    minNewTokens: option(count(0), "Tokens to write at least: before that the end token is forbidden", { default: 0 }),
    maxLength: option(
      count(1).optional(),
      "Tokens of the prompt and what is written together at most; takes the place of maxNewTokens where that is not given",
    ),
    minLength: option(count(0), "Tokens of the prompt and what is written together at least", { default: 0 }),
    maxTime: option(z.number().gt(0).optional(), "Seconds after which writing stops"),
    doSample: option(
      z.boolean().optional(),
      "Draw tokens at random instead of taking the most likely one; true unless said otherwise when an option that shapes draws, such as temperature or topP, is given",
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
    typicalP: option(
      z.number().gt(0).max(1).optional(),
      "Draw among the tokens of most typical surprise whose probabilities together reach this; 1 among all (1)",
    ),
    epsilonCutoff: option(z.number().min(0).lt(1).optional(), "Draw among tokens of at least this probability (0)"),
    etaCutoff: option(
      z.number().min(0).lt(1).optional(),
      "Draw among tokens of at least this probability, or less where the entropy is high (0)",
    ),
    seed: option(
      z.union([token, z.array(token).min(1)]),
      "Seed of the draws: the same seed gives the same text; a list has one for each prompt",
      { default: 1 },
    ),
    repetitionPenalty: option(
      z.number().gt(0).max(100),
      "Above 1: tokens that occurred already become less likely; 1 leaves them",
      { default: 1 },
    ),
    encoderRepetitionPenalty: option(
      z.number().gt(0).max(100),
      "Encoder-decoders: above 1, tokens of the input become more likely; 1 leaves them",
      { default: 1 },
    ),
    presencePenalty: option(
      z.number().min(-100).max(100),
      "Subtracted from the scores of tokens that were written already",
      { default: 0 },
    ),
    frequencyPenalty: option(
      z.number().min(-100).max(100),
      "Subtracted from the score of a token for each time it was written",
      { default: 0 },
    ),
    noRepeatNgramSize: option(count(0), "No sequence of this many tokens occurs twice; 0 allows all", { default: 0 }),
    encoderNoRepeatNgramSize: option(
      count(0),
      "Encoder-decoders: no sequence of this many tokens of the input is written; 0 allows all",
      { default: 0 },
    ),
    badWordsIds: option(z.array(z.array(token).min(1)), "Token sequences that must not be written", {
      default: [],
      alias: "badWords",
    }),
    sequenceBias: option(
      z.array(z.tuple([z.array(token).min(1), z.number()])),
      "Added to the score of the last token of a sequence whose beginning was written: pairs of token ids and number",
      { default: [] },
    ),
    suppressTokens: option(z.array(token), "Tokens that are never written", { default: [] }),
    beginSuppressTokens: option(z.array(token), "Tokens that are not written first", { default: [] }),
    forcedBosTokenId: option(token.optional(), "Token that is written first, behind a single token"),
    forcedEosTokenId: option(tokens.optional(), "Token that is written last where maxNewTokens are reached"),
    forcedDecoderIds: option(
      z.array(z.tuple([count(1), token.nullable()])),
      "Tokens that stand at places of the text: pairs of place, counted from 0, and id",
      { default: [] },
    ),
    exponentialDecayLengthPenalty: option(
      z.tuple([count(0), z.number().gt(0)]).optional(),
      "A number of tokens, and a factor above 1 by which the end token's score then grows with each token",
    ),
    removeInvalidValues: option(z.boolean(), "Replace scores that are no finite numbers instead of failing", {
      default: false,
    }),
    renormalizeLogits: option(z.boolean(), "Turn scores into log-probabilities after all else was done to them", {
      default: false,
    }),
    stop: option(z.array(z.string().min(1)), "Texts at which writing stops; they are not part of what is given", {
      default: [],
      alias: ["stopStrings", "stopSequences"],
    }),
    eosTokenId: option(tokens.optional(), "Tokens that end a text; those of the model unless given", {
      alias: "endToken",
    }),
    padTokenId: option(token.optional(), "Token that fills rows of a batch that ended; the model's unless given", {
      alias: "padToken",
    }),
    bosTokenId: option(token.optional(), "Token that an empty prompt becomes; the model's unless given"),
    decoderStartTokenId: option(
      tokens.optional(),
      "Encoder-decoders: token that the decoder begins with, or one for each prompt; the model's unless given",
    ),
    contextFull: option(
      z.enum(["stop", "slide"]),
      "What happens when the model's context is full: writing stops, or goes on without the oldest quarter of the text",
      { default: "stop" },
    ),
    useCache: option(z.boolean(), "Keep keys and values of what was read; without, all is read again for each token", {
      default: true,
    }),
    logprobs: option(z.boolean(), "Also give the log-probability of each token", { default: false }),
    topLogprobs: option(count(0).max(100), "Also give this many most likely tokens at each place", { default: 0 }),
    numReturnSequences: option(
      count(1).max(1024).optional(),
      "How many texts are given for a prompt: the best of the beams, or as many draws (1)",
    ),
    numBeams: option(count(1).max(256), "Follow this many most likely beginnings at once (beam search)", {
      default: 1,
      alias: "beams",
    }),
    numBeamGroups: option(count(1).max(256), "Beams: groups that are kept different from each other", { default: 1 }),
    diversityPenalty: option(
      z.number().min(0).optional(),
      "Beam groups: subtracted from a token's score for each time an earlier group chose it at this step (0)",
    ),
    lengthPenalty: option(
      z.number().optional(),
      "Beams: scores are divided by the length to this power; above 0 favours long texts (1)",
    ),
    earlyStopping: option(
      z.union([z.boolean(), z.literal("never")]).optional(),
      "Beams: true stops when enough texts are complete; false when better ones are unlikely; never when they are impossible (false)",
    ),
    penaltyAlpha: option(
      fraction.optional(),
      "Contrastive search among the topK most likely tokens: how much a token's likeness to the text counts against it (0)",
    ),
    numAssistantTokens: option(
      count(1).max(64).optional(),
      "With an assistantModel: tokens that it guesses at once (5)",
    ),
    promptLookupNumTokens: option(
      count(1).max(64).optional(),
      "Guess this many tokens at once from an earlier place in the text that ended alike",
    ),
    maxMatchingNgramSize: option(count(1).optional(), "Lookup: tokens that must be alike, at most (2)"),
  },
  "generation",
)
