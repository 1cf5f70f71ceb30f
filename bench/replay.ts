// What a replay costs in JavaScript: a compiled program of 500 kernels; the time the JavaScript thread is busy, not the kernels'.

import { performance } from "node:perf_hooks"
import { compile, type Tensor, tensor } from "../src/index.ts"
import type { Question } from "./question.ts"

export const question: Question = {
  name: "replay",
  async run({ smoke }) {
    // running sums are not fused with anything: each is a kernel
    const step = compile((x: Tensor) => {
      let y = x
      for (let i = 0; i < 500; i++) y = y.cumsum(0)
      return y
    })
    const x = tensor(new Float32Array(4), [4])
    for (let i = 0; i < 50; i++) await step(x)
    const calls = [...step.programs().values()][0]!.calls
    const count = smoke ? 50 : 2000
    const before = performance.eventLoopUtilization()
    for (let i = 0; i < count; i++) await step(x)
    const value = performance.eventLoopUtilization(before).active / count
    return [
      {
        name: `replay of ${calls} kernels`,
        value,
        unit: "ms of JavaScript",
        against: "0.3 ms",
        ratio: 0.3 / value,
        atLeast: 1,
        aim: 6,
      },
    ]
  },
}
