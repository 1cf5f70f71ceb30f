// Products whose sizes choose another way through the matmul kernel than the op list's small ones: against plain loops in double
// precision, with any number of threads.
import { describe, expect, test } from "vitest"
import { evaluateOn } from "../../src/runtime/index.ts"
import { cast, linear, tensor } from "../../src/tensor/index.ts"
import { machineDevices } from "../ops/devices.ts"

const devices = await machineDevices()
const draw = (size: number, seed: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * 12.9898 * seed) * 0.7)

/** What a bf16 product rounds a number to. */
function short(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!
  return new Float32Array(Uint32Array.of(((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000) >>> 0).buffer)[0]!
}

const bytes = (list: ArrayBufferView): Uint8Array => new Uint8Array(list.buffer, list.byteOffset, list.byteLength)

// rows, columns, k: edges of blocks of rows and columns and of parts of k
const sizes = [
  [3, 257, 701],
  [4, 260, 704],
  [9, 131, 641],
  [14, 43, 1537],
  [16, 13, 2600],
  [16, 70, 1600],
  [20, 35, 800],
  [30, 67, 333],
  [45, 33, 770],
  [64, 129, 97],
  [65, 129, 97],
  [5, 37, 3111],
] as const

for (const device of devices)
  describe(`${device}: some rows times a matrix`, () => {
    for (const [m, n, k] of sizes)
      for (const dtype of ["f32", "bf16", "f16"] as const)
        for (const precision of ["fp32", "bf16"] as const)
          test(`${m} × ${k} times ${k} × ${n}, weights in ${dtype}, products in ${precision}`, async () => {
            const [x, w, b] = [draw(m * k, 1), draw(n * k, 0.37), draw(n, 0.11)]
            const weight = cast(tensor(w, [n, k]), dtype)
            const [kept] = await evaluateOn(device, [cast(weight, "f32")])
            const y = linear(tensor(x, [m, k]), weight, tensor(b, [n]))
            const [one] = await evaluateOn(device, [y], { precision, threads: 1 })
            const [two] = await evaluateOn(device, [y], { precision, threads: 2 })
            expect(Buffer.compare(bytes(one!), bytes(two!))).toBe(0)
            // a device without bf16 products, or one that reads short weights one by one, multiplies numbers as they are
            const forms = (list: ArrayLike<number>): Float64Array[] =>
              precision === "fp32"
                ? [Float64Array.from(list)]
                : [Float64Array.from(list, short), Float64Array.from(list)]
            const worst = forms(x).flatMap(left =>
              forms(kept!).map(right => {
                let most = 0
                for (let i = 0; i < m; i++)
                  for (let j = 0; j < n; j++) {
                    let sum = b[j]!
                    for (let p = 0; p < k; p++) sum += left[i * k + p]! * right[j * k + p]!
                    most = Math.max(most, Math.abs(one![i * n + j]! - sum))
                  }
                return most
              }),
            )
            expect(Math.min(...worst)).toBeLessThan(3e-5)
          })

    for (const precision of ["fp32", "bf16"] as const)
      test(`16 × 702 times a part of 703 × 48, weights in bf16, products in ${precision}`, async () => {
        const [m, n, k] = [16, 48, 702]
        const [x, w] = [draw(m * k, 1), draw(n * (k + 1), 0.37)]
        const whole = cast(tensor(w, [n, k + 1]), "bf16")
        const [kept] = await evaluateOn(device, [cast(whole, "f32")])
        const parts = [0, 1].map(from => linear(tensor(x, [m, k]), whole.slice(1, from, from + k)))
        const found = await evaluateOn(device, parts, { precision })
        for (const from of [0, 1]) {
          const left = precision === "fp32" ? [x] : [x, x.map(short)]
          const worst = left.map(numbers => {
            let most = 0
            for (let i = 0; i < m; i++)
              for (let j = 0; j < n; j++) {
                let sum = 0
                for (let p = 0; p < k; p++) sum += numbers[i * k + p]! * kept![j * (k + 1) + from + p]!
                most = Math.max(most, Math.abs(found[from]![i * n + j]! - sum))
              }
            return most
          })
          expect(Math.min(...worst)).toBeLessThan(3e-5)
        }
      })
  })
