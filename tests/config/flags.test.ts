import { Command, Option } from "commander"
import { describe, expect, test } from "vitest"
import { z } from "zod"
import { type Declaration, declare, flagsOf, option, parseFlags } from "../../src/config/index.ts"

const training = declare(
  {
    learningRate: option(z.number().positive(), "Step size.", { alias: "lr", default: 1e-3 }),
    heads: option(z.int().min(1).max(64), "Attention heads."),
    precision: option(z.enum(["fp32", "bf16"]), "Number format.", { default: "bf16" }),
    bias: option(z.boolean(), "Add biases.", { default: true }),
    verbose: option(z.boolean(), "Say more.", { default: false }),
    stop: option(z.array(z.string()), "Stop texts.", { default: [] }),
    layers: option(z.array(z.int().min(0)), "Layers to watch.", { default: [0] }),
    batch: option(z.union([z.int().min(1), z.enum(["auto"])]), "Sequences per step.", { default: "auto" }),
    extra: option(z.record(z.string(), z.number()).optional(), "Anything else."),
    name: option(z.string().optional(), "Name of the run."),
  },
  "train",
)

/** A command made from the flags alone, as the command line makes it. */
function command(declaration: Declaration): Command {
  const made = new Command("train").exitOverride().configureOutput({ writeErr: () => {} })
  for (const { flag, help, hidden } of flagsOf(declaration)) made.addOption(new Option(flag, help).hideHelp(hidden))
  return made
}

const run = (line: string, file?: unknown) =>
  parseFlags(training, command(training).parse(line.split(" ").filter(Boolean), { from: "user" }).opts(), file)

describe("flags", () => {
  test("help shows each option once, with what it accepts and its default", () => {
    const shown = flagsOf(training).filter(flag => !flag.hidden)
    expect(shown.map(({ flag }) => flag)).toEqual([
      "--learning-rate <number>",
      "--heads <integer>",
      "--precision <fp32|bf16>",
      "--no-bias",
      "--verbose",
      "--stop <text,...>",
      "--layers <integer,...>",
      "--batch <integer|auto>",
      "--extra <json>",
      "--name <text>",
    ])
    expect(shown[0]!.help).toBe("Step size. (a number above 0; default: 0.001)")
    expect(shown[1]!.help).toBe("Attention heads. (a whole number from 1 to 64; required)")
    expect(shown[9]!.help).toBe("Name of the run.")
    const help = command(training).helpInformation()
    expect(help).toContain("--learning-rate <number>")
    expect(help).not.toContain("--lr")
  })

  test("a whole command line", () => {
    expect(
      run(
        "--learning-rate 3e-4 --heads 8 --precision fp32 --no-bias --verbose --stop a,b --layers 0,3 --batch 12 --name x",
      ),
    ).toEqual({
      learningRate: 3e-4,
      heads: 8,
      precision: "fp32",
      bias: false,
      verbose: true,
      stop: ["a", "b"],
      layers: [0, 3],
      batch: 12,
      name: "x",
    })
    expect(run("--heads 8 --batch auto").batch).toBe("auto")
    expect(parseFlags(training, { heads: "8", extra: '{"a":1}' }).extra).toEqual({ a: 1 })
  })

  test("other names, switches both ways, repeated flags", () => {
    expect(run("--heads 8 --lr 0.5").learningRate).toBe(0.5)
    expect(run("--heads 8 --learning_rate 0.5").learningRate).toBe(0.5)
    expect(run("--heads 8 --bias --no-verbose")).toMatchObject({ bias: true, verbose: false })
    expect(parseFlags(training, { heads: ["2", "8"], stop: ["a,b", "c"] })).toMatchObject({
      heads: 8,
      stop: ["a,b", "c"],
    })
    expect(parseFlags(training, { heads: "8", "learning-rate": "0.5" }).learningRate).toBe(0.5)
  })

  test("an alias of one letter is a short flag", () => {
    const small = declare({
      count: option(z.int(), "How many.", { alias: "n" }),
      quiet: option(z.boolean(), "Less.", { alias: "q", default: false }),
    })
    expect(
      flagsOf(small)
        .filter(flag => !flag.hidden)
        .map(({ flag }) => flag),
    ).toEqual(["-n, --count <integer>", "-q, --quiet"])
    expect(parseFlags(small, command(small).parse(["-n", "3", "-q"], { from: "user" }).opts())).toEqual({
      count: 3,
      quiet: true,
    })
  })

  test("flags count over the file, the file over defaults", () => {
    const file = { learning_rate: 0.25, heads: 2, bias: false }
    expect(run("", file)).toMatchObject({ learningRate: 0.25, heads: 2, bias: false, precision: "bf16" })
    expect(run("--learning-rate 0.5 --bias", file)).toMatchObject({ learningRate: 0.5, heads: 2, bias: true })
  })

  const refusals: [string, string, unknown, RegExp][] = [
    [
      "out of range",
      "--heads 99",
      {},
      /^train: --heads: expected a whole number from 1 to 64, but got 99\n {2}hint: the nearest valid value is 64$/,
    ],
    ["no number", "--heads 8 --learning-rate fast", {}, /--learning-rate: expected a number above 0, but got "fast"/],
    ["hexadecimal", "--heads 0x8", {}, /--heads: .* but got "0x8"/],
    [
      "a wrong choice",
      "--heads 8 --precision bf61",
      {},
      /--precision: expected one of fp32, bf16, but got "bf61"\n {2}hint: the nearest valid value is "bf16"/,
    ],
    ["a missing flag", "", {}, /--heads: expected a whole number from 1 to 64, but it was not given/],
    ["two names", "--heads 8 --lr 1 --learning-rate 2", {}, /expected one value, but got two/],
    [
      "a wrong key in the file",
      "--heads 8",
      { head: 1 },
      /head: expected an option that exists.*\n {2}hint: did you mean heads\?/,
    ],
    [
      "a wrong value in the file",
      "--heads 8",
      { learning_rate: 0 },
      /learning_rate: expected a number above 0, but got 0/,
    ],
  ]
  test.each(refusals)("%s is refused", (_, line, file, message) => {
    expect(() => run(line, file)).toThrow(message)
  })

  test("an unknown flag is refused with the nearest", () => {
    expect(() => parseFlags(training, { heads: "8", lerningRate: "1" })).toThrow(
      /--lerning-rate: .*\n {2}hint: did you mean --learning-rate\?/,
    )
  })
})
