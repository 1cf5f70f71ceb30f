// Golden numbers of ViT's and CLIP's picture processors.
import { describe, expect, test } from "vitest"
import { pictureProcessor, type Resampling, resize } from "../../../src/media/index.ts"
import { read } from "../../../src/runtime/index.ts"
import { goldenJson, goldenTensors } from "./golden.ts"

interface Description {
  readonly name: string
  readonly params: Readonly<Record<string, unknown>>
  readonly outputs: readonly string[]
  readonly atol: number
}

const { cases } = goldenJson<{ cases: readonly Description[] }>("image_processors")
const golden = goldenTensors("image_processors")
const { data, shape } = golden("image")
const [height, width, channels] = shape as [number, number, number]
const image = { data: Uint8Array.from(data), width, height, channels }
const kinds: readonly Resampling[] = ["nearest", "lanczos", "bilinear", "bicubic"]

describe("image_processors", () => {
  test.each(cases)("$name", async ({ name, params, outputs, atol }) => {
    const type = name === "clip" ? "CLIPImageProcessor" : "ViTImageProcessor"
    const processor = pictureProcessor({ image_processor_type: type, ...params })
    const pixels = processor.process([image])
    const wanted = golden(`${name}.pixel_values`)
    expect(pixels.shape).toEqual([1, ...wanted.shape])
    const actual = await read(pixels)
    const far = wanted.data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[i]!)), 0)
    expect(far).toBeLessThanOrEqual(atol)
    if (outputs.includes("resized")) {
      const resized = golden(`${name}.resized`)
      const [y, x] = resized.shape as [number, number]
      expect([...resize(image, x, y, kinds[params.resample as number]!).data]).toEqual([...resized.data])
    }
  })
})
