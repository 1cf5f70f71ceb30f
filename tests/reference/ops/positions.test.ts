// Golden numbers of positions: rotary angles with every published scaling, sinusoids, buckets of relative positions.

import { describe, expect, test } from "vitest"
import {
  positionsBesidePadding,
  type RopeScaling,
  relativeBuckets,
  rotaryFrequencies,
  rotate,
  rotationOf,
  type SinusoidForm,
  sinusoids,
} from "../../../src/nn/index.ts"
import { evaluateOn } from "../../../src/runtime/index.ts"
import { fromHost, type Tensor } from "../../../src/tensor/index.ts"
import { type Golden, goldenJson, goldenTensors } from "./golden.ts"

interface Case {
  readonly name: string
  readonly params: Readonly<Record<string, unknown>>
  readonly atol: number
}

const { cases } = goldenJson<{ cases: Case[] }>("positions")
const golden = goldenTensors("positions")

const floats = ({ data, shape }: Golden): Tensor => fromHost(data, shape, "f32")
const integers = ({ data, shape }: Golden): Tensor => fromHost(Int32Array.from(data), shape, "i32")

async function close(tensor: Tensor, key: string, tolerance: number): Promise<void> {
  const expected = golden(key)
  expect(tensor.shape, key).toEqual(expected.shape)
  const [actual] = await evaluateOn("reference", [tensor])
  for (const [i, x] of expected.data.entries())
    expect(Math.abs(x - actual![i]!), `${key}[${i}]: ${actual![i]} instead of ${x}`).toBeLessThanOrEqual(tolerance)
}

function scalingOf(published: Record<string, number | string> | null): RopeScaling | null {
  if (!published) return null
  const factor = published.factor as number
  switch (published.rope_type) {
    case "linear":
    case "dynamic":
    case "yarn":
      return { kind: published.rope_type, factor }
    default:
      return {
        kind: "llama3",
        factor,
        lowFrequencyFactor: published.low_freq_factor as number,
        highFrequencyFactor: published.high_freq_factor as number,
        originalContext: published.original_max_position_embeddings as number,
      }
  }
}

describe("positions", () => {
  for (const { name, params, atol } of cases)
    test(name, async () => {
      if (name.startsWith("rope_")) {
        const options = {
          width: params.head_dim as number,
          theta: params.rope_theta as number,
          context: params.max_position_embeddings as number,
          scaling: scalingOf(params.rope_scaling as Record<string, number | string> | null),
        }
        const rotation = rotationOf(integers(golden(`${name}.position_ids`)), options)
        const { values, factor } = rotaryFrequencies(options)
        expect(factor).toBeCloseTo(params.attention_factor as number, 12)
        if (name !== "rope_dynamic") await close(fromHost(values, [values.length], "f32"), `${name}.inv_freq`, 1e-6)
        for (const part of ["cos", "sin"] as const)
          await close(rotation[part].repeat([1, 1, 2]), `${name}.${part}`, atol)
        for (const part of ["q", "k"]) {
          const x = floats(golden(`${name}.${part}`)).rearrange("B H T K -> B T H K")
          await close(rotate(x, rotation).rearrange("B T H K -> B H T K"), `${name}.${part}_rotated`, atol)
        }
      } else if (name.startsWith("sinusoidal_")) {
        const forms: Record<string, SinusoidForm> = {
          marian: "halves",
          whisper: "stretched",
          transfo_xl: "reversed",
          interleaved: "interleaved",
        }
        const form = forms[name.slice("sinusoidal_".length)]!
        await close(sinusoids(params.positions as number, params.dim as number, form), `${name}.table`, atol)
      } else if (name.startsWith("t5_buckets_")) {
        const buckets = relativeBuckets(integers(golden(`${name}.relative_position`)), {
          bidirectional: params.bidirectional as boolean,
          buckets: params.num_buckets as number,
          maxDistance: params.max_distance as number,
        })
        await close(buckets, `${name}.bucket`, 0)
      } else {
        expect(name).toBe("roberta_position_ids")
        const ids = integers(golden(`${name}.input_ids`))
        await close(positionsBesidePadding(ids, params.padding_idx as number), `${name}.position_ids`, 0)
      }
    })
})
