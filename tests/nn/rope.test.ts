// Rotary positions: frequencies of the published scalings against their formulas, computed elsewhere in double precision.

import { describe, expect, test } from "vitest"
import { type RopeScaling, rotaryFrequencies, rotate, rotationOf } from "../../src/nn/index.ts"
import { evaluateOn } from "../../src/runtime/index.ts"
import { arange, fromHost, normal, randomKey, type Tensor } from "../../src/tensor/index.ts"

const numbers = async (x: Tensor): Promise<number[]> => [...(await evaluateOn("reference", [x]))[0]!]

function expectClose(actual: ArrayLike<number>, expected: readonly number[], relative = 1e-6): void {
  expect(actual.length).toBe(expected.length)
  for (const [i, x] of expected.entries())
    expect(Math.abs(actual[i]! - x), `${i}: ${actual[i]} and ${x}`).toBeLessThanOrEqual(relative * Math.abs(x))
}

describe("frequencies", () => {
  test("Llama 3 keeps fast pairs, slows slow ones down, and blends between", () => {
    const scaling: RopeScaling = {
      kind: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContext: 8192,
    }
    const { values, factor } = rotaryFrequencies({ width: 16, theta: 500000, context: 131072, scaling })
    expect(factor).toBe(1)
    expectClose(
      values,
      [1.0, 0.19392274, 0.037606031, 0.0072926647, 0.00052484616, 3.4281022e-5, 6.6478699e-6, 1.2891732e-6],
    )
  })

  test.each<[number, number, number | undefined, number[]]>([
    [10000, 2048, undefined, [1.0, 0.31622777, 0.1, 0.025693506, 0.00625, 0.0013834965, 0.00025, 7.9056942e-5]],
    [10000, 8192, 2048, [1.0, 0.31622777, 0.1, 0.025693506, 0.00625, 0.0013834965, 0.00025, 7.9056942e-5]],
    [1e6, 32768, 32768, [1.0, 0.17782794, 0.031622777, 0.0042175599, 0.0005, 4.4456985e-5, 7.9056942e-6, 1.4058533e-6]],
  ])("YaRN, theta %d, context %d, originally %s", (theta, context, originalContext, expected) => {
    const scaling: RopeScaling = { kind: "yarn", factor: 4, ...(originalContext ? { originalContext } : {}) }
    const { values, factor } = rotaryFrequencies({ width: 16, theta, context, scaling })
    expectClose(values, expected)
    expect(factor).toBeCloseTo(1.138629436111989, 12)
  })

  test("linear scaling slows all pairs down alike", () => {
    const { values } = rotaryFrequencies({ width: 4, context: 8, scaling: { kind: "linear", factor: 4 } })
    expectClose(values, [0.25, 0.0025])
  })

  test("LongRoPE slows each pair down by its own factor, and sharpens by how far the context was stretched", () => {
    const lists = { shortFactors: [1, 2], longFactors: [3, 4] }
    const given = (scaling: object) =>
      rotaryFrequencies({ width: 4, context: 131072, scaling: { kind: "longrope", ...lists, ...scaling } })
    expectClose(given({ originalContext: 4096 }).values, [1, 0.005])
    expect(given({ originalContext: 4096 }).factor).toBeCloseTo(1.1902380714238083, 12)
    expect(given({}).factor).toBe(1)
    expect(given({ factor: 32 }).factor).toBeCloseTo(Math.sqrt(1 + Math.log(32) / Math.log(131072)), 12)
    expect(given({ attentionFactor: 1.5 }).factor).toBe(1.5)
    expect(() => given({ shortFactors: [1] })).toThrow(/2 shortFactors above 0, one for each pair, but got 1/)
  })
})

describe("rotations", () => {
  test("dynamic scaling raises theta for texts beyond the context", async () => {
    const of = (count: number) =>
      numbers(rotationOf(arange(count), { width: 8, context: 16, scaling: { kind: "dynamic", factor: 2 } }).sin)
    const long = (await of(40)).slice(-4)
    const expected = [1.0, 0.062996052, 0.0039685026, 0.00025].map(f => Math.sin(39 * f))
    expectClose(long, expected, 1e-5)
    const short = (await of(16)).slice(-4)
    expectClose(
      short,
      [1.0, 0.1, 0.01, 0.001].map(f => Math.sin(15 * f)),
      1e-5,
    )
  })

  test("LongRoPE chooses by the longest position of all rows, and multiplies sine and cosine", async () => {
    const scaling: RopeScaling = {
      kind: "longrope",
      shortFactors: [1, 2],
      longFactors: [4, 8],
      originalContext: 4,
      attentionFactor: 3,
    }
    const at = async (rows: number[][]): Promise<number[]> => {
      const positions = fromHost(Int32Array.from(rows.flat()), [rows.length, rows[0]!.length], "i32")
      return numbers(rotationOf(positions, { width: 4, context: 64, scaling }).sin)
    }
    const turned = (position: number, slow: number[]): number[] =>
      [1, 0.01].map((f, i) => 3 * Math.sin((position * f) / slow[i]!))
    expectClose(await at([[3], [2]]), [...turned(3, [1, 2]), ...turned(2, [1, 2])], 1e-5)
    expectClose(await at([[4], [2]]), [...turned(4, [4, 8]), ...turned(2, [4, 8])], 1e-5)
  })

  test("elements beyond the turning ones stay as they are, and lengths are kept", async () => {
    const x = normal([1, 3, 2, 6], randomKey(1))
    const y = rotate(x, rotationOf(arange(3), { width: 4, context: 8 }))
    const rest = (one: Tensor): Promise<number[]> => numbers(one.slice(3, 4))
    expect(await rest(y)).toEqual(await rest(x))
    const length = (one: Tensor): Promise<number[]> => numbers(one.mul(one).sum(-1))
    expectClose(await length(y), await length(x), 1e-5)
  })
})
