// Module: a named part of a model. Parameters, buffers and submodules are its properties; nothing is registered. Running `forward`
// records under the module's path, so taps and errors can be found by it.

import { HeedError, Parameter, ShapeError, type Tensor, tap, withScope } from "../tensor/index.ts"
import { formatShape, sameShape } from "../tensor/shape.ts"

/** State that is no weight: running statistics, tables. Gradients and optimizers leave it alone; `freeze` does not touch it. */
export class Buffer extends Parameter {
  /** Whether it belongs to the state that is saved. */
  readonly persistent: boolean

  constructor(initial: Tensor, options: { name?: string; persistent?: boolean } = {}) {
    super(initial, { ...(options.name === undefined ? {} : { name: options.name }), trainable: false })
    this.persistent = options.persistent ?? true
  }
}

/** Chooses parameters by path: a path, a beginning of one ("blocks.0"), or a regular expression. */
export type PathPattern = string | RegExp

/** Values by path, in or out. */
export type State = ReadonlyMap<string, Tensor>

const matches = (path: string, pattern: PathPattern | undefined): boolean => {
  if (pattern === undefined) return true
  if (typeof pattern === "string") return path === pattern || path.startsWith(`${pattern}.`)
  return path.search(pattern) >= 0
}

/** A part of a model. Subclasses are final: they define `forward`, and new behaviour is a module passed in. */
export abstract class Module {
  #name = ""
  #training = false

  constructor() {
    // calling forward enters the module's path: formulas need not know about it
    const forward = this.forward as (...inputs: unknown[]) => unknown
    const value = (...inputs: unknown[]): unknown => this.within(() => forward.apply(this, inputs))
    Object.defineProperty(this, "forward", { value, enumerable: false })
  }

  /** Records what the module computes. */
  abstract forward(...inputs: never[]): unknown

  /** Runs `fn` under this module's path; for methods other than forward that run submodules or taps. */
  protected within<R>(fn: () => R): R {
    for (const [name, child] of childrenOf(this)) if (child instanceof Module) child.#name = name
    return this.#name === "" ? fn() : withScope(this.#name, fn)
  }

  /** x under a label that can be asked for as "<path>.<label>". */
  protected tap(label: string, x: Tensor): Tensor {
    return tap(label, x)
  }

  /** Whether layers such as dropout behave as in training; false until `train` is called. */
  get training(): boolean {
    return this.#training
  }

  /** Sets training mode here and in all submodules. */
  train(on = true): this {
    for (const module of this.namedModules().values()) module.#training = on
    return this
  }

  /** Sets evaluation mode here and in all submodules. */
  eval(): this {
    return this.train(false)
  }

  /** Runs `fn` in evaluation mode, and leaves the mode as it was. */
  inEvaluation<R>(fn: () => R): R {
    return this.#inMode(false, fn)
  }

  /** Runs `fn` in training mode, and leaves the mode as it was. */
  inTraining<R>(fn: () => R): R {
    return this.#inMode(true, fn)
  }

