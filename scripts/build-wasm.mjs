// C++ -> WebAssembly with a clang from npm: the same kernels as the native device, in two instruction sets
// (SIMD128 everywhere; relaxed SIMD, which has fused multiply-add, where the host knows it). --force builds again.
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(root, "src", "kernels")
const generated = join(folder, "generated")
const binaries = { "heed.wasm": ["-msimd128"], "heed-relaxed.wasm": ["-msimd128", "-mrelaxed-simd"] }
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

const { files, stamp } = readSources()
const stampFile = join(root, "build", "heed-wasm.stamp")
const fresh =
  Object.keys(binaries).every(name => existsSync(join(generated, name))) &&
  existsSync(stampFile) &&
  readFileSync(stampFile, "utf8") === stamp
if (!fresh || process.argv.includes("--force")) await build()

async function build() {
  const started = Date.now()
  const { runClang } = await import("@yowasp/clang")
  for (const [name, flags] of Object.entries(binaries)) {
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
      console.log(error.files?.["why.txt"])
      throw new Error(`${name} was not built: ${error instanceof Error ? error.message : error}\n${log}`)
    }
  }
  mkdirSync(join(root, "build"), { recursive: true })
  writeFileSync(stampFile, stamp)
  console.log(`heed: WASM device built in ${((Date.now() - started) / 1000).toFixed(0)} s`)
}
