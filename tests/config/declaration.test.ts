import fc from "fast-check"
import { describe, expect, expectTypeOf, test } from "vitest"
import { z } from "zod"
import { ConfigError, declare, type InputOf, option, type ValuesOf } from "../../src/config/index.ts"

const training = declare(
  {
    learningRate: option(z.number().positive(), "Step size at its peak, per update.", { alias: "lr", default: 1e-3 }),
    warmupSteps: option(z.int().min(0), "Updates until the peak.", { default: 100 }),
    precision: option(z.enum(["fp32", "bf16"]), "How numbers are multiplied.", { default: "bf16" }),
    heads: option(z.int().min(1).max(64), "Attention heads."),
    width: option(z.int().positive().multipleOf(8), "Width of the residual stream.", { default: 64 }),
    dropout: option(z.number().min(0).lt(1).default(0), "Share of activations set to zero."),
    bias: option(z.boolean(), "Add biases to linear layers.", { default: true }),
    stop: option(z.array(z.string()), "Texts that end the generation.", { default: [] }),
    batch: option(z.union([z.int().min(1), z.literal("auto")]), "Sequences per step.", { default: "auto" }),
    resume: option(z.string().min(1).optional(), "Checkpoint folder to go on from."),
  },
  "training",
)

function problemOf(input: unknown, source?: string): ConfigError {
  try {
    training.parse(input, source)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return error as ConfigError
  }
  throw new Error("expected a refusal")
}

describe("types", () => {
  test("follow from the declaration", () => {
    type Training = ValuesOf<typeof training>
    expectTypeOf<Training["learningRate"]>().toEqualTypeOf<number>()
    expectTypeOf<Training["precision"]>().toEqualTypeOf<"fp32" | "bf16">()
    expectTypeOf<Training["dropout"]>().toEqualTypeOf<number>()
    expectTypeOf<Training["batch"]>().toEqualTypeOf<number | "auto">()
    expectTypeOf<Training["resume"]>().toEqualTypeOf<string | undefined>()
    expectTypeOf<InputOf<typeof training>["heads"]>().toEqualTypeOf<number | undefined>()
  })
})

