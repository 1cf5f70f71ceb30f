// What goes wrong with text and tokenizers, said in the form of the house: what was expected, what came, what to do.

/** A text, a token or a tokenizer file that cannot be used; `hint` says what to do about it. */
export class TextError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(hint === undefined ? message : `${message}\n  hint: ${hint}`, options)
    this.name = "TextError"
    this.hint = hint
  }
}

/** A character as a person can recognise it in a message: `"é" (U+00E9)`. */
export function nameCharacter(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")
  return `${JSON.stringify(character)} (U+${code})`
}
