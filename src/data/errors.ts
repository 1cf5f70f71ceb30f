// What goes wrong with data, said in the form of the house: what was expected, what came, what to do.

/** A corpus, a record or a setting of the data's that cannot be used; `hint` says what to do about it. */
export class DataError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(hint === undefined ? message : `${message}\n  hint: ${hint}`, options)
    this.name = "DataError"
    this.hint = hint
  }
}
