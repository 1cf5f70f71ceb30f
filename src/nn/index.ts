// Modules and layers to build models of.

export {
  type AdaptiveDeviations,
  AdaptiveEmbedding,
  type AdaptiveSizes,
  AdaptiveSoftmax,
  type AdaptiveSoftmaxOptions,
  type Section,
  sectionsOf,
} from "./adaptive-softmax.ts"
export {
  type AttentionContext,
  type AttentionShape,
  CrossAttention,
  type CrossAttentionOptions,
  type Memory,
  SelfAttention,
  type SelfAttentionOptions,
  windowsOf,
} from "./attention.ts"
export {
  AdditiveAttention,
  additiveAttention,
  dotProductAttention,
  scaledDotProductAttention,
} from "./attention-kinds.ts"
export { AxialPositions } from "./axial-positions.ts"
export { type BlockContext, type BlockParts, PostNormBlock, PreNormBlock, throughBlocks } from "./block.ts"
export {
  type CacheSizes,
  FullLayerCache,
  KeyValueCache,
  type LayerCache,
  type Sight,
  SlidingLayerCache,
} from "./cache.ts"
export { type ChunkContext, ChunkedAttention, type ChunkShape, withNeighbours } from "./chunked-attention.ts"
export { Convolution1d, type Convolution1dOptions, NormedConvolution1d, TimeNorm } from "./convolution.ts"
export { type EncoderBlockOptions, encoderBlock, TokenEmbeddings, type TokenEmbeddingsOptions } from "./encoder.ts"
export { type Activation, activation, activationNames, FeedForward, type FeedForwardOptions } from "./feed-forward.ts"
export {
  type GlobalPositions,
  GlobalWindowAttention,
  type GlobalWindowShape,
  globalPositions,
  publishedWindow,
} from "./global-window-attention.ts"
export { Initializer, type InitializerOptions, type WeightType } from "./initialize.ts"
export { Dropout, Embedding, type Layer, LayerNorm, Linear, type LinearOptions, RMSNorm } from "./layers.ts"
export { bucketsOf, LSHAttention, type LSHShape } from "./lsh-attention.ts"
export { maskSpans, type SpanOptions } from "./mask-spans.ts"
export { Buffer, Module, type PathPattern, type State } from "./module.ts"
export { PatchEmbeddings, type PatchOptions } from "./patches.ts"
export {
  alibiBias,
  alibiSlopes,
  type BucketOptions,
  LearnedPositions,
  positionsBesidePadding,
  positionsFrom,
  RelativeBias,
  relativeBuckets,
  SinusoidalPositions,
  type SinusoidForm,
  sinusoids,
} from "./positions.ts"
export { withRandom } from "./random.ts"
export {
  type DistanceAnswers,
  type DistanceTerms,
  type DistanceVectors,
  relativeShift,
  shawAttention,
  transformerXLAttention,
} from "./relative-attention.ts"
export { ReversibleBlock, type ReversibleParts, throughReversible } from "./reversible.ts"
export {
  type Frequencies,
  type RopeScaling,
  type RotaryOptions,
  type Rotation,
  rotaryFrequencies,
  rotate,
  rotationOf,
} from "./rope.ts"
export { SandwichNormBlock, type SandwichParts } from "./sandwich-block.ts"
export { skipLayer } from "./skip-layer.ts"
export { Stack, type StackBlock, type StackContext, type StackParts } from "./stack.ts"
export {
  DistanceBiases,
  DistanceSinusoids,
  TransformerXLAttention,
  type TransformerXLAttentionOptions,
  TransformerXLBlock,
  type TransformerXLBlockOptions,
  type TransformerXLContext,
} from "./transformer-xl-block.ts"
