// text-generation: a language model goes on from a text, or answers in a conversation.

import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { type GenerateOptions, generate, generateIds, isWriting } from "../generate/index.ts"
import { EncoderDecoder } from "../models/index.ts"
import { HeedError } from "../tensor/index.ts"
import { type ChatMessage, chatTemplate, type Tokenizer } from "../text/index.ts"
import { splitOwn } from "./options.ts"
import type { TextStreamer } from "./streamer.ts"
import { checkText, listOf, needTokenizer, type Opened, refuseModel, type Task } from "./task.ts"

const name = "text-generation"

const options = declare(
  {
    returnFullText: option(z.boolean().optional(), "Give the prompt too; true for texts unless said otherwise"),
    addSpecialTokens: option(z.boolean(), "Put the tokens that the tokenizer asks for around the prompt", {
      default: true,
    }),
    chat: option(z.boolean(), "Take each text as what a user says, and answer it", { default: false }),
    tools: option(
      z.array(z.record(z.string(), z.unknown())).optional(),
      "Conversations: functions that the model may call, as JSON schemas",
    ),
  },
  name,
)

/** What was written. */
export interface GeneratedText {
  readonly generated_text: string
}

/** A conversation with the answer at its end. */
export interface GeneratedChat {
  readonly generated_text: readonly ChatMessage[]
}

type CallOptions = GenerateOptions & {
  readonly streamer?: TextStreamer
  readonly [name: string]: unknown
}

/** The continuations of a text or of each of several; the answer to a conversation or to each of several. */
export interface TextGeneration {
  (text: string, options?: CallOptions): Promise<GeneratedText[]>
  (texts: readonly string[], options?: CallOptions): Promise<GeneratedText[][]>
  (messages: readonly ChatMessage[], options?: CallOptions): Promise<GeneratedChat[]>
  (conversations: readonly (readonly ChatMessage[])[], options?: CallOptions): Promise<GeneratedChat[][]>
}

type Prompt = string | readonly ChatMessage[]

const isMessage = (value: unknown): value is ChatMessage =>
  typeof value === "object" && value !== null && !Array.isArray(value) && "role" in value

/** Inputs as prompts; a list of messages is one conversation. */
function promptsOf(inputs: unknown): { readonly list: readonly Prompt[]; readonly single: boolean } {
  if (Array.isArray(inputs) && inputs.length > 0 && isMessage(inputs[0])) return { list: [inputs], single: true }
  const prompts = inputs as string | readonly Prompt[]
  return typeof prompts === "string" ? { list: [prompts], single: true } : listOf<Prompt>(name, prompts)
}

function open(opened: Opened): TextGeneration {
  const { model, run } = opened
  if (model instanceof EncoderDecoder || !isWriting(model))
    refuseModel(name, model, "a language model (for encoder-decoders there is text2text-generation)")
  const tokenizer = needTokenizer(name, opened)

  const answer = async (inputs: unknown, given: CallOptions = {}): Promise<unknown> => {
    const { own, rest } = splitOwn(options, given)
    const { list: prompts, single } = promptsOf(inputs)
    const { returnFullText, addSpecialTokens, chat, tools } = own
    const { streamer, ...generation } = rest as CallOptions
    const list = prompts.map(
      (prompt): Prompt =>
        chat && typeof prompt === "string" ? [{ role: "user", content: checkText(name, prompt) }] : prompt,
    )
    const texts = list.map(prompt => textOf(prompt, opened, tools))
    const ids = texts.map(({ text, chat }) => tokenizer.encode(text, { addSpecialTokens: addSpecialTokens && !chat }))
    const written = streamer
      ? [[await streamed(opened, tokenizer, ids, { ...run, ...generation }, streamer, texts)]]
      : await writtenTexts(opened, tokenizer, ids, { ...run, ...generation })
    const results = list.map((prompt, i) =>
      written[i]!.map(text => {
        if (typeof prompt === "string")
          return { generated_text: (returnFullText ?? true) ? texts[i]!.text + text : text }
        const message: ChatMessage = { role: "assistant", content: text }
        return { generated_text: returnFullText === false ? [message] : [...prompt, message] }
      }),
    )
    return single ? results[0] : results
  }
  return answer as TextGeneration
}

function textOf(prompt: Prompt, opened: Opened, tools: readonly object[] | undefined): { text: string; chat: boolean } {
  if (!Array.isArray(prompt)) return { text: checkText(name, prompt), chat: false }
  const template = chatTemplate(opened.tokenizerConfig)
  if (!template)
    throw new HeedError(
      `${name}: expected a chat template beside the tokenizer for a conversation, but there is none`,
      "give a text instead, or use a model that was trained on conversations",
    )
  return { text: template.apply(prompt, { addGenerationPrompt: true, ...(tools ? { tools } : {}) }), chat: true }
}

/** What follows each prompt, as often as was asked for. */
async function writtenTexts(
  { model }: Opened,
  tokenizer: Tokenizer,
  ids: readonly Int32Array[],
  options: GenerateOptions,
): Promise<string[][]> {
  const { newIds } = await generateIds(model, ids, { ...options, tokenizer })
  const copies = newIds.length / ids.length
  return ids.map((prompt, i) =>
    newIds.slice(i * copies, (i + 1) * copies).map(row => continuation(tokenizer, prompt, row)),
  )
}

/** The text of ids behind a prompt: what the prompt's last tokens are decides how the first one is written. */
function continuation(tokenizer: Tokenizer, prompt: Int32Array, ids: Int32Array): string {
  const pieces = tokenizer.streamingDecoder({ skipSpecialTokens: true })
  for (const id of prompt) pieces.push(id)
  let text = ""
  for (const id of ids) text += pieces.push(id)
  return text + pieces.flush()
}

async function streamed(
  { model }: Opened,
  tokenizer: Tokenizer,
  ids: readonly Int32Array[],
  options: GenerateOptions,
  streamer: TextStreamer,
  prompts: readonly { readonly text: string }[],
): Promise<string> {
  if (typeof streamer.begin !== "function")
    throw new HeedError(`${name}: expected a TextStreamer as streamer, but got ${typeof streamer}`)
  if (ids.length !== 1)
    throw new HeedError(`${name}: expected one input with a streamer, but got ${ids.length}`, "call it once for each")
  streamer.begin(prompts[0]!.text)
  let text = ""
  for await (const event of generate(model, tokenizer, ids[0]!, options))
    if (event.type === "token") streamer.token(event)
    else text = continuation(tokenizer, ids[0]!, Int32Array.from(event.ids)) // with its stop text, as without a streamer
  streamer.end()
  return text
}

/** The task. */
export const textGeneration: Task<TextGeneration> = {
  name,
  aliases: [],
  summary: "a language model goes on from a text, or answers in a conversation",
  options,
  generates: true,
  arguments: [{ name: "text", help: "a text to go on from", many: true }],
  fromWords: words => [words],
  open,
}
