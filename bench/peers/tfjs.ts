// tfjs's WASM backend as a peer, when it is installed.

import { createRequire } from "node:module"
import { dirname, sep } from "node:path"

interface TfTensor {
  dispose(): void
  data(): Promise<unknown>
}

interface Tf {
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  tensor2d(data: Float32Array, shape: [number, number]): TfTensor
  matMul(a: TfTensor, b: TfTensor): TfTensor
}

/** The peer, or why it is not there. */
export type Tfjs =
  | { readonly problem: string }
  | { matmulFlops(data: Float32Array, n: number, runs: number): Promise<number> }

/** Opens tfjs with its WASM backend. */
export async function openTfjs(): Promise<Tfjs> {
  const require = createRequire(import.meta.url)
  let tf: Tf
  try {
    tf = require("@tensorflow/tfjs-core") as Tf
    const wasm = require("@tensorflow/tfjs-backend-wasm") as { setWasmPaths(path: string): void }
    const folder = dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))
    wasm.setWasmPaths(`${folder}${sep}wasm-out${sep}`)
    await tf.setBackend("wasm")
    await tf.ready()
  } catch (error) {
    const missing = (error as { code?: string }).code === "MODULE_NOT_FOUND"
    return {
      problem: missing
        ? "@tensorflow/tfjs-backend-wasm is not installed"
        : `tfjs does not start: ${(error as Error).message}`,
    }
  }
  return {
    async matmulFlops(data, n, runs) {
      const [a, b] = [tf.tensor2d(data, [n, n]), tf.tensor2d(data, [n, n])]
      let best = Infinity
      for (let i = 0; i <= runs; i++) {
        const start = performance.now()
        const c = tf.matMul(a, b)
        await c.data()
        if (i > 0) best = Math.min(best, performance.now() - start)
        c.dispose()
      }
      a.dispose()
      b.dispose()
      return (2 * n ** 3) / (best / 1000)
    },
  }
}
