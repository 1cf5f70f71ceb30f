// apply_chat_template: a conversation as the text that a model was trained to read, or as the ids of it.

import { z } from "zod"
import { declare, option } from "../../config/index.ts"
import { HeedError } from "../../tensor/index.ts"
import { type ChatMessage, type ChatTemplate, chatTemplate, parseChatTemplate } from "../../text/index.ts"
import type { HostTensor } from "../host-tensor.ts"
import { splitOwn } from "../options.ts"
import type { FolderFile } from "../task.ts"
import type { Encoded, TokenizerCall } from "./tokenizer.ts"
import { tokenizerOptions } from "./tokenizer-options.ts"

const objects = z.array(z.record(z.string(), z.unknown())).nullable()

const options = declare(
  {
    addGenerationPrompt: option(z.boolean(), "End where the assistant is to go on", { default: false }),
    tokenize: option(z.boolean(), "Give ids; false gives the text", { default: true }),
    returnDict: option(z.boolean(), "Give input_ids with attention_mask; false gives input_ids alone", {
      default: false,
    }),
    tools: option(objects, "Functions that the model may call, as JSON schemas", { default: null }),
    documents: option(objects, "Texts that the model may quote", { default: null }),
    chatTemplate: option(z.string().nullable(), "Another template: Jinja, or the name of one of several", {
      default: null,
    }),
    tokenizerKwargs: option(z.record(z.string(), z.unknown()), "Further options of the tokenizer", { default: {} }),
  },
  "apply_chat_template",
)

type Messages = readonly ChatMessage[] | readonly (readonly ChatMessage[])[]

/** A conversation, or each of several, as text or ids; what the options do not name are variables of the template. */
export interface ChatCall {
  (messages: readonly ChatMessage[], options: TokenizerCall & { readonly tokenize: false }): string
  (messages: readonly (readonly ChatMessage[])[], options: TokenizerCall & { readonly tokenize: false }): string[]
  (messages: Messages, options: TokenizerCall & { readonly return_dict: true }): Encoded
  (messages: Messages, options?: TokenizerCall & { readonly return_dict?: false }): HostTensor<Int32Array>
}

/** The function of a tokenizer of these settings; `encode` is the tokenizer's own call. */
export function chatTexts(
  configuration: FolderFile,
  encode: (texts: readonly string[], given: TokenizerCall) => Encoded,
): ChatCall {
  const apply = (messages: Messages, given: TokenizerCall = {}): unknown => {
    const { own, rest } = splitOwn(options, given)
    const { tokenize, returnDict, tools, documents, addGenerationPrompt } = own
    const { own: ofTokenizer, rest: variables } = splitOwn(tokenizerOptions, rest)
    const asked = Object.keys(rest).some(name => tokenizerOptions.keyOf(name) === "addSpecialTokens")
    const template = templateOf(configuration, own.chatTemplate)
    const several = Array.isArray(messages[0])
    const list = (several ? messages : [messages]) as readonly (readonly ChatMessage[])[]
    const texts = list.map(one =>
      template.apply(one, {
        addGenerationPrompt,
        variables,
        ...(tools ? { tools } : {}),
        ...(documents ? { documents } : {}),
      }),
    )
    if (!tokenize) return several ? texts : texts[0]
    // the template writes special tokens itself
    const encoded = encode(texts, {
      ...ofTokenizer,
      addSpecialTokens: asked && ofTokenizer.addSpecialTokens,
      ...own.tokenizerKwargs,
    })
    const whole = !ofTokenizer.returnTensor && !several ? firstOf(encoded) : encoded
    return returnDict ? whole : whole.input_ids
  }
  return apply as ChatCall
}

const firstOf = (encoded: Encoded): Encoded =>
  Object.fromEntries(
    Object.entries(encoded).map(([name, rows]) => [name, (rows as unknown as readonly unknown[])[0]]),
  ) as unknown as Encoded

function templateOf(configuration: FolderFile, given: string | null): ChatTemplate {
  if (given !== null && /\{[{%]/.test(given)) return parseChatTemplate(given, configuration)
  const found = chatTemplate(configuration, given ?? undefined)
  if (found) return found
  throw new HeedError(
    "apply_chat_template: expected a chat template beside the tokenizer, but there is none",
    "the model was not trained on conversations; to write one all the same, pass { chat_template: chatML } of heed/text",
  )
}
