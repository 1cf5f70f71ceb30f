// Special tokens under the names that transformers has for them: tokenizer.pad_token, tokenizer.eos_token_id and so on. They can be
// set, as GPT-2 users do: tokenizer.pad_token = tokenizer.eos_token.

import { HeedError, ValueError } from "../../tensor/index.ts"
import type { SpecialRole, Tokenizer } from "../../text/index.ts"
import type { FolderFile } from "../task.ts"

const names = {
  unk: "unknown",
  bos: "beginning",
  eos: "end",
  pad: "padding",
  sep: "separator",
  cls: "class",
  mask: "mask",
} as const satisfies Readonly<Record<string, SpecialRole>>

type Name = keyof typeof names

/** Special tokens as transformers names them; null where the tokenizer has none. */
export type SpecialTokens = { [N in Name as `${N}_token`]: string | null } & {
  [N in Name as `${N}_token_id`]: number | null
} & {
  /** Where padding goes. */
  padding_side: "left" | "right"
  readonly all_special_tokens: readonly string[]
  readonly all_special_ids: readonly number[]
}

/** The special tokens of a tokenizer, and the id that fills rows. */
export function specialTokens(
  tokenizer: Tokenizer,
  configuration: FolderFile,
): { readonly tokens: SpecialTokens; readonly padId: () => number } {
  const roles = new Map<Name, string | null>()
  for (const [name, role] of Object.entries(names)) roles.set(name as Name, tokenizer.roles[role] ?? null)
  const idOf = (name: Name): number | null => {
    const token = roles.get(name) ?? null
    return token === null ? null : (tokenizer.tokenId(token) ?? null)
  }
  const put = (name: Name, token: string | null): void => {
    if (token !== null && tokenizer.tokenId(token) === undefined)
      throw new ValueError(`tokenizer: expected a token of the vocabulary as ${name}_token, but got ${token}`)
    roles.set(name, token)
  }
  let side: "left" | "right" = configuration.padding_side === "left" ? "left" : "right"
  const tokens = {
    get padding_side() {
      return side
    },
    set padding_side(given) {
      if (given !== "left" && given !== "right")
        throw new ValueError(`tokenizer: expected padding_side left or right, but got ${String(given)}`)
      side = given
    },
    all_special_tokens: [...tokenizer.specialTokens.keys()],
    all_special_ids: [...tokenizer.specialTokens.values()],
  }
  for (const name of Object.keys(names) as Name[]) {
    Object.defineProperty(tokens, `${name}_token`, {
      enumerable: true,
      get: () => roles.get(name),
      set: (token: string | null) => put(name, token),
    })
    Object.defineProperty(tokens, `${name}_token_id`, {
      enumerable: true,
      get: () => idOf(name),
      set: (id: number | null) => put(name, id === null ? null : (tokenizer.tokens[id] ?? String(id))),
    })
  }
  const whole = tokens as unknown as SpecialTokens
  return { tokens: whole, padId: () => whole.pad_token_id ?? missingPadding() }
}

function missingPadding(): never {
  throw new HeedError(
    "tokenizer: expected a padding token to fill rows of different lengths, but it has none",
    "set one: tokenizer.pad_token = tokenizer.eos_token",
  )
}
