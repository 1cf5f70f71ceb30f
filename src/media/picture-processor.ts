// What vision models see: pictures resized, cropped, scaled and normalized by the options of a published preprocessor_config.json,
// as Hugging Face's ViT and CLIP processors do it.
import { z } from "zod"
import { declare, option, type ValuesOf } from "../config/index.ts"
import { fromHost, type Tensor } from "../tensor/index.ts"
import { MediaError } from "./errors.ts"
import { withoutRemarks } from "./published.ts"
import { checkImage, type RawImage, type Resampling, resize } from "./resize.ts"

const edge = z.number().int().min(1).max(4096) // far beyond what any model sees; pixels are four bytes each
const box = z.strictObject({ height: edge, width: edge })
const colours = z.array(z.number()).length(3)
const deviations = z.array(z.number().positive()).length(3)

const pictureOptions = declare(
  {
    resize: option(z.boolean(), "bring pictures to one size", { default: true, alias: "do_resize" }),
    size: option(
      z.union([edge, box, z.strictObject({ shortest_edge: edge })]),
      "the size: pixels of both edges, { height, width } or { shortest_edge }",
      { default: { height: 224, width: 224 } },
    ),
    defaultToSquare: option(
      z.boolean().nullable(),
      "whether one size is that of both edges; as in its family where null",
      {
        default: null,
      },
    ),
    dataFormat: option(z.literal("channels_first"), "how pixels of the result lie", { default: "channels_first" }),
    resampling: option(
      z.number().int().min(0).max(5),
      "filter: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming",
      {
        default: 2,
        alias: "resample",
      },
    ),
    crop: option(z.boolean(), "cut out the middle", { default: false, alias: "do_center_crop" }),
    cropSize: option(z.union([edge, box]), "what is cut out: pixels of both edges, or { height, width }", {
      default: { height: 224, width: 224 },
    }),
    rescale: option(z.boolean(), "multiply bytes with a factor", { default: true, alias: "do_rescale" }),
    rescaleFactor: option(z.number().positive().max(1000), "that factor", { default: 1 / 255 }),
    normalize: option(z.boolean(), "subtract a mean and divide by a deviation for each colour", {
      default: true,
      alias: "do_normalize",
    }),
    mean: option(colours, "mean of red, green and blue", { default: [0.5, 0.5, 0.5], alias: "image_mean" }),
    deviation: option(deviations, "deviation of red, green and blue", { default: [0.5, 0.5, 0.5], alias: "image_std" }),
    convertToRGB: option(z.boolean(), "show every picture in red, green and blue", {
      default: true,
      alias: "do_convert_rgb",
    }),
  },
  "pictures",
)

const clipDefaults = {
  size: { shortest_edge: 224 },
  resampling: 3,
  crop: true,
  mean: [0.48145466, 0.4578275, 0.40821073],
  deviation: [0.26862954, 0.26130258, 0.27577711],
}

/** Options of a picture processor. */
export type PictureOptions = ValuesOf<typeof pictureOptions>

/** Turns pictures into a model's inputs. */
export interface PictureProcessor {
  readonly options: PictureOptions
  /** f32 [B 3 height width] of pictures with three channels. Throws MediaError when they end up with different sizes. */
  process(images: readonly RawImage[]): Tensor
}

