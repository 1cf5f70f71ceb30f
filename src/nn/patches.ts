// Images as sequences of patches (Dosovitskiy et al. 2021, "An image is worth 16x16 words"): a projection of each patch behind a class
// token, with a learned row for each position.

import { concat, linear, type Parameter, ShapeError, type Tensor, TypeMismatchError } from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import type { Initializer } from "./initialize.ts"
import { Module } from "./module.ts"

/** Sizes of images and their patches. */
export interface PatchOptions {
  /** Width and height of images in pixels. */
  readonly image: number
  /** Width and height of patches; what is left over at the right and the bottom is not seen. */
  readonly patch: number
  readonly channels: number
  /** Bias of the projection; true by default. */
  readonly bias?: boolean
  readonly deviation: number
  /** The same for the class token; `deviation` by default. */
  readonly classDeviation?: number
  /** true: class token and positions are kept as [1 1 D] and [1 P+1 D], else as [D] and [P+1 D]. */
  readonly leadingAxes: boolean
}

/** Pixels f32 [B C H W] -> class token and patches, row by row [B P+1 D], with positions. */
export class PatchEmbeddings extends Module {
  /** [D C p p], as a convolution has it. */
  readonly weight: Parameter
  /** [D] */
  readonly bias: Parameter | null
  readonly classToken: Parameter
  readonly positions: Parameter
  readonly #options: PatchOptions

  constructor(init: Initializer, width: number, options: PatchOptions) {
    super()
    const { image, patch, channels, deviation, bias = true, classDeviation = deviation, leadingAxes } = options
    const count = Math.floor(image / patch) ** 2 + 1
    this.#options = options
    this.weight = init.normal([width, channels, patch, patch], deviation)
    this.bias = bias ? init.constant([width], 0) : null
    this.classToken = init.normal(leadingAxes ? [1, 1, width] : [width], classDeviation)
    this.positions = init.normal(leadingAxes ? [1, count, width] : [count, width], deviation)
  }

  forward(pixels: Tensor): Tensor {
    const { patch, image } = this.#options
    this.#check(pixels)
    const seen = image - (image % patch)
    const cut = seen === image ? pixels : pixels.slice(2, 0, seen).slice(3, 0, seen)
    const patches = cut.rearrange("B C (h p) (w q) -> B (h w) (C p q)", { p: patch, q: patch })
    const D = this.weight.shape[0]!
    const rows = linear(patches, this.weight.reshape([D, -1]), this.bias ?? undefined) // [B P D]
    const first = this.classToken.cast("f32").reshape([1, 1, D]).broadcastTo([rows.shape[0]!, 1, D])
    return concat([first, rows], 1).add(this.positions.cast("f32"))
  }

  #check(pixels: Tensor): void {
    const { image, channels } = this.#options
    if (pixels.dtype !== "f32")
      throw new TypeMismatchError(
        `pixels: expected f32 [B ${channels} ${image} ${image}], but got ${pixels.dtype} ${formatShape(pixels.shape)}`,
        "scale and normalize them as the model's preprocessor_config.json says",
      )
    const [B, ...rest] = pixels.shape
    if (formatShape(rest) !== formatShape([channels, image, image]) || B === 0)
      throw new ShapeError(
        `pixels: expected [B ${channels} ${image} ${image}], but got ${formatShape(pixels.shape)}`,
        `resize images to ${image} × ${image}: positions are learned for this size and are not interpolated`,
      )
  }
}
