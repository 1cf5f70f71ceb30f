// Elementwise users of a product run inside its kernel: with the same bits as apart, on every way through the kernel, and only
// where nobody else reads the product.

import { describe, expect, test } from "vitest"
import { compileProgram } from "../../src/compiler/compile.ts"
import { callsOf } from "../../src/compiler/emit.ts"
import { engineOf, evaluateOn } from "../../src/runtime/index.ts"
import { concat, gelu, linear, matmul, sigmoid, silu, type Tensor, tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const devices = await machineDevices()
const draw = (shape: readonly number[], seed: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * 0.3),
    shape,
  )
}

// m, n, k: alone, few rows, a short text, one pass, several parts of k, several passes of k, columns beside what is packed at once
const sizes = [
  [5, 7, 3],
  [2, 300, 900],
  [30, 270, 333],
  [130, 530, 100],
  [100, 257, 2000],
  [67, 40, 13000],
  [70, 1100, 6000],
] as const

/** Users of a product y of x [m k] with residual r [m n], column c [m 1] and row b [n]. */
const users: Record<string, (y: Tensor, r: Tensor, c: Tensor, b: Tensor) => Tensor> = {
  gelu: y => gelu(y),
  "residual, read twice": (y, r) => r.add(y).mul(r),
  "column and row": (y, _, c, b) => silu(y.mul(c).sub(b)),
  "gate, a product of its own": (y, r, _, b) => sigmoid(y).mul(linear(r, draw([b.shape[0]!, r.shape[1]!], 0.77), b)),
  "transposed residual": (y, r) => y.add(r.transpose().contiguous().transpose()),
}

const bytes = (list: ArrayBufferView): Buffer => Buffer.from(list.buffer, list.byteOffset, list.byteLength)

for (const device of devices)
  describe(`${device}: elementwise code after a product`, () => {
    for (const [m, n, k] of sizes)
      for (const precision of ["fp32", "bf16"] as const)
        test(`${m} × ${k} times ${k} × ${n}, ${precision}`, async () => {
          const [x, w, r, c, b] = [
            draw([m, k], 1),
            draw([n, k], 0.37),
            draw([m, n], 0.5),
            draw([m, 1], 0.21),
            draw([n], 0.9),
          ]
          for (const user of Object.values(users)) {
            const y = user(linear(x, w, b), r, c, b)
            const [apart] = await evaluateOn(device, [y], { precision, fuse: false })
            for (const threads of [1, 2]) {
              const [inside] = await evaluateOn(device, [y], { precision, threads, verify: true })
              expect(Buffer.compare(bytes(inside!), bytes(apart!))).toBe(0)
            }
          }
        })

    test("a batch of products, a part of a larger value, a product without terms", async () => {
      const [x, y, r] = [draw([3, 4, 50], 1), draw([3, 50, 33], 0.3), draw([3, 4, 33], 0.7)]
      const [w, b] = [draw([33, 50], 0.6), draw([33], 0.2)]
      for (const z of [
        matmul(x, y).add(r).relu(),
        concat([linear(x, w, b).add(r), r], 2),
        concat([linear(x, w, b).mul(r), r], 0),
        matmul(draw([70, 0], 1), draw([0, 40], 1)).add(draw([70, 40], 0.4)),
        matmul(draw([1, 20], 1), draw([20, 1], 0.3)).add(2),
      ]) {
        const [apart] = await evaluateOn(device, [z], { fuse: false })
        const [inside] = await evaluateOn(device, [z], { verify: true })
        expect(Buffer.compare(bytes(inside!), bytes(apart!))).toBe(0)
      }
    })
  })

test("a product that somebody else reads is kept, and only the last of two is taken in", async () => {
  const { device } = await engineOf()
  const callsFor = (outputs: readonly Tensor[]): string[] =>
    compileProgram({ outputs, updates: [] }, { kernels: device.kernels, verify: true })
      .steps.flatMap(callsOf)
      .map(call => call.name)
  const [x, w, r] = [draw([70, 60], 1), draw([80, 60], 0.4), draw([70, 80], 0.6)]
  const y = linear(x, w)
  expect(callsFor([gelu(y).add(r)])).toEqual(["matmul_then"])
  expect(callsFor([gelu(y), y])).toEqual(["matmul", "pointwise"])
  expect(callsFor([gelu(y), y.sum(0)])).toEqual(["matmul", "pointwise", "reduce"])
  expect(callsFor([silu(y).mul(linear(x, w.mul(2)))]).sort()).toEqual(["matmul", "matmul_then", "pointwise"])
})
