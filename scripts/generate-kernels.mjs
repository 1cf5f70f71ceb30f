// Writes src/kernels/generated/table.h from src/kernels/table.ts: argument structs, the list of kernels, and the loader's signatures.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { generatePointwise } from "./generate-pointwise.mjs"

/** Field kind -> C++ type and the letter of the loader's signature. */
const kinds = {
  in: ["Buffer", "b"],
  out: ["Buffer", "b"],
  inout: ["Buffer", "b"],
  "in?": ["Buffer", "o"],
  "out?": ["Buffer", "o"],
  buffers: ["List<Buffer>", "B"],
  int: ["int64_t", "n"],
  float: ["double", "f"],
  ints: ["List<int64_t>", "N"],
  floats: ["List<double>", "F"],
}

/**
 * The text of table.h.
 * @param {Readonly<Record<string, Readonly<Record<string, keyof typeof kinds>>>>} kernels
 * @returns {string}
 */
export function renderTable(kernels) {
  const structs = Object.entries(kernels).map(([name, fields]) => {
    const lines = Object.entries(fields).map(([field, kind]) => `  ${kinds[kind][0]} ${field};`)
    return `struct ${name}_args {\n${lines.join("\n")}\n};\n`
  })
  const rows = Object.entries(kernels).map(([name, fields]) => {
    const letters = Object.values(fields).map(kind => kinds[kind][1])
    return `    {"${name}", "${letters.join("")}"},`
  })
  return `// Made by scripts/generate-kernels.mjs from table.ts: do not edit.
#pragma once
#include "../kernel.h"

namespace heed {

${structs.join("\n")}
// A kernel's name and its fields: b buffer, o optional buffer, B buffers, n int, f float, N ints, F floats.
struct Signature {
  const char* name;
  const char* fields;
};

inline constexpr Signature signatures[] = {
${rows.join("\n")}
};

inline constexpr int64_t kernel_count = ${rows.length};

// The whole table in one text: a device compares it with its own, so that no build runs programs meant for another.
inline constexpr const char* table_text =
${Object.entries(kernels)
  .map(
    ([name, fields]) =>
      `    "${name} ${Object.values(fields)
        .map(kind => kinds[kind][1])
        .join("")}\\n"`,
  )
  .join("\n")};

}  // namespace heed

#define HEED_KERNELS(X) \\
${Object.keys(kernels)
  .map(name => `  X(${name})`)
  .join(" \\\n")}
`
}

const root = fileURLToPath(new URL("..", import.meta.url))

/** Compiles table.ts alone, so that the generator needs neither dist/ nor a TypeScript loader. */
async function readTable() {
  const folder = mkdtempSync(join(tmpdir(), "heed-table-"))
  try {
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const source = join(root, "src", "kernels", "table.ts")
    const options = ["--ignoreConfig", "--module", "esnext", "--target", "es2022", "--outDir", folder]
    execFileSync(process.execPath, [compiler, source, ...options], { stdio: "inherit" })
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n')
    return (await import(pathToFileURL(join(folder, "table.js")).href)).kernels
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const target = join(root, "src", "kernels", "generated", "table.h")
  const text = renderTable(await readTable())
  let old = ""
  try {
    old = readFileSync(target, "utf8")
  } catch {}
  if (old === text) console.log("generated/table.h is up to date")
  else {
    writeFileSync(target, text)
    console.log("generated/table.h written")
  }
  await generatePointwise()
}
