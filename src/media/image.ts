// Pictures as raw pixels: any file the package sharp decodes, turned as the camera was held, in red, green and blue.
import { MediaError } from "./errors.ts"
import { checkImage, type RawImage } from "./resize.ts"
import { type MediaSource, nameOf, optionalPackage, readSource, type SourceOptions } from "./source.ts"

/** What a picture may be given as: raw pixels (1, 2, 3 or 4 channels), or a file by path, URL or bytes. */
export type ImageSource = RawImage | MediaSource

/** The picture with three channels of 8 bits. Transparency is dropped. Throws MediaError for what is no picture, FileError for files that cannot be read. */
export async function readImage(source: ImageSource, options: SourceOptions = {}): Promise<RawImage> {
  if (isRaw(source)) {
    checkImage(source)
    return inColour(source)
  }
  const name = nameOf(source)
  const bytes = await readSource(source, "picture", options)
  if (bytes.length === 0) throw new MediaError(`picture: expected a picture, but ${name} is empty`)
  const { default: sharp } = await optionalPackage("sharp", "reading pictures", () => import("sharp"))
  try {
    const { data, info } = await sharp(bytes, { failOn: "error" })
      .rotate()
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    const image = { width, height, channels, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
    checkImage(image)
    return inColour(image)
  } catch (cause) {
    if (cause instanceof MediaError) throw cause
    throw new MediaError(
      `picture: expected a picture that can be decoded, but ${name} cannot: ${(cause as Error).message ?? String(cause)}`,
      "JPEG, PNG, WebP, GIF, AVIF, TIFF and SVG are read; the file may be damaged",
      { cause },
    )
  }
}

function isRaw(source: ImageSource): source is RawImage {
  return typeof source === "object" && source !== null && "width" in source && "height" in source && "data" in source
}

/** Red, green and blue of 1 to 4 channels: grey is repeated, transparency dropped. */
function inColour(image: RawImage): RawImage {
  const { width, height, channels, data } = image
  if (channels === 3) return image
  if (channels > 4)
    throw new MediaError(`picture: expected 1 to 4 channels, but got ${channels}`, "pass grey, RGB or RGBA pixels")
  const out = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) out[i * 3 + c] = data[i * channels + (channels < 3 ? 0 : c)]!
  return { width, height, channels: 3, data: out }
}
