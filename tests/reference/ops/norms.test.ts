// Golden numbers of normalizations and softmax.

import { layerNorm, logSoftmax, rmsNorm, softmax, type Tensor } from "../../../src/tensor/index.ts"
import { checkGolden } from "./check.ts"

type Inputs = Record<string, Tensor>

const keep = { keepDims: true }

const on = (f: (x: Tensor) => Tensor) => (inputs: Inputs) => ({ y: f(inputs.x!) })

const layer =
  (options: Parameters<typeof layerNorm>[3]) =>
  ({ x, w, b }: Inputs) => ({ y: layerNorm(x!, w ?? null, b ?? null, options) })

const perChannel = (x: Tensor): Tensor => x.reshape([-1, 1])

const length = (x: Tensor): Tensor => x.mul(x).sum(-1, keep).sqrt()

await checkGolden("norms", {
  layer_norm: layer({ epsilon: 1e-5 }),
  layer_norm_eps12: layer({ epsilon: 1e-12 }),
  layer_norm_plain: layer({ epsilon: 1e-5 }),
  layer_norm_2d: layer({ epsilon: 1e-5, axes: [-2, -1] }),
  rms_norm: ({ x, w }) => ({ y: rmsNorm(x!, w!, { epsilon: 1e-6 }) }),
  rms_norm_1p: ({ x, w }) => ({ y: rmsNorm(x!, w!, { epsilon: 1e-6, shift: 1 }) }),
  group_norm: ({ x, w, b }) => {
    const groups = layerNorm(x!.rearrange("B (g C) L -> B g (C L)", { g: 3 }), null, null, { epsilon: 1e-5 })
    const normal = groups.rearrange("B g (C L) -> B (g C) L", { L: 7 })
    return { y: normal.mul(perChannel(w!)).add(perChannel(b!)) }
  },
  batch_norm_train: ({ x, w, b }) => ({
    y: layerNorm(x!, null, null, { epsilon: 1e-5, axes: [0, 2] })
      .mul(perChannel(w!))
      .add(perChannel(b!)),
  }),
  batch_norm_eval: ({ x, w, b, mean, var: variance }) => ({
    y: x!
      .sub(perChannel(mean!))
      .mul(perChannel(variance!.add(1e-5).rsqrt()))
      .mul(perChannel(w!))
      .add(perChannel(b!)),
  }),
  "softmax_dim-1": on(x => softmax(x)),
  softmax_dim1: on(x => softmax(x, 1)),
  softmax_dim0: on(x => softmax(x, 0)),
  log_softmax: on(x => logSoftmax(x)),
  softmax_extreme: on(x => softmax(x)),
  log_softmax_extreme: on(x => logSoftmax(x)),
  logsumexp: on(x => x.logsumexp(-1)),
  l2_normalize: on(x => x.div(length(x).maximum(1e-12))),
  cosine_similarity: ({ a, b }) => ({
    y: a!
      .mul(b!)
      .sum(-1)
      .div(length(a!).squeeze(-1).mul(length(b!).squeeze(-1)).maximum(1e-8)),
  }),
})
