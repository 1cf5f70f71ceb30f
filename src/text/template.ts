// What stands around a text and between two: the post-processors of tokenizer.json as one plain list of tokens and places for texts.
import { TextError } from "./errors.ts"
import type { TokenizerPartJson } from "./tokenizer.ts"

/** A special token, or the place of a text (0: the first, 1: its pair). */
export type TemplateItem =
  | { readonly kind: "token"; readonly id: number; readonly typeId: number }
  | { readonly kind: "sequence"; readonly sequence: 0 | 1; readonly typeId: number }

/** What is put around one text, and around a pair of texts. */
export interface Template {
  readonly single: readonly TemplateItem[]
  readonly pair: readonly TemplateItem[]
  /** Byte-level tokens that begin with blanks have spans without them. */
  readonly trimOffsets: boolean
}

const first = { kind: "sequence", sequence: 0, typeId: 0 } as const

/** Texts as they are: no special tokens. */
export const plainTemplate: Template = {
  single: [first],
  pair: [first, { kind: "sequence", sequence: 1, typeId: 1 }],
  trimOffsets: false,
}

/** The template that a tokenizer.json asks for; null where it names one that is not known here. Throws TextError for broken settings. */
export function readTemplate(json: TokenizerPartJson | null | undefined): Template | null {
  if (json == null) return plainTemplate
  switch (json.type) {
    case "ByteLevel":
      return { ...plainTemplate, trimOffsets: json.trim_offsets !== false }
    case "BertProcessing":
      return around(json, 1, 1, false)
    case "RobertaProcessing":
      return around(json, 2, 0, json.trim_offsets !== false)
    case "TemplateProcessing":
      return templateProcessing(json)
    case "Sequence":
      return sequence(json.processors)
    default:
      return null
  }
}

function sequence(list: unknown): Template | null {
  if (!Array.isArray(list)) return null
  let template = plainTemplate
  for (const each of list as TokenizerPartJson[]) {
    const read = readTemplate(each)
    if (read === null) return null
    const trimOffsets = template.trimOffsets || read.trimOffsets
    if (each.type === "ByteLevel") template = { ...template, trimOffsets }
    else if (template.single.length > 1)
      return null // a template in a template
    else template = { ...read, trimOffsets }
  }
  return template
}

/** [CLS] A [SEP] (B [SEP]) as BERT and RoBERTa have it, with one or two separators between. */
function around(json: TokenizerPartJson, separators: number, pairType: number, trimOffsets: boolean): Template {
  const token = (name: "cls" | "sep", typeId: number): TemplateItem => {
    const value = json[name]
    const id: unknown = Array.isArray(value) ? value[1] : undefined
    return { kind: "token", id: checkId(id, `${json.type}'s ${name}`), typeId }
  }
  const single = [token("cls", 0), first, token("sep", 0)]
  const middle = separators === 2 ? [token("sep", 0)] : []
  const second = { kind: "sequence", sequence: 1, typeId: pairType } as const
  return { single, pair: [...single, ...middle, second, token("sep", pairType)], trimOffsets }
}

function templateProcessing(json: TokenizerPartJson): Template {
  const tokens = json.special_tokens
  const read = (list: unknown, name: string): TemplateItem[] => {
    if (!Array.isArray(list)) throw broken(`a list of items as the ${name} template`, list)
    return list.flatMap((item: unknown): TemplateItem[] => {
      const [kind, value] = Object.entries((item ?? {}) as Record<string, unknown>)[0] ?? []
      const { id, type_id: typeId = 0 } = (value ?? {}) as { id?: unknown; type_id?: unknown }
      if (typeof id !== "string" || typeof typeId !== "number" || !Number.isInteger(typeId) || typeId < 0)
        throw broken("items with id and type_id", item)
      if (kind === "Sequence" && (id === "A" || id === "B"))
        return [{ kind: "sequence", sequence: id === "A" ? 0 : 1, typeId }]
      if (kind !== "SpecialToken") throw broken("items of Sequence A or B, or SpecialToken", item)
      const ids = (tokens as Record<string, { ids?: unknown } | undefined> | null | undefined)?.[id]?.ids
      if (!Array.isArray(ids)) throw broken(`special_tokens with the ids of ${JSON.stringify(id)}`, tokens)
      return ids.map(each => ({ kind: "token", id: checkId(each, `the template's ${id}`), typeId }))
    })
  }
  const pair = read(json.pair ?? [], "pair")
  const single = read(json.single ?? [], "single")
  if (single.filter(item => item.kind === "sequence").length !== 1)
    throw broken("a single template with one text", json.single)
  const usual = pair.filter(item => item.kind === "sequence").length === 2
  return { single, pair: usual ? pair : [...single, { kind: "sequence", sequence: 1, typeId: 1 }], trimOffsets: false }
}

function checkId(id: unknown, name: string): number {
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < 2 ** 31) return id
  throw broken(`an id for ${name}`, id)
}

function broken(expected: string, value: unknown): TextError {
  return new TextError(
    `tokenizer.json's post_processor: expected ${expected}, but got ${(JSON.stringify(value) ?? String(value)).slice(0, 80)}`,
    "the file is broken: fetch it again",
  )
}
