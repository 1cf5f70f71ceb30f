// npm "install": builds the native device where a compiler and Node's headers are there. It never fails the installation:
// without them, one line says so and the WASM device serves. HEED_SKIP_NATIVE=1 skips; --force builds again.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const addon = join(root, "build", "Release", "heed.node")
const stampFile = join(root, "build", "heed.stamp")
const logFile = join(root, "build", "heed-build.log")

/** What the binary depends on: the sources, the build description, the machine's architecture and Node's binary interface. */
function stamp() {
  const hash = createHash("sha256")
  hash.update(`${process.platform} ${process.arch} napi ${process.versions.napi}\n`)
  const folder = join(root, "src", "kernels")
  const sources = [
    join(root, "binding.gyp"),
    ...[folder, join(folder, "generated")].flatMap(at => readdirSync(at).map(name => join(at, name))),
  ]
  for (const file of sources.filter(name => /\.(gyp|cpp|h)$/.test(name)).sort())
    hash.update(file.slice(root.length)).update(readFileSync(file))
  return hash.digest("hex")
}

/** One line for people: why there is no native device, and what happens instead. */
function without(reason) {
  const later = root.includes("node_modules") ? "npm rebuild heed" : "npm run build:native"
  console.log(`heed: native device not built (${reason}); the WASM device will serve. Build it later with: ${later}`)
}

/** Node's own headers where they lie beside it, so that nothing is downloaded; npm's `nodedir` setting goes first. */
function headers() {
  if (process.env.npm_config_nodedir) return []
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : []
}

function loads() {
  const test = spawnSync(process.execPath, ["-e", `require(${JSON.stringify(addon)})`], { encoding: "utf8" })
  return test.status === 0
}

/** Waits while another process builds here; what it leaves behind is looked at afterwards. */
function lock() {
  mkdirSync(join(root, "build"), { recursive: true })
  const file = join(root, "build", "heed.lock")
  for (let tries = 0; tries < 1200; tries++) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" })
      process.on("exit", () => rmSync(file, { force: true }))
      return
    } catch (error) {
      if (error.code !== "EEXIST") throw error
    }
    try {
      process.kill(Number(readFileSync(file, "utf8")), 0)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    } catch {
      rmSync(file, { force: true }) // its owner is gone
    }
  }
}

function build() {
  if (process.env.HEED_SKIP_NATIVE === "1") return without("HEED_SKIP_NATIVE=1")
  if (process.platform === "win32") return without("Windows is served by WASM: the kernels need GCC or Clang")
  lock()
  const wanted = stamp()
  const fresh = existsSync(addon) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted
  if (fresh && !process.argv.includes("--force")) return
  let nodeGyp
  try {
    nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js")
  } catch {
    return without("node-gyp is missing")
  }
  const started = Date.now()
  const jobs = String(availableParallelism())
  if (process.argv.includes("--force")) rmSync(join(root, "build", "Release"), { recursive: true, force: true })
  // Not "rebuild": it empties build/, where the lock and the WASM stamps lie.
  const command = ["configure", "build"]
  const result = spawnSync(process.execPath, [nodeGyp, ...command, "--jobs", jobs, ...headers()], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  })
  const log = `${result.stdout ?? ""}\n${result.stderr ?? ""}\n${result.error ?? ""}`
  mkdirSync(join(root, "build"), { recursive: true })
  writeFileSync(logFile, log)
  if (result.status !== 0) return without(`${reason(log)}; see build/heed-build.log`)
  if (!loads()) return without("the built addon does not load; see build/heed-build.log")
  writeFileSync(stampFile, wanted)
  console.log(`heed: native device built in ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

/** What went wrong: a missing tool by name, else the first line of the log that says so. */
function reason(log) {
  if (/could not find any python/i.test(log)) return "there is no Python, which node-gyp needs"
  if (/Error 127|(g\+\+|c\+\+|clang\+\+): (command )?not found|ENOENT.*\bmake\b|not found: make/.test(log))
    return "there is no C++ compiler or no make"
  const lines = log.split("\n").map(line => line.replace(/^gyp ERR! (find Python|stack Error:|stack|)\s*/, "").trim())
  const found = lines.find(line => /fatal error:|error:/i.test(line)) ?? lines.find(line => /\berror\b/i.test(line))
  return (found ?? "node-gyp failed").slice(0, 160)
}

try {
  build()
} catch (error) {
  without(error instanceof Error ? error.message : String(error))
}
