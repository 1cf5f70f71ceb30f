// text2text-generation, summarization, translation: an encoder-decoder reads a text and writes another.

import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { type GenerateOptions, generateIds, mergeGeneration, readGeneration } from "../generate/index.ts"
import { EncoderDecoder } from "../models/index.ts"
import { HeedError, ValueError } from "../tensor/index.ts"
import type { Tokenizer } from "../text/index.ts"
import { ownNames, splitOwn } from "./options.ts"
import { checkText, type FolderFile, listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const options = declare(
  {
    prefix: option(
      z.string().optional(),
      "What is put before each text; that of the model's task_specific_params unless given",
    ),
    truncation: option(
      z.boolean(),
      "Cut texts that are longer than what the encoder reads; otherwise they are refused",
      {
        default: true,
      },
    ),
    batchSize: option(z.int().min(1).max(1024), "Texts that are written together at most", { default: 8 }),
  },
  "text2text-generation",
)

const translationOptions = declare(
  {
    ...options.options,
    srcLang: option(z.string().optional(), "Language of the text, as the tokenizer's tokens name it (en_XX)"),
    tgtLang: option(z.string().optional(), "Language to translate into"),
  },
  "translation",
)

type CallOptions = GenerateOptions & { readonly [name: string]: unknown }

/** Texts by the name of the result's field. */
export type Written<K extends string> = { readonly [key in K]: string }

/** What is written of a text, or of each of several. */
export type TextToText<K extends string> = (
  texts: string | readonly string[],
  options?: CallOptions,
) => Promise<Written<K>[]>

/** The options that config.json gives a task: transformers' `task_specific_params`. */
function specificOf(published: FolderFile, task: string): Readonly<Record<string, unknown>> {
  const all = checkObject("task_specific_params", published.task_specific_params)
  return checkObject(`task_specific_params.${task}`, Object.hasOwn(all, task) ? all[task] : null)
}

function checkObject(key: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {}
  if (typeof value === "object" && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new HeedError(`config.json: expected ${key} to be an object, but got ${JSON.stringify(value).slice(0, 40)}`)
}

/** What is put before each text, as a file has it. Throws HeedError for what is no text. */
function prefixOf(value: unknown): string {
  if (value === null || value === undefined) return ""
  if (typeof value === "string") return value
  throw new HeedError(`config.json: expected prefix to be a text, but got ${JSON.stringify(value).slice(0, 40)}`)
}

/** Where a text's language stands among its tokens: mBART puts it at the end, its later version at the beginning. */
function withLanguage(tokenizer: Tokenizer, text: string, language: string, opened: Opened): Int32Array {
  const id = languageToken(tokenizer, language)
  const body = tokenizer.encode(text, { addSpecialTokens: false })
  const end = tokenizer.roles.end === undefined ? undefined : tokenizer.tokenId(tokenizer.roles.end)
  const tail = end === undefined ? [] : [end]
  const first = /50|M2M|Nllb/i.test(String(opened.tokenizerConfig.tokenizer_class ?? ""))
  return Int32Array.from(first ? [id, ...body, ...tail] : [...body, ...tail, id])
}

function languageToken(tokenizer: Tokenizer, language: string): number {
  const id = tokenizer.tokenId(language) ?? tokenizer.tokenId(`__${language}__`)
  if (id !== undefined && tokenizer.specialTokens.has(tokenizer.tokens[id]!)) return id
  const known = [...tokenizer.specialTokens.keys()].filter(token => /^(__)?[a-z]{2,3}(_[A-Z]\w+)?(__)?$/.test(token))
  throw new ValueError(
    `translation: expected a language of the tokenizer, but got ${language}`,
    known.length > 0
      ? `there is ${known.slice(0, 12).join(", ")}${known.length > 12 ? ", …" : ""}`
      : "this model knows no languages by name: leave srcLang and tgtLang out",
  )
}

interface Variant<K extends string> {
  readonly name: string
  readonly aliases: readonly string[]
  readonly summary: string
  readonly field: K
}

function textToText<K extends string>({ name, aliases, summary, field }: Variant<K>): Task<TextToText<K>> {
  const declared = name === "translation" ? translationOptions : options
  const open = (opened: Opened): TextToText<K> => {
    const { model, run, published } = opened
    if (!(model instanceof EncoderDecoder)) refuseModel(name, model, "an encoder-decoder, such as t5, bart or marian")
    const tokenizer = needTokenizer(name, opened)
    const asked = opened.task ?? name
    const { prefix, ...others } = specificOf(published, asked)
    const usualPrefix = prefixOf(prefix ?? published.prefix)
    const specific = readGeneration(others, "config.json")
    const longest = (model.config.sourceContext ?? model.config.context) as unknown

    const idsOf = (text: string, values: Readonly<Record<string, unknown>>): Int32Array => {
      const whole = `${values.prefix ?? usualPrefix}${checkText(name, text)}`
      const ids =
        typeof values.srcLang === "string"
          ? withLanguage(tokenizer, whole, values.srcLang, opened)
          : tokenizer.encode(whole)
      if (typeof longest !== "number" || ids.length <= longest) return ids
      if (values.truncation === false)
        throw new HeedError(
          `${name}: expected at most ${longest} tokens, but the text has ${ids.length}: ${ids.length - longest} too many`,
          "shorten the text, or leave truncation at true",
        )
      return tokenizer.encodeWithOffsets(whole, { maxLength: longest }).ids
    }

    return async (inputs, given = {}) => {
      const { list } = listOf(name, inputs)
      const { own, rest } = splitOwn(declared as typeof translationOptions, given)
      const { batchSize, ...values } = own
      const forced = values.tgtLang === undefined ? {} : { forcedBosTokenId: languageToken(tokenizer, values.tgtLang) }
      const generation = { ...mergeGeneration(specific, { ...forced, ...ownNames(rest) }), ...run } as GenerateOptions
      const rows = list.map(text => idsOf(text, values))
      const results: Written<K>[] = []
      for (let start = 0; start < rows.length; start += batchSize) {
        const { newIds } = await generateIds(model, rows.slice(start, start + batchSize), { ...generation, tokenizer })
        for (const ids of newIds)
          results.push({ [field]: tokenizer.decode(ids, { skipSpecialTokens: true }).trim() } as Written<K>)
      }
      return results
    }
  }
  return {
    name,
    aliases,
    summary,
    options: declared,
    generates: true,
    arguments: [{ name: "text", help: "a text", many: true }],
    fromWords: words => [words],
    open,
  }
}

/** A text from a text. */
export const text2textGeneration = textToText({
  name: "text2text-generation",
  aliases: [],
  summary: "an encoder-decoder reads a text and writes another",
  field: "generated_text",
})

/** A shorter text. */
export const summarization = textToText({
  name: "summarization",
  aliases: [],
  summary: "a shorter text that says the same",
  field: "summary_text",
})

/** The text in another language; also asked for as translation_en_to_de. */
export const translation = textToText({
  name: "translation",
  aliases: [],
  summary: "the text in another language",
  field: "translation_text",
})
