// Matmul on the WASM device over tfjs's WASM backend, same sizes, both with all threads they can use. tfjs is an optional peer:
// npm install --no-save @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm

import { compile, matmul, type Tensor, tensor } from "../src/index.ts"
import { openTfjs } from "./peers/tfjs.ts"
import { type Question, type Row, skipped, timed } from "./question.ts"

const sizes = [256, 512, 1024] as const

export const question: Question = {
  name: "wasm",
  async run({ smoke }) {
    const rows: Row[] = []
    const peer = await openTfjs()
    for (const n of smoke ? sizes.slice(0, 1) : sizes) {
      const name = `wasm matmul ${n}³`
      const data = Float32Array.from({ length: n * n }, (_, i) => Math.sin(i))
      const repeat = Math.max(1, Math.round(1e9 / (2 * n ** 3)))
      const corner = (a: Tensor, b: Tensor): Tensor => matmul(a, b).slice(0, 0, 1).slice(1, 0, 1)
      const step = compile((left: Tensor[], b: Tensor) => left.map(a => corner(a, b)), { device: "wasm" })
      const a = tensor(data, [n, n])
      const left = Array.from({ length: repeat }, () => a)
      const fastest = (await timed(() => step(left, a), smoke ? 2 : 20))[0]!
      const flops = (2 * n ** 3 * repeat) / (fastest / 1000)
      if ("problem" in peer) {
        rows.push({ ...skipped(name, `${peer.problem} (heed: ${(flops / 1e9).toFixed(1)} GFLOP/s)`, 1.5, 2.5) })
        continue
      }
      const other = await peer.matmulFlops(data, n, smoke ? 2 : 20)
      rows.push({
        name,
        value: flops / 1e9,
        unit: "GFLOP/s",
        against: `tfjs-wasm ${(other / 1e9).toFixed(1)} GFLOP/s`,
        ratio: flops / other,
        atLeast: 1.5,
        aim: 2.5,
      })
    }
    return rows
  },
}
