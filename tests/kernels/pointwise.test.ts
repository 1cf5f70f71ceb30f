// The elementwise instructions that C++ sees are the ones that operations list, in the same order.
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { instructions } from "../../src/tensor/ops/pointwise.ts"

test("generated/pointwise.h holds every instruction at its opcode", () => {
  const file = new URL("../../src/kernels/generated/pointwise.h", import.meta.url)
  const listed = readFileSync(file, "utf8")
    .split("\n")
    .filter(line => line.startsWith("  X("))
    .map(line => line.replace(/ \\$/, "").trim())
  const wanted = instructions
    .map(({ name, arity, signature, cpp }, opcode) => `X(${opcode}, "${name}", ${arity}, ${signature}, ${cpp})`)
    .slice(2)
  expect(listed).toEqual(wanted)
})
