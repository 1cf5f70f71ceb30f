// C++ -> WebAssembly with a clang from npm: the same kernels as the native device, in two instruction sets
// (SIMD128 everywhere; relaxed SIMD, which has fused multiply-add, where the host knows it). Stale binaries that this Node can
// run are built; --all builds both, as publishing needs; --force builds again.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(root, "src", "kernels")
const generated = join(folder, "generated")
const binaries = { "heed.wasm": ["-msimd128"], "heed-relaxed.wasm": ["-msimd128", "-mrelaxed-simd"] }
// A module with the one instruction f32x4.relaxed_madd.
const relaxedProbe = "0061736d0100000001080160037b7b7b017b030201000a0d010b00200020012002fd85020b"
const hostIsRelaxed = WebAssembly.validate(Buffer.from(relaxedProbe, "hex"))
const memoryPages = 65535

const compileFlags = [
  ...[
    "-std=c++20",
    "-O3",
    "-Ikernels",
    "-DHEED_TIER=wasm",
    "-matomics",
    "-mbulk-memory",
    "-mnontrapping-fptoint",
    "-msign-ext",
  ],
  ...[
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-exceptions",
    "-fno-rtti",
    "-fvisibility=hidden",
    "-ftls-model=local-exec",
  ],
]
const linkFlags = [
  ...[
    "--import-memory",
    "--shared-memory",
    `--max-memory=${memoryPages * 65536}`,
    "--no-check-features",
    "--strip-all",
  ],
  ...[
    "--export=__stack_pointer",
    "--export=__wasm_init_tls",
    "--export=__tls_size",
    "-z",
    "stack-size=1048576",
    "--why-extract=why.txt",
  ],
]

/** The sources as clang's virtual file system wants them, and a hash of all that the binaries depend on. */
function readSources() {
  const files = { kernels: { generated: {} } }
  const hash = createHash("sha256").update(JSON.stringify([binaries, compileFlags, linkFlags]))
  const read = (at, into) => {
    for (const name of readdirSync(at).sort()) {
      if (!/\.(cpp|h)$/.test(name)) continue
      // clang's virtual file system knows no "..": generated/ finds its neighbours through -Ikernels.
      into[name] = readFileSync(join(at, name), "utf8").replaceAll('#include "../', '#include "')
      hash.update(name).update(into[name])
    }
  }
  read(folder, files.kernels)
  read(generated, files.kernels.generated)
  return { files, stamp: hash.digest("hex") }
}

const self = fileURLToPath(import.meta.url)
const { files, stamp } = readSources()
const only = process.argv[2]
if (only !== undefined && only in binaries) await compile(only, binaries[only])
else await buildAll()

/** Builds what is stale, each binary in a process of its own: the compiler is itself WebAssembly and uses one core. */
async function buildAll() {
  const stampFile = join(root, "build", "heed-wasm.json")
  const all = process.argv.includes("--all") || hostIsRelaxed
  const wanted = Object.keys(binaries).filter(name => all || name === "heed.wasm")
  const done = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : {}
  // A binary of other sources must not be found beside a fresh one.
  for (const name of Object.keys(binaries))
    if (!wanted.includes(name) && done[name] !== stamp) rmSync(join(generated, name), { force: true })
  const stale = wanted.filter(name => done[name] !== stamp || !existsSync(join(generated, name)))
  const due = process.argv.includes("--force") ? wanted : stale
  if (due.length === 0) return
  const started = Date.now()
  const codes = await Promise.all(
    due.map(
      name =>
        new Promise((resolve, reject) => {
          const child = spawn(process.execPath, [self, name], { stdio: ["ignore", "ignore", "inherit"] })
          child.on("error", reject).on("exit", resolve)
        }),
    ),
  )
  if (codes.some(code => code !== 0)) process.exit(1)
  mkdirSync(join(root, "build"), { recursive: true })
  for (const name of due) done[name] = stamp
  writeFileSync(stampFile, JSON.stringify(done))
  console.log(`heed: WASM device built in ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

/** Compiles one binary. */
async function compile(name, flags) {
  const { runClang } = await import("@yowasp/clang")
  let log = ""
  const decoder = new TextDecoder()
  const stderr = bytes => {
    if (bytes !== null) log += decoder.decode(bytes)
  }
  try {
    const made = await runClang(
      [
        ...["clang++", ...compileFlags, ...flags, "-mexec-model=reactor", `-Wl,${linkFlags.join(",")}`],
        ...["kernels/wasm.cpp", "-o", name],
      ],
      files,
      { stderr, stdout: stderr, fetchProgress: () => {} },
    )
    writeFileSync(join(generated, name), made[name])
  } catch (error) {
    console.error(`heed: ${name} was not built: ${error instanceof Error ? error.message : error}\n${log}`)
    process.exit(1)
  }
}
