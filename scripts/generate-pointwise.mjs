// Writes src/kernels/generated/pointwise.h: the instructions of the elementwise machine, as src/tensor/ops/pointwise.ts lists them.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/**
 * The text of pointwise.h. The first two instructions (constants) have no expression and are left to the machine.
 * @param {readonly { name: string, arity: number, signature: string, cpp: string }[]} instructions
 * @returns {string}
 */
export function renderPointwise(instructions) {
  const lines = instructions
    .map(({ name, arity, signature, cpp }, opcode) => `  X(${opcode}, "${name}", ${arity}, ${signature}, ${cpp})`)
    .slice(2)
  return `// Made by scripts/generate-pointwise.mjs from tensor/ops/pointwise.ts: do not edit.
#pragma once

// X(opcode, name, arity, signature, expression): the signature's letters are the type of the operands and of the result,
// f float, i int, b bool, s (bool, T, T); the expression is over the lanes a, b, c.
#define HEED_POINTWISE(X) \\
${lines.join(" \\\n")}

namespace heed {
inline constexpr int pointwise_opcodes = ${instructions.length};
}
`
}

/** Compiles pointwise.ts and what it imports, unchecked, so that the generator needs neither dist/ nor a TypeScript loader. */
async function readInstructions() {
  const folder = mkdtempSync(join(tmpdir(), "heed-pointwise-"))
  try {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const source = join(root, "src", "tensor", "ops", "pointwise.ts")
    const options = ["--ignoreConfig", "--noCheck", "--module", "nodenext", "--target", "es2022"]
    const paths = ["--rewriteRelativeImportExtensions", "--rootDir", join(root, "src"), "--outDir", folder]
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n')
    execFileSync(process.execPath, [compiler, source, ...options, ...paths], { stdio: "inherit" })
    return (await import(pathToFileURL(join(folder, "tensor", "ops", "pointwise.js")).href)).instructions
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Brings generated/pointwise.h up to date. */
export async function generatePointwise() {
  const target = join(root, "src", "kernels", "generated", "pointwise.h")
  const text = renderPointwise(await readInstructions())
  let old = ""
  try {
    old = readFileSync(target, "utf8")
  } catch {}
  if (old === text) console.log("generated/pointwise.h is up to date")
  else {
    writeFileSync(target, text)
    console.log("generated/pointwise.h written")
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await generatePointwise()
