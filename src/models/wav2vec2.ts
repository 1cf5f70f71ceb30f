// wav2vec 2.0 (Baevski et al. 2020): samples of sound through convolutions, positions from a wide grouped convolution, a Transformer
// encoder, and letters by connectionist temporal classification.

import {
  activation,
  Convolution1d,
  Dropout,
  FeedForward,
  type Initializer,
  LayerNorm,
  Linear,
  Module,
  NormedConvolution1d,
  PostNormBlock,
  PreNormBlock,
  SelfAttention,
  skipLayer,
  TimeNorm,
  throughBlocks,
} from "../nn/index.ts"
import {
  arange,
  argsort,
  ctcLoss,
  full,
  logSoftmax,
  type Parameter,
  ShapeError,
  type Tensor,
  takeAlong,
} from "../tensor/index.ts"
import { formatShape } from "../tensor/shape.ts"
import { defineModel } from "./definition.ts"
import { type ForwardOptions, Model, type ModelOutput } from "./model.ts"
import { checkOptions } from "./parts/inputs.ts"
import { withOutputs } from "./parts/outputs.ts"
import { hideSpans } from "./parts/speech-options.ts"
import { type Wav2Vec2Config, wav2vec2Definition, wav2vec2Options } from "./wav2vec2-config.ts"

/** One convolution with its norm and activation: x [B T C] -> [B T' C']. */
class SoundLayer extends Module {
  readonly convolution: Convolution1d
  readonly norm: LayerNorm | TimeNorm | null
  readonly #activation: (x: Tensor) => Tensor

  constructor(init: Initializer, config: Wav2Vec2Config, i: number) {
    super()
    const { channels, kernels, strides, convolutionBias: bias, convolutionNorm, convolutionActivation } = config
    const size = channels[i]!
    this.convolution = new Convolution1d(init, i === 0 ? 1 : channels[i - 1]!, size, {
      kernel: kernels[i]!,
      stride: strides[i]!,
      bias,
    })
    this.norm = convolutionNorm === "layer" ? new LayerNorm(init, size) : i === 0 ? new TimeNorm(init, size) : null
    this.#activation = activation(convolutionActivation)
  }

  forward(x: Tensor): Tensor {
    const y = this.convolution.forward(x)
    return this.#activation(this.norm ? this.norm.forward(y) : y)
  }
}

/** Positions from what lies around them: x [B T D] -> [B T D]. */
class ConvolvedPositions extends Module {
  readonly convolution: NormedConvolution1d
  readonly #activation: (x: Tensor) => Tensor

  constructor(init: Initializer, { width, positionsKernel, positionsGroups, convolutionActivation }: Wav2Vec2Config) {
    super()
    this.convolution = new NormedConvolution1d(init, width, width, {
      kernel: positionsKernel,
      padding: Math.floor(positionsKernel / 2),
      groups: positionsGroups,
    })
    this.#activation = activation(convolutionActivation)
  }

  forward(x: Tensor): Tensor {
    // windows of even size fit once more
    return this.#activation(this.convolution.forward(x).slice(1, 0, x.shape[1]!))
  }
}

function block(config: Wav2Vec2Config, init: Initializer): PreNormBlock | PostNormBlock {
  const { width, heads, inner, activation, deviation, dropout, epsilon } = config
  const Block = config.normsFirst ? PreNormBlock : PostNormBlock
  return new Block({
    attention: new SelfAttention(init, width, { heads, causal: false, dropout: config.attentionDropout, deviation }),
    attentionNorm: new LayerNorm(init, width, { epsilon }),
    feedForward: new FeedForward(init, width, { inner, activation, dropout: config.innerDropout, deviation }),
    feedForwardNorm: new LayerNorm(init, width, { epsilon }),
    dropout,
  })
}

/** wav2vec 2.0: letters of each frame, from samples of sound f32 [B samples]. */
export class Wav2Vec2 extends Model {
  readonly family = "wav2vec2"
  readonly config: Wav2Vec2Config
  readonly sound: readonly SoundLayer[]
  readonly soundNorm: LayerNorm
  readonly project: Linear
  /** [D], what stands in the place of hidden spans in training. */
  readonly hiddenSpan: Parameter | null
  readonly positions: ConvolvedPositions
  readonly norm: LayerNorm
  readonly blocks: readonly (PreNormBlock | PostNormBlock)[]
  readonly head: Linear | null
  readonly soundDropout: Dropout
  readonly dropout: Dropout
  readonly finalDropout: Dropout

