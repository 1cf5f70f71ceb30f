// Conversations as the one text that a model was trained to read: chat templates in Jinja, as tokenizer_config.json carries them,
// run by `@huggingface/jinja`. A template is data of the model: it can write text, and nothing else.
import { Environment, Interpreter, Template as Jinja } from "@huggingface/jinja"
import { TextError } from "./errors.ts"
import type { Tokenizer, TokenizerConfiguration } from "./tokenizer.ts"

/** One turn of a conversation, as Hugging Face and OpenAI write it. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool" or what else the template knows. */
  readonly role: string
  /** The text, or parts of several kinds where the template reads such. */
  readonly content?: unknown
  readonly [field: string]: unknown
}

/** How a conversation is written. */
export interface ChatOptions {
  /** End where the assistant is to go on. Default false. */
  readonly addGenerationPrompt?: boolean
  /** Functions that the model may call, as JSON schemas. */
  readonly tools?: readonly object[]
  /** Texts that the model may quote. */
  readonly documents?: readonly object[]
  /** What else the template reads, such as { enable_thinking: false }. */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** A chat template. */
export interface ChatTemplate {
  /** The source, in Jinja. */
  readonly source: string
  /** The text of a conversation. Throws TextError where the messages are none, or the template refuses them. */
  apply(messages: readonly ChatMessage[], options?: ChatOptions): string
}

/** ChatML, which many models were trained on. It is used only when it is asked for by this name: `parseChatTemplate(chatML)`. */
export const chatML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

// templates of strangers: far beyond what any real one needs
const longestRange = 100_000
const longestTemplate = 1_000_000
const longestText = 50_000_000
const mostSteps = 500_000
const mostSeconds = 10

/** A template from its source. `configuration` gives the special tokens that it may write. Throws TextError for broken Jinja. */
export function parseChatTemplate(source: string, configuration: TokenizerConfiguration = {}): ChatTemplate {
  let parsed: Jinja
  if (source.length > longestTemplate)
    throw new TextError(
      `chat template: expected at most ${longestTemplate} characters, but got ${source.length}`,
      "the template in tokenizer_config.json or chat_template.jinja is broken",
    )
  try {
    parsed = new Jinja(source)
  } catch (cause) {
    throw new TextError(
      `chat template: expected Jinja, but got ${JSON.stringify(source.slice(0, 60))}: ${(cause as Error).message}`,
      "the template in tokenizer_config.json or chat_template.jinja is broken",
      { cause },
    )
  }
  return {
    source,
    apply: (messages, options = {}) => {
      checkMessages(messages)
      const { addGenerationPrompt = false, tools, documents, variables = {} } = options
      try {
        return render(parsed, {
          ...specialTokens(configuration),
          messages,
          add_generation_prompt: addGenerationPrompt,
          tools: tools ?? null,
          documents: documents ?? null,
          ...variables,
        })
      } catch (cause) {
        throw new TextError(
          `chat template: expected messages that it can write, but it says: ${(cause as Error).message}`,
          `the roles are ${messages.map(({ role }) => role).join(", ")}; templates have rules about their order and about system messages`,
          { cause },
        )
      }
    },
  }
}

/**
 * The chat template of a tokenizer_config.json, or null where it has none. `chat_template` is one template, or a list of named ones:
 * `name` says which, else "tool_use" is taken where tools are given to a list that has it, else "default".
 */
export function chatTemplate(configuration: TokenizerConfiguration, name?: string): ChatTemplate | null {
  const { chat_template: given } = configuration
  if (given === undefined || given === null) return null
  if (typeof given === "string") {
    if (name !== undefined && name !== "default")
      throw new TextError(
        `chat template: expected one of several by the name ${name}, but the tokenizer has one without a name`,
      )
    return parseChatTemplate(given, configuration)
  }
  const named = namedTemplates(given)
  const pick = (wanted: string): ChatTemplate => {
    const source = named.get(wanted)
    if (source === undefined)
      throw new TextError(
        `chat template: expected one of ${[...named.keys()].join(", ")}, but got ${wanted}`,
        'name one: chatTemplate(configuration, "…")',
      )
    return parseChatTemplate(source, configuration)
  }
  if (name !== undefined || !named.has("tool_use")) return pick(name ?? "default")
  const [plain, withTools] = [pick("default"), pick("tool_use")]
  return {
    source: plain.source,
    apply: (messages, options = {}) => (options.tools ? withTools : plain).apply(messages, options),
  }
}

/** The text of a conversation in a tokenizer's own template. Throws TextError where it has none. */
export function applyChatTemplate(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions & { readonly template?: string } = {},
): string {
  const { template, ...rest } = options
  const found = chatTemplate(tokenizer.configuration(), template)
  if (found === null)
    throw new TextError(
      "applyChatTemplate: expected a tokenizer with a chat template, but its tokenizer_config.json has none",
      "the model was not trained on conversations; to write one as ChatML all the same: parseChatTemplate(chatML).apply(messages)",
    )
  return found.apply(messages, rest)
}

function namedTemplates(given: unknown): Map<string, string> {
  const named = new Map<string, string>()
  const entries: unknown[] = Array.isArray(given)
    ? given
    : Object.entries(given as object).map(([name, template]) => ({ name, template }))
  for (const entry of entries) {
    const { name, template } = (entry ?? {}) as { name?: unknown; template?: unknown }
    if (typeof name !== "string" || typeof template !== "string")
      throw new TextError(
        `chat_template: expected a template or a list of { name, template }, but got ${JSON.stringify(entry)?.slice(0, 60)}`,
        "tokenizer_config.json is broken: fetch it again",
      )
    named.set(name, template)
  }
  return named
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new TextError(
      `chat: expected a list of messages, but got ${Array.isArray(messages) ? "an empty one" : typeof messages}`,
      'write them as [{ role: "user", content: "…" }]',
    )
  for (const [i, message] of messages.entries())
    if (typeof message !== "object" || message === null || typeof (message as ChatMessage).role !== "string")
      throw new TextError(
        `chat: expected messages with a role, but got ${JSON.stringify(message)?.slice(0, 60)} as message ${i}`,
        'write them as { role: "user", content: "…" }',
      )
}

/** bos_token, eos_token and the like, as texts. */
function specialTokens(configuration: TokenizerConfiguration): Record<string, string> {
  const tokens: Record<string, string> = {}
  for (const [setting, value] of Object.entries(configuration)) {
    if (!setting.endsWith("_token")) continue
    const content = typeof value === "object" && value !== null && "content" in value ? value.content : value
    if (typeof content === "string") tokens[setting] = content
  }
  return tokens
}

function render(template: Jinja, variables: Readonly<Record<string, unknown>>): string {
  const environment = new Environment()
  for (const [name, value] of Object.entries({ ...builtins, ...variables })) environment.set(name, value)
  const interpreter = new Interpreter(environment)
  const evaluate = interpreter.evaluate.bind(interpreter)
  let steps = 0
  const deadline = performance.now() + mostSeconds * 1000 // a step may go over a long list
  interpreter.evaluate = (...step: Parameters<typeof evaluate>) => {
    if (++steps > mostSteps) throw new Error(`it takes more than ${mostSteps} steps`)
    if (performance.now() > deadline) throw new Error(`it takes more than ${mostSeconds} seconds`)
    return evaluate(...step)
  }
  const { value } = interpreter.run(template.parsed)
  if (typeof value !== "string") throw new Error("it writes no text")
  if (value.length > longestText) throw new Error(`it writes ${value.length} characters, more than ${longestText}`)
  return value
}

const builtins: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  range,
  raise_exception: (message: unknown) => {
    throw new Error(String(message))
  },
  strftime_now: (format: string) => formatTime(new Date(), String(format)),
}

/** The present time in C's notation, as far as templates use it. */
function formatTime(now: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, "0")
  const name = (options: Intl.DateTimeFormatOptions): string => new Intl.DateTimeFormat("en", options).format(now)
  const parts: Readonly<Record<string, string>> = {
    Y: String(now.getFullYear()),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    B: name({ month: "long" }),
    b: name({ month: "short" }),
    A: name({ weekday: "long" }),
    a: name({ weekday: "short" }),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    "%": "%",
  }
  return format.replace(/%(.)/g, (whole, letter: string) => parts[letter] ?? whole)
}

/** Jinja's range, for templates of strangers: never more numbers than a conversation needs. */
function range(from: number, to?: number, step = 1): number[] {
  const [start, stop] = to === undefined ? [0, from] : [from, to]
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (!(count <= longestRange)) throw new Error(`range() of ${longestRange} numbers at most, but got ${count}`)
  return Array.from({ length: count }, (_, i) => start + i * step)
}
