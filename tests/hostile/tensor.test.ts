// Every public function with every argument replaced by what does not belong there: it answers with an error of the house's form
// or with a tensor of a sensible shape, never with an error from inside.
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import * as heed from "../../src/tensor/index.ts"
import { calls } from "./calls.ts"

const { zeros } = heed
const numbers = [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1.5, 2 ** 31, 2 ** 40, 2 ** 60, -(2 ** 40)]
const hostile: readonly unknown[] = [
  ...numbers,
  ...numbers.map(n => [n]),
  null,
  undefined,
  "x",
  "constructor",
  true,
  {},
  new Date(0),
  () => 1,
  [],
  [null],
  ["x"],
  [2 ** 30, 2 ** 30, 2 ** 30],
  new Array(40).fill(1),
  zeros([]),
  zeros([0]),
  zeros([2, 0]),
  zeros([3], "i32"),
  zeros([2, 2], "bool"),
  zeros([1, 1, 1, 1, 1]),
  zeros([2, 3]).cast("bf16"),
]
const types = ["f32", "i32", "bool", "u8", "bf16", "f16"]
const functions: Readonly<Record<string, unknown>> = heed

function checkResult(what: string, value: unknown): void {
  if (value instanceof heed.Tensor) {
    expect(value.shape.every(n => Number.isSafeInteger(n) && n >= 0) && Number.isSafeInteger(value.size), what).toBe(
      true,
    )
    expect(types, what).toContain(value.dtype)
  } else if (Array.isArray(value)) for (const one of value.slice(0, 50)) checkResult(what, one)
}

/** Calls a public function; anything but a result or a HeedError fails the test. */
function attempt(name: string, args: readonly unknown[]): void {
  const what = `${name}(${args.map(describeArgument).join(", ")})`
  let result: unknown
  try {
    result = (functions[name] as (...args: readonly unknown[]) => unknown)(...args)
  } catch (error) {
    if (!(error instanceof heed.HeedError)) throw new Error(`${what} failed from inside`, { cause: error })
    expect(error.message, what).toMatch(/^.*: expected/)
    return
  }
  checkResult(what, result)
}

function describeArgument(value: unknown): string {
  if (value instanceof heed.Tensor) return String(value)
  return typeof value === "function" ? "function" : (JSON.stringify(value) ?? String(value))
}

/** The arguments with one of them, one entry of a list or one option replaced. */
function* variants(args: readonly unknown[]): Generator<unknown[]> {
  for (const [i, argument] of args.entries())
    for (const bad of hostile) {
      yield args.with(i, bad)
      if (Array.isArray(argument)) for (const j of argument.keys()) yield args.with(i, argument.with(j, bad))
      else if (typeof argument === "object" && argument?.constructor === Object)
        for (const key of Object.keys(argument)) yield args.with(i, { ...argument, [key]: bad })
    }
}

// TypeScript's ES2022 library does not know Array.prototype.with yet
declare global {
  interface ReadonlyArray<T> {
    with(index: number, value: T): T[]
  }
}

describe("every public function of tensors", () => {
  const known = new Set(calls.map(([name]) => name))
  const classes = ["HeedError", "ShapeError", "TypeMismatchError", "ValueError", "Tensor", "Parameter"]
  const inner = ["apply", "applyOne", "currentScope"]

  test("is in the list of calls", () => {
    const missing = Object.entries(functions)
      .filter(([name, value]) => typeof value === "function" && !known.has(name))
      .map(([name]) => name)
    expect(missing.sort()).toEqual([...classes, ...inner].sort())
  })

  test.each(calls)("%s", (name, args) => {
    checkResult(name, (functions[name] as (...args: readonly unknown[]) => unknown)(...args))
    attempt(name, [])
    for (const variant of variants(args)) attempt(name, variant)
  })

  test("any mixture of wrong arguments", () => {
    const value = fc.oneof(fc.constantFrom(...hostile), fc.integer(), fc.double(), fc.string(), fc.array(fc.integer()))
    fc.assert(
      fc.property(fc.constantFrom(...calls), fc.array(value, { maxLength: 4 }), ([name], args) => attempt(name, args)),
      { numRuns: 3000 },
    )
  })
})

describe("parameters", () => {
  const parameter = new heed.Parameter(zeros([2]), { name: "weight" })
  const wrong = (value: unknown): heed.Tensor => value as heed.Tensor

  test.each([
    ["no tensor", () => parameter.assign(wrong(null)), "assign: expected a tensor for weight, but got object"],
    ["another shape", () => parameter.assign(zeros([3])), "assign: expected weight [2], but got [3]"],
    ["another type", () => parameter.assign(zeros([2], "i32")), "assign: expected weight of type f32, but got i32"],
    ["nothing to start from", () => new heed.Parameter(wrong("x")), "Parameter: expected a tensor to start from"],
  ] as const)("%s", (_, run, message) => expect(run).toThrow(message))
})
