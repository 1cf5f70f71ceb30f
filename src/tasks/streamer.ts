// TextStreamer: text as it is written, for those who want a callback instead of `for await` over generate().

import type { TokenEvent } from "../generate/index.ts"
import type { Tokenizer } from "../text/index.ts"

/** What a streamer does with text; the names are those of transformers. */
export interface TextStreamerOptions {
  /** Leave the prompt out. Default false. */
  readonly skip_prompt?: boolean
  /** Hears each piece of text; printed to the console unless given. */
  readonly callback_function?: (text: string) => void
  /** Hears the ids. */
  readonly token_callback_function?: (ids: readonly number[]) => void
}

/** Passes text on as it is written. */
export class TextStreamer {
  readonly tokenizer: Tokenizer | null
  readonly #options: TextStreamerOptions

  /** tokenizer: heed's own, or one of AutoTokenizer; null with pipelines, which have theirs. */
  constructor(tokenizer: Tokenizer | { readonly tokenizer: Tokenizer } | null, options: TextStreamerOptions = {}) {
    this.tokenizer = tokenizer && "tokenizer" in tokenizer ? tokenizer.tokenizer : tokenizer
    this.#options = options
  }

  begin(prompt: string): void {
    if (!this.#options.skip_prompt) this.#say(prompt)
  }

  token({ id, text }: Pick<TokenEvent, "id" | "text">): void {
    this.#options.token_callback_function?.([id])
    if (text !== "") this.#say(text)
  }

  /** rest: what was held back of the text. */
  end(rest = ""): void {
    if (rest !== "") this.#say(rest)
    if (!this.#options.callback_function) console.log()
  }

  #say(text: string): void {
    const { callback_function: hear } = this.#options
    if (hear) hear(text)
    else globalThis.process?.stdout ? globalThis.process.stdout.write(text) : console.log(text)
  }
}
