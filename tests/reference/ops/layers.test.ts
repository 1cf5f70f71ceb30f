// Golden numbers of embeddings, linear layers, convolutions and pooling.

import {
  averagePool2d,
  type ConvolveOptions,
  convolve1d,
  convolve2d,
  convolveTransposed1d,
  embedding,
  linear,
  matmul,
  maxPool1d,
  maxPool2d,
  stack,
  type Tensor,
} from "../../../src/tensor/index.ts"
import { checkGolden } from "./check.ts"

type Inputs = Record<string, Tensor>

const convolve =
  (f: typeof convolve1d, options: ConvolveOptions = {}) =>
  ({ x, w, b }: Inputs) => ({ y: f(x!, w!, b ?? null, options) })

await checkGolden("layers", {
  embedding: ({ ids, w }) => ({ y: embedding(w!, ids!) }),
  embedding_padding_idx: ({ ids, w }) => ({ y: embedding(w!, ids!, { paddingIndex: 2 }) }),
  linear: ({ input, weight, bias }) => ({ y: linear(input!, weight!, bias!) }),
  matmul_batched: ({ input, other }) => ({ y: matmul(input!, other!) }),
  conv1d_plain: convolve(convolve1d),
  conv1d_stride_pad: convolve(convolve1d, { stride: 2, padding: 1 }),
  conv1d_dilation: convolve(convolve1d, { dilation: 2, padding: 2 }),
  conv1d_groups: convolve(convolve1d, { groups: 2, padding: 2 }),
  conv1d_no_bias: convolve(convolve1d),
  conv2d_patch: convolve(convolve2d, { stride: 4 }),
  conv2d_pad: convolve(convolve2d, { stride: [2, 1], padding: [1, 2] }),
  conv2d_depthwise: convolve(convolve2d, { padding: 1, groups: 4 }),
  conv_transpose1d: ({ x, w, b }) => ({
    y: convolveTransposed1d(x!, w!, b!, { stride: 2, padding: 1, extraPadding: 1 }),
  }),
  max_pool1d: ({ x }) => ({ y: maxPool1d(x!, 3, { stride: 2, padding: 1 }) }),
  max_pool2d: ({ x }) => ({ y: maxPool2d(x!, 2, { stride: 2 }) }),
  avg_pool2d: ({ x }) => ({ y: averagePool2d(x!, 2, { stride: 2 }) }),
  // output i is the mean of positions floor(8 i / 3) .. ceil(8 (i + 1) / 3)
  adaptive_avg_pool1d: ({ x }) => ({
    y: stack(
      [0, 1, 2].map(i => x!.slice(-1, Math.floor((8 * i) / 3), Math.ceil((8 * (i + 1)) / 3)).mean(-1)),
      -1,
    ),
  }),
  masked_mean: ({ x, m }) => ({
    y: x!
      .mul(m!.unsqueeze(-1))
      .sum(1)
      .div(m!.sum(1, { keepDims: true })),
  }),
})