describe("parse", () => {
  test("fills in defaults; optional options stay absent", () => {
    expect(training.parse({ heads: 4 })).toEqual({
      learningRate: 1e-3,
      warmupSteps: 100,
      precision: "bf16",
      heads: 4,
      width: 64,
      dropout: 0,
      bias: true,
      stop: [],
      batch: "auto",
    })
    expect(training.defaults).toEqual({ ...training.parse({ heads: 4 }), heads: undefined })
  })

  test("accepts snake_case and aliases", () => {
    expect(training.parse({ heads: 4, learning_rate: 0.5, warmup_steps: 7 })).toMatchObject({
      learningRate: 0.5,
      warmupSteps: 7,
    })
    expect(training.parse({ heads: 4, lr: 0.5 }).learningRate).toBe(0.5)
    expect(training.keyOf("warmup_steps")).toBe("warmupSteps")
    expect(training.keyOf("toString")).toBeUndefined()
  })

  test("what it gives is accepted again and equal (JSON included)", () => {
    const values = training.parse({ heads: 4, stop: ["\n"], resume: "a" })
    expect(training.parse(values)).toEqual(values)
    expect(training.parse(JSON.parse(JSON.stringify(values)))).toEqual(values)
  })

  test("defaults are fresh objects", () => {
    ;(training.defaults.stop as string[]).push("x")
    expect(training.defaults.stop).toEqual([])
    training.parse({ heads: 1 }).stop.push("x")
    expect(training.parse({ heads: 1 }).stop).toEqual([])
  })

  const refusals: [string, unknown, string][] = [
    [
      "a typo",
      { heads: 4, lerningRate: 1 },
      "lerningRate: expected an option that exists, but there is none of this name\n  hint: did you mean learningRate?",
    ],
    [
      "a typo in snake_case",
      { heads: 4, warmup_step: 1 },
      "warmup_step: expected an option that exists, but there is none of this name\n  hint: did you mean warmupSteps?",
    ],
    ["a name cut short", { heads: 4, learn: 1 }, "hint: did you mean learningRate?"],
    ["a name of nothing here", { heads: 4, zzzzzzzzzz: 1 }, "there is learningRate, warmupSteps, precision, heads,"],
    ["__proto__", JSON.parse('{"heads":4,"__proto__":1}'), "__proto__: expected an option that exists"],
    [
      "below an open bound",
      { heads: 4, learningRate: -1 },
      "learningRate: expected a number above 0, but got -1\n  hint: for example the default, 0.001",
    ],
    [
      "NaN",
      { heads: 4, learningRate: Number.NaN },
      "learningRate: expected a number above 0, but got NaN\n  hint: for example the default, 0.001",
    ],
    [
      "above a closed bound",
      { heads: 65 },
      "heads: expected a whole number from 1 to 64, but got 65\n  hint: the nearest valid value is 64",
    ],
    ["below a closed bound", { heads: -3 }, "but got -3\n  hint: the nearest valid value is 1"],
    ["a fraction", { heads: 2.6 }, "but got 2.6\n  hint: the nearest valid value is 3"],
    [
      "between multiples",
      { heads: 4, width: 61 },
      "width: expected a whole number above 0, a multiple of 8, but got 61\n  hint: the nearest valid value is 64",
    ],
    ["below the first multiple", { heads: 4, width: 0 }, "but got 0\n  hint: the nearest valid value is 8"],
    [
      "a half-open range",
      { heads: 4, dropout: 1 },
      "dropout: expected a number at least 0, below 1, but got 1\n  hint: for example the default, 0",
    ],
    ["below a half-open range", { heads: 4, dropout: -1 }, "hint: the nearest valid value is 0"],
    [
      "a number as text",
      { heads: "4" },
      'heads: expected a whole number from 1 to 64, but got "4"\n  hint: the nearest valid value is 4',
    ],
    [
      "a choice with a typo",
      { heads: 4, precision: "bf61" },
      'precision: expected one of fp32, bf16, but got "bf61"\n  hint: the nearest valid value is "bf16"',
    ],
    ["no choice at all", { heads: 4, precision: "nonsense" }, 'hint: for example the default, "bf16"'],
    [
      "a switch as text",
      { heads: 4, bias: "yes" },
      'bias: expected true or false, but got "yes"\n  hint: the nearest valid value is true',
    ],
    [
      "a list with a wrong item",
      { heads: 4, stop: ["a", 1] },
      'stop: expected a list, each a text, but got ["a",1] (wrong at [1])',
    ],
    [
      "neither of two kinds",
      { heads: 4, batch: 0 },
      "batch: expected a whole number at least 1, or auto, but got 0\n  hint: the nearest valid value is 1",
    ],
    ["an empty text", { heads: 4, resume: "" }, 'resume: expected a text that is not empty, but got ""'],
    [
      "a missing value",
      {},
      "heads: expected a whole number from 1 to 64, but it was not given\n  hint: Attention heads.",
    ],
    [
      "two names for one option",
      { heads: 4, lr: 1, learning_rate: 2 },
      "expected one value, but got two: as lr and as learning_rate",
    ],
    ["a list for the options", [], "options: expected an object, but got []"],
    ["nothing", undefined, "options: expected an object, but got nothing"],
  ]
  test.each(refusals)("refuses %s", (_, input, message) => {
    const error = problemOf(input)
    expect(error.message.startsWith("training: ")).toBe(true)
    expect(error.message).toContain(message)
  })

  test("lists every problem, for forms", () => {
    const error = problemOf({ learningRate: -1, dropout: 2 }, "my.json")
    expect(error.message).toMatch(/^my\.json: 3 options are wrong\n- learningRate: .*\n {2}hint: .*\n- heads: /)
    expect(error.problems.map(({ option }) => option)).toEqual(["learningRate", "heads", "dropout"])
  })

  test("a custom rule speaks for itself", () => {
    const even = declare({
      size: option(
        z.int().refine(n => n % 2 === 0, { error: "an even number" }),
        "Size.",
      ),
    })
    expect(() => even.parse({ size: 3 })).toThrow(/size: expected an even number, but got 3/)
  })

  test("any input is parsed or refused with a ConfigError, and every suggestion is valid", () => {
    const key = fc.oneof(fc.constantFrom(...Object.keys(training.options)), fc.string({ maxLength: 8 }))
    fc.assert(
      fc.property(fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.double())), input => {
        try {
          training.parse(input)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
          for (const { option, hint } of (error as ConfigError).problems) {
            const near = /^the nearest valid value is (.*)$/.exec(hint)?.[1]
            if (near !== undefined) expect(training.parse({ heads: 1, [option]: JSON.parse(near) })).toBeTruthy()
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe("describe and toJSON", () => {
  test("say what help pages and forms show", () => {
    const described = new Map(training.describe().map(one => [one.key, one]))
    expect(described.get("learningRate")).toMatchObject({
      flag: "--learning-rate <number>",
      type: "number",
      default: 1e-3,
      required: false,
      range: { above: 0 },
      accepts: "a number above 0",
      aliases: ["learning_rate", "lr"],
    })
    expect(described.get("heads")).toMatchObject({
      type: "integer",
      required: true,
      range: { minimum: 1, maximum: 64 },
    })
    expect(described.get("precision")).toMatchObject({ flag: "--precision <fp32|bf16>", choices: ["fp32", "bf16"] })
    expect(described.get("bias")).toMatchObject({ flag: "--bias", type: "boolean" })
    expect(described.get("stop")).toMatchObject({ flag: "--stop <text,...>", type: "list" })
    expect(described.get("batch")).toMatchObject({
      flag: "--batch <integer|auto>",
      accepts: "a whole number at least 1, or auto",
    })
    expect(described.get("resume")).toMatchObject({ required: false, default: undefined })
  })

  test("toJSON is a JSON Schema", () => {
    const schema = JSON.parse(JSON.stringify(training))
    expect(schema).toMatchObject({
      type: "object",
      title: "training",
      required: ["heads"],
      additionalProperties: false,
    })
    expect(schema.properties.learningRate).toEqual({
      type: "number",
      exclusiveMinimum: 0,
      default: 1e-3,
      description: "Step size at its peak, per update.",
    })
  })
})

describe("a wrong declaration is refused", () => {
  test("names and help", () => {
    expect(() => declare({ learning_rate: option(z.number(), "x") })).toThrow(
      /learning_rate: expected a key in camelCase/,
    )
    expect(() => declare({ a: option(z.number(), " ") })).toThrow(/a: expected a help text/)
    expect(() => declare({ a: option(z.number(), "x", { alias: "b" }), b: option(z.number(), "x") })).toThrow(
      /b is also a's/,
    )
  })
  test("defaults", () => {
    expect(() => declare({ rate: option(z.number().positive(), "x", { default: -1 }) })).toThrow(
      /rate: expected a default that is a number above 0, but got -1/,
    )
    expect(() => declare({ rate: option(z.number().positive().default(-1), "x") })).toThrow(/expected a default/)
  })
})
