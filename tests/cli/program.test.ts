import { describe, expect, test } from "vitest"
import { machineOptions } from "../../src/cli/machine.ts"
import { dataOptions, shapeOptions } from "../../src/cli/session.ts"
import { generationOptions } from "../../src/generate/index.ts"
import { trainingOptions } from "../../src/train/index.ts"
import { heed } from "./terminal.ts"

describe("help", () => {
  test("lists every command", async () => {
    const { out, code } = await heed("--help")
    for (const name of ["start", "train", "generate", "explain", "devices", "dump"]) expect(out).toContain(name)
    expect(code).toBe(0)
  })

  test.each([
    ["train", [dataOptions, shapeOptions, trainingOptions, machineOptions]],
    ["generate", [generationOptions, machineOptions]],
  ] as const)(
    "%s: every declared option with its text, what it accepts and its default",
    async (name, declarations) => {
      const { out, code } = await heed(name, "--help")
      const plain = out.replace(/\s+/g, " ")
      for (const declaration of declarations)
        for (const { flag, help, default: value } of declaration.describe()) {
          expect(plain).toContain(value === true ? flag.replace("--", "--no-") : flag)
          expect(plain).toContain(help.replace(/\s+/g, " "))
        }
      expect(code).toBe(0)
    },
  )

  test("the version is the package's", async () => {
    expect((await heed("--version")).out.trim()).toMatch(/^\d+\.\d+\.\d+/)
  })
})

describe("refusals", () => {
  test("an unknown command, with the nearest", async () => {
    const { err, code } = await heed("trian")
    expect(err).toContain("expected a command, but got trian")
    expect(err).toContain("did you mean train?")
    expect(code).toBe(1)
  })

  test("an unknown option, with the nearest", async () => {
    const { err, code } = await heed("train", "--learning-rat=1")
    expect(err).toContain("expected an option that exists, but got --learning-rat\n")
    expect(err).toContain("did you mean --learning-rate?")
    expect(code).toBe(1)
  })

  test("every value out of range, with the nearest valid one", async () => {
    const { err, code } = await heed("train", "--steps", "0", "--precision", "fp23", "--batch-size", "many")
    expect(err).toContain("--steps: expected a whole number at least 1, but got 0")
    expect(err).toContain("the nearest valid value is 1")
    expect(err).toContain('the nearest valid value is "fp32"')
    expect(err).toContain('--batch-size: expected a whole number at least 1, but got "many"')
    expect(code).toBe(1)
  })

  test("an option without its value", async () => {
    expect((await heed("train", "--steps")).err).toContain("argument missing")
  })

  test("options that have no effect together", async () => {
    expect((await heed("train", "--steps", "5", "--epochs", "2")).err).toContain(
      "expected steps or epochs, but got both",
    )
    expect((await heed("train", "--key-value-heads", "2")).err).toContain("use --model llama")
  })

  test("other names of options work, and two at once do not", async () => {
    expect((await heed("train", "--max_steps", "0")).err).toContain("--max-steps: expected a whole number at least 1")
    expect((await heed("train", "--steps", "5", "--max-steps", "6")).err).toContain("expected one value, but got two")
  })

  test("a model that is not there", async () => {
    const { err, code } = await heed("generate", "--model", "no/such/folder")
    expect(err).toContain(
      "expected a run folder, a Hugging Face folder or org/name of the hub, but no/such/folder is not there",
    )
    expect(code).toBe(1)
  })
})
