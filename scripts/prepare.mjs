// npm "prepare": TypeScript -> dist/, and, where no native device was built, C++ -> WebAssembly beside it; dist/ gets a copy of the
// binaries. `--all` builds every WASM binary, as publishing needs; `npm run build:wasm` builds the one this Node runs.
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Runs a script of Node to its end; rejects when it fails. */
function node(...command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: "inherit" })
    child.on("error", reject)
    child.on("exit", code => (code === 0 ? resolve() : reject(new Error(`${command[0]} ended with ${code}`))))
  })
}

try {
  const all = process.argv.includes("--all")
  // the WASM binary takes about as long as the native device: whoever has that one need not wait for both
  const needed = all || !existsSync(join(root, "build", "Release", "heed.node"))
  await Promise.all([
    node(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"),
    needed ? node(join(root, "scripts", "build-wasm.mjs"), ...(all ? ["--all"] : [])) : undefined,
  ])
} catch (error) {
  console.error(`heed: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}
const target = join(root, "dist", "kernels", "generated")
mkdirSync(target, { recursive: true })
for (const name of ["heed.wasm", "heed-relaxed.wasm"]) {
  const made = join(root, "src", "kernels", "generated", name)
  if (existsSync(made)) copyFileSync(made, join(target, name))
}
