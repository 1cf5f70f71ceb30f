// The error form of the house: what was expected, what came, what to do about it.

/** An error a person can act on: the message says what was expected and what came; `hint` says what to do. */
export class HeedError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(hint === undefined ? message : `${message}\n  hint: ${hint}`, options)
    this.name = new.target.name
    this.hint = hint
  }
}

/** Shapes, ranks, axes or sizes that do not fit together. */
export class ShapeError extends HeedError {}

/** Element types that do not fit together. */
export class TypeMismatchError extends HeedError {}

/** A value outside what is allowed: an index, an option, a count. */
export class ValueError extends HeedError {}