  constructor(config: Wav2Vec2Config, init: Initializer) {
    super()
    const { width, epsilon, channels, deviation } = config
    const features = channels.at(-1)!
    this.config = config
    this.sound = channels.map((_, i) => new SoundLayer(init, config, i))
    this.soundNorm = new LayerNorm(init, features, { epsilon })
    this.project = new Linear(init, features, width)
    this.hiddenSpan = config.hiddenTime > 0 || config.hiddenChannels > 0 ? init.uniformVector(width, 1) : null
    this.positions = new ConvolvedPositions(init, config)
    this.norm = new LayerNorm(init, width, { epsilon })
    this.blocks = Array.from({ length: config.layers }, () => block(config, init))
    this.head = config.head === "letters" ? new Linear(init, width, config.vocabulary, { deviation }) : null
    this.soundDropout = new Dropout(config.soundDropout)
    this.dropout = new Dropout(config.dropout)
    this.finalDropout = new Dropout(config.finalDropout)
  }

  get depth(): number {
    return this.config.layers
  }

  /** Frames that a number of samples becomes; 0 where they are too few. */
  frames(samples: number): number {
    const { kernels, strides } = this.config
    return kernels.reduce((n, size, i) => Math.max(0, Math.floor((n - size) / strides[i]!) + 1), samples)
  }

  /** Samples f32 [B samples]; attentionMask [B samples], labels i32 [B S] (letters, -100 where there is none). */
  forward(samples: Tensor, options: ForwardOptions = {}): ModelOutput {
    const { attentionMask, labels, outputs } = options
    checkOptions("wav2vec2", options, ["attentionMask", ...(this.head ? (["labels"] as const) : []), "outputs"])
    const counts = this.#check(samples, attentionMask)
    let x = samples.unsqueeze(2)
    for (const layer of this.sound) x = layer.forward(x) // [B T C]
    x = this.soundDropout.forward(this.project.forward(this.soundNorm.forward(x))) // [B T D]
    const [B, T] = x.shape as [number, number]
    if (this.training && this.hiddenSpan) x = hideSpans(x, this.config, this.hiddenSpan, full([], 0))
    const heard = counts ? arange(T).lt(counts.unsqueeze(1)) : null // [B T]
    if (heard) x = x.mul(heard.unsqueeze(2).cast("f32"))
    x = x.add(this.positions.forward(x))
    const { normsFirst, layerDropout } = this.config
    const hidden = throughBlocks(
      this.dropout.forward(normsFirst ? x : this.norm.forward(x)),
      this.blocks,
      (block, x) =>
        skipLayer(block, x, layerDropout, x => block.forward(x, heard ? { mask: heard.reshape([B, 1, 1, T]) } : {})),
      normsFirst ? this.norm : undefined,
    )
    const logits = this.head?.forward(this.finalDropout.forward(hidden))
    const loss = labels && logits ? this.#loss(logits, labels, counts) : undefined
    return withOutputs({ hidden, ...(logits ? { logits } : {}), ...(loss ? { loss } : {}) }, outputs, this.depth)
  }

  /** Checks the input; frames of each row i32 [B], where there is a mask. */
  #check(samples: Tensor, mask: Tensor | undefined): Tensor | null {
    const [B, n] = samples.shape
    if (samples.rank !== 2 || samples.dtype !== "f32")
      throw new ShapeError(
        `wav2vec2: expected samples f32 [B samples], but got ${samples.dtype} ${formatShape(samples.shape)}`,
        "waveformExtractor of heed/media makes them",
      )
    const { kernels, strides } = this.config
    if (this.frames(n!) < 1) {
      const least = kernels.reduceRight((count, size, i) => (count - 1) * strides[i]! + size, 1)
      throw new ShapeError(`wav2vec2: expected at least ${least} samples, but got ${n}`)
    }
    if (!mask) return null
    if (formatShape(mask.shape) !== formatShape([B!, n!]))
      throw new ShapeError(`attentionMask: expected ${formatShape([B!, n!])}, but got ${formatShape(mask.shape)}`)
    const heard = mask.ne(0).cast("f32").sum(1)
    return kernels.reduce((x: Tensor, size, i) => x.sub(size).div(strides[i]!).floor().add(1), heard).cast("i32")
  }

  #loss(logits: Tensor, labels: Tensor, counts: Tensor | null): Tensor {
    if (labels.rank !== 2 || labels.shape[0] !== logits.shape[0])
      throw new ShapeError(`labels: expected [${logits.shape[0]} S], but got ${formatShape(labels.shape)}`)
    const { padToken: blank, reduction, zeroInfinity } = this.config
    const asked = labels.ge(0).cast("i32")
    const letters = takeAlong(labels, argsort(asked, 1, { descending: true }), 1) // -100 last
    return ctcLoss(logSoftmax(logits), letters, {
      targetLengths: asked.sum(1),
      ...(counts ? { inputLengths: counts } : {}),
      blank,
      reduction,
      zeroInfinity,
    })
  }
}

/** The wav2vec 2.0 family. */
export const wav2vec2 = defineModel({
  name: "wav2vec2",
  config: wav2vec2Options,
  architectures: { letters: "Wav2Vec2ForCTC", none: "Wav2Vec2Model" },
  build: (config, init) => new Wav2Vec2(config, init),
  ...wav2vec2Definition,
})