const kinds: readonly Resampling[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
const families = /^(ViT|CLIP)(ImageProcessor|FeatureExtractor)(Fast)?$/

/** A processor by a published configuration; what it leaves out is as in its family, ViT or CLIP. Throws ConfigError, MediaError. */
export function pictureProcessor(published: Readonly<Record<string, unknown>> = {}): PictureProcessor {
  const kind = published.image_processor_type ?? published.feature_extractor_type
  if (kind !== undefined && !families.test(String(kind)))
    throw new MediaError(
      `preprocessor_config.json: expected pictures to be prepared as for ViT or CLIP, but got ${JSON.stringify(kind)}`,
      "other families prepare pictures in ways that are not built here",
    )
  const isClip = /CLIP/.test(String(kind ?? ""))
  const given = pictureOptions.parse(withoutRemarks(published), "preprocessor_config.json")
  const named = new Set(Object.keys(published).map(key => pictureOptions.keyOf(key)))
  const options = (
    isClip
      ? { ...given, ...Object.fromEntries(Object.entries(clipDefaults).filter(([key]) => !named.has(key as "size"))) }
      : given
  ) as PictureOptions
  return {
    options,
    process: images => {
      if (!Array.isArray(images) || images.length === 0)
        throw new MediaError("pictures: expected a list of pictures, but got none", "pass [image]")
      const ready = images.map(image => prepared(image, options, !(options.defaultToSquare ?? !isClip)))
      const { width, height } = ready[0]!
      for (const [i, one] of ready.entries())
        if (one.width !== width || one.height !== height)
          throw new MediaError(
            `pictures: expected all of ${width} × ${height} pixels, but picture ${i} has ${one.width} × ${one.height}`,
            "resize or crop them to one size",
          )
      const plane = width * height
      const data = new Float32Array(images.length * 3 * plane)
      for (const [i, { data: pixels }] of ready.entries()) {
        for (let c = 0; c < 3; c++) {
          const level = levels(options, c)
          const at = (i * 3 + c) * plane
          for (let j = 0; j < plane; j++) data[at + j] = level[pixels[j * 3 + c]!]!
        }
      }
      return fromHost(data, [images.length, 3, height, width], "f32")
    },
  }
}

/** What each byte of a colour becomes. */
function levels({ rescale, rescaleFactor, normalize, mean, deviation }: PictureOptions, colour: number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, byte) => {
    const x = Math.fround(rescale ? byte * rescaleFactor : byte)
    return normalize ? (x - mean[colour]!) / deviation[colour]! : x
  })
}

function prepared(image: RawImage, options: PictureOptions, squareIsShortest: boolean): RawImage {
  checkImage(image)
  if (image.channels !== 3)
    throw new MediaError(`pictures: expected three channels, but got ${image.channels}`, "readImage gives three")
  const { width, height } = options.resize ? targetSize(image, options.size, squareIsShortest) : image
  const sized = resize(image, width, height, kinds[options.resampling]!)
  if (!options.crop) return sized
  const { cropSize } = options
  return cropped(sized, typeof cropSize === "number" ? { width: cropSize, height: cropSize } : cropSize)
}

function targetSize(
  image: RawImage,
  size: PictureOptions["size"],
  squareIsShortest: boolean,
): { width: number; height: number } {
  if (typeof size === "object" && "height" in size) return size
  if (typeof size === "number" && !squareIsShortest) return { width: size, height: size }
  const short = typeof size === "number" ? size : size.shortest_edge
  const { width, height } = image
  // the longer edge is cut to a whole number
  const long = Math.trunc((short * Math.max(width, height)) / Math.min(width, height))
  return width <= height ? { width: short, height: long } : { width: long, height: short }
}

/** The middle of a picture; black where it is too small. */
export function cropped(
  image: RawImage,
  { width, height }: { readonly width: number; readonly height: number },
): RawImage {
  const { channels, data } = image
  const out = new Uint8Array(width * height * channels)
  const start = (have: number, want: number): number =>
    have >= want ? Math.floor((have - want) / 2) : -Math.ceil((want - have) / 2)
  const [left, top] = [start(image.width, width), start(image.height, height)]
  for (let y = 0; y < height; y++) {
    const fromY = y + top
    if (fromY < 0 || fromY >= image.height) continue
    const [first, last] = [Math.max(0, -left), Math.min(width, image.width - left)]
    const from = (fromY * image.width + first + left) * channels
    out.set(data.subarray(from, from + (last - first) * channels), (y * width + first) * channels)
  }
  return { width, height, channels, data: out }
}