  #inMode<R>(training: boolean, fn: () => R): R {
    const before = this.training
    if (before !== training) this.train(training)
    try {
      return fn()
    } finally {
      if (before !== training) this.train(before)
    }
  }

  /** This module ("") and all modules inside it, by path; one that is used twice stands under its first path. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>()
    const seen = new Set<Module>()
    const visit = (path: string, module: Module): void => {
      if (seen.has(module)) return
      seen.add(module)
      found.set(path, module)
      for (const [name, child] of childrenOf(module)) if (child instanceof Module) visit(join(path, name), child)
    }
    visit("", this)
    return found
  }

  /** Weights by path, in the order of their properties; one that is used twice stands under its first path. */
  namedParameters(): Map<string, Parameter> {
    return new Map([...this.#values()].filter(([, value]) => !(value instanceof Buffer)))
  }

  /** Buffers by path. */
  namedBuffers(): Map<string, Buffer> {
    const found = new Map<string, Buffer>()
    for (const [path, value] of this.#values()) if (value instanceof Buffer) found.set(path, value)
    return found
  }

  /** All weights. */
  parameters(): Parameter[] {
    return [...this.namedParameters().values()]
  }

  /** The weights that gradients and optimizers change. */
  trainableParameters(): Parameter[] {
    return this.parameters().filter(parameter => parameter.trainable)
  }

  /** Number of elements of all weights, or of the trainable ones. */
  parameterCount(options: { trainable?: boolean } = {}): number {
    const list = options.trainable ? this.trainableParameters() : this.parameters()
    return list.reduce((total, parameter) => total + parameter.size, 0)
  }

  /** Weights and persistent buffers by path: what is saved. */
  state(): Map<string, Parameter> {
    return new Map([...this.#values()].filter(([, value]) => !(value instanceof Buffer) || value.persistent))
  }

  /**
   * Takes values over from a state of the same paths and shapes. Throws HeedError that names unknown and missing paths (`partial` allows
   * missing ones), ShapeError that names both shapes.
   */
  loadState(state: State, options: { partial?: boolean } = {}): this {
    const own = this.state()
    const unknown = [...state.keys()].filter(path => !own.has(path))
    const missing = options.partial ? [] : [...own.keys()].filter(path => !state.has(path))
    if (unknown.length > 0 || missing.length > 0)
      throw new HeedError(
        `loadState: expected the ${own.size} values of ${this.constructor.name}, but got ${[
          ...(unknown.length > 0 ? [`unknown ${listed(unknown)}`] : []),
          ...(missing.length > 0 ? [`no ${listed(missing)}`] : []),
        ].join(" and ")}`,
        unknown.length > 0 ? "leave unknown values out" : "pass { partial: true } to keep the others as they are",
      )
    for (const [path, value] of state) {
      const parameter = own.get(path)!
      if (!sameShape(parameter.shape, value.shape))
        throw new ShapeError(
          `loadState: expected ${path} ${formatShape(parameter.shape)}, but got ${formatShape(value.shape)}`,
        )
    }
    for (const [path, value] of state) own.get(path)!.assign(value)
    return this
  }

  /** Makes weights constant for gradients and optimizers; all of them, or those whose path fits. Throws HeedError when none does. */
  freeze(pattern?: PathPattern): this {
    for (const parameter of this.#matching("freeze", pattern)) parameter.trainable = false
    return this
  }

  /** Makes weights trainable again. Throws HeedError when none fits, or one is kept in a short type. */
  unfreeze(pattern?: PathPattern): this {
    const chosen = this.#matching("unfreeze", pattern)
    const short = chosen.find(parameter => parameter.dtype !== "f32")
    if (short)
      throw new HeedError(
        `unfreeze: expected weights in f32, but got ${short.name || "one"} in ${short.dtype}`,
        'load the model with dtype "f32" to train it; precision "bf16" then makes products short',
      )
    for (const parameter of chosen) parameter.trainable = true
    return this
  }

  /** Gives every parameter its path as name, for errors and dumps; called on the root. */
  adoptNames(): this {
    for (const [path, value] of this.#values()) value.name = path
    return this
  }

  #matching(what: string, pattern: PathPattern | undefined): Parameter[] {
    const all = this.namedParameters()
    const chosen = [...all].filter(([path]) => matches(path, pattern)).map(([, parameter]) => parameter)
    if (chosen.length === 0)
      throw new HeedError(
        `${what}: expected a path of ${this.constructor.name}, but nothing fits ${String(pattern)}`,
        `there is ${listed([...all.keys()])}`,
      )
    return chosen
  }

  #values(): Map<string, Parameter> {
    const found = new Map<string, Parameter>()
    const seen = new Set<Parameter>()
    for (const [path, module] of this.namedModules())
      for (const [name, child] of childrenOf(module))
        if (child instanceof Parameter && !seen.has(child)) {
          seen.add(child)
          found.set(join(path, name), child)
        }
    return found
  }
}

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`)

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(", ")
  return names.length > 6 ? `${shown} and ${names.length - 6} more` : shown
}

/** Modules and parameters among a module's properties, and in arrays among them ("blocks.0"). */
function* childrenOf(module: Module): Generator<[string, Module | Parameter]> {
  for (const [name, value] of Object.entries(module)) yield* inside(name, value)
}

function* inside(name: string, value: unknown): Generator<[string, Module | Parameter]> {
  if (value instanceof Module || value instanceof Parameter) yield [name, value]
  else if (Array.isArray(value)) for (const [i, one] of value.entries()) yield* inside(`${name}.${i}`, one)
}
