// Reading pictures: files of several kinds, how the camera was held, greys and transparency, and files that are damaged.
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import fc from "fast-check"
import sharp from "sharp"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { cropped, MediaError, pictureProcessor, type RawImage, readImage, resize } from "../../src/media/index.ts"
import { read } from "../../src/runtime/index.ts"

const [width, height] = [6, 4]
const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 256)
const picture: RawImage = { width, height, channels: 3, data }
const encode = (image: RawImage = picture) =>
  sharp(image.data, { raw: { width: image.width, height: image.height, channels: image.channels as 3 } })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heed-pictures-"))
})
afterAll(() => rm(folder, { recursive: true }))

describe("readImage", () => {
  test("lossless files give the pixels back: bytes, paths, blobs", async () => {
    const png = await encode().png().toBuffer()
    const path = join(folder, "picture.png")
    await writeFile(path, png)
    for (const source of [png, path, new Blob([Buffer.from(png)]), await encode().webp({ lossless: true }).toBuffer()])
      expect(await readImage(source)).toEqual(picture)
    expect(await readImage(picture)).toEqual(picture)
  })

  test("JPEG is near, and turned as the camera was held", async () => {
    const large = resize(picture, 60, 40, "bilinear")
    const jpeg = await readImage(await encode(large).jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer())
    expect(Math.max(...jpeg.data.map((x, i) => Math.abs(x - large.data[i]!)))).toBeLessThan(12)
    const turned = await readImage(await encode(large).withMetadata({ orientation: 6 }).jpeg().toBuffer())
    expect([turned.width, turned.height]).toEqual([40, 60])
  })

  test("grey, transparent, and 16-bit pictures become red, green and blue", async () => {
    const grey = { width: 2, height: 1, channels: 1, data: Uint8Array.of(10, 200) }
    expect([...(await readImage(grey)).data]).toEqual([10, 10, 10, 200, 200, 200])
    expect([...(await readImage(await encode(grey).toColourspace("b-w").png().toBuffer())).data]).toEqual([
      10, 10, 10, 200, 200, 200,
    ])
    const clear = { width: 1, height: 1, channels: 4, data: Uint8Array.of(1, 2, 3, 0) }
    expect([...(await readImage(clear)).data]).toEqual([1, 2, 3])
    expect([...(await readImage(await encode(clear).png().toBuffer())).data]).toEqual([1, 2, 3])
    const deep = await readImage(await encode().toColourspace("rgb16").png().toBuffer())
    expect([deep.width, deep.height, deep.data.length]).toEqual([width, height, data.length])
    expect(Math.max(...deep.data.map((x, i) => Math.abs(x - data[i]!)))).toBeLessThanOrEqual(1)
  })

  test("what is no picture is refused in words", async () => {
    await expect(readImage(new Uint8Array())).rejects.toThrow(/the bytes given is empty/)
    await expect(readImage(new TextEncoder().encode("no picture at all"))).rejects.toThrow(
      /expected a picture that can be/,
    )
    await expect(readImage(join(folder, "none.png"))).rejects.toThrow(/none.png/)
    await expect(readImage({ ...picture, width: 7 })).rejects.toThrow(/expected 84 bytes for 7 × 4 pixels/)
    await expect(readImage({ ...picture, channels: 5, data: new Uint8Array(120) })).rejects.toThrow(/1 to 4 channels/)
    await expect(readImage(null as never)).rejects.toThrow(/expected a path, a URL or bytes, but got null/)
  })

  test("damaged files give an error of ours, or a picture", async () => {
    const files = [
      await encode().png().toBuffer(),
      await encode().jpeg().toBuffer(),
      await encode().gif().toBuffer(),
      await encode().tiff().toBuffer(),
    ]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        async (file, changes) => {
          const bytes = Uint8Array.from(file)
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          try {
            expect((await readImage(bytes)).channels).toBe(3)
          } catch (error) {
            expect(error).toBeInstanceOf(MediaError)
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe("pictureProcessor", () => {
  test("old and new ways to write sizes mean the same", async () => {
    const both = async (published: Record<string, unknown>) => {
      const x = pictureProcessor(published).process([picture])
      return { shape: x.shape, data: await read(x) }
    }
    const vit = { feature_extractor_type: "ViTFeatureExtractor", do_normalize: true, do_resize: true }
    expect(await both({ ...vit, size: 8 })).toEqual(await both({ ...vit, size: { height: 8, width: 8 } }))
    const clip = { feature_extractor_type: "CLIPFeatureExtractor", crop_size: 5 }
    const short = await both({ ...clip, size: 8 })
    expect(short).toEqual(await both({ ...clip, size: { shortest_edge: 8 }, crop_size: { height: 5, width: 5 } }))
    expect(short.shape).toEqual([1, 3, 5, 5])
    const fast = { image_processor_type: "ViTImageProcessorFast", data_format: "channels_first", device: null }
    expect((await both({ ...fast, size: 8 })).shape).toEqual([1, 3, 8, 8])
    expect((await both({ ...fast, size: 8, default_to_square: false })).shape).toEqual([1, 3, 8, 12])
  })

  test("steps can be left out", async () => {
    const x = pictureProcessor({ do_resize: false, do_rescale: false, do_normalize: false }).process([picture, picture])
    expect(x.shape).toEqual([2, 3, height, width])
    const planes = await read(x)
    for (let c = 0; c < 3; c++) expect(planes[c * width * height + 5]).toBe(data[5 * 3 + c])
  })

  test("the middle is cut out; small pictures get a black frame", () => {
    const grey = { width: 3, height: 3, channels: 1, data: Uint8Array.from({ length: 9 }, (_, i) => i + 1) }
    expect([...cropped(grey, { width: 1, height: 3 }).data]).toEqual([2, 5, 8])
    expect([...cropped(grey, { width: 2, height: 2 }).data]).toEqual([1, 2, 4, 5])
    expect([...cropped(grey, { width: 6, height: 1 }).data]).toEqual([0, 0, 4, 5, 6, 0])
  })

  test("wrong options and pictures are refused in words", () => {
    expect(() => pictureProcessor({ do_flip: true })).toThrow(/do_flip/)
    expect(() => pictureProcessor({ size: { longest_edge: 3 } })).toThrow(/size/)
    expect(() => pictureProcessor({ image_processor_type: "DetrImageProcessor" })).toThrow(/ViT or CLIP/)
    const free = pictureProcessor({ do_resize: false })
    expect(() => free.process([])).toThrow(/expected a list of pictures/)
    const other = { ...picture, width: 4, height: 6 }
    expect(() => free.process([picture, other])).toThrow(/all of 6 × 4 pixels, but picture 1 has 4 × 6/)
    expect(() => resize(picture, 0, 4, "bilinear")).toThrow(MediaError)
    expect(() => resize(picture, 4, 4, "cubic" as never)).toThrow(/bicubic/)
  })
})
