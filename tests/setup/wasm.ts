// Before the tests: the WASM binary of today's C++ (a stamp says when there is nothing to do), so that its device is tested too.

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Builds the binary this Node can run. */
export default function setup(): void {
  const script = fileURLToPath(new URL("../../scripts/build-wasm.mjs", import.meta.url))
  const { status } = spawnSync(process.execPath, [script], { stdio: "inherit" })
  if (status !== 0) throw new Error("the WASM binary could not be built: see above")
}
