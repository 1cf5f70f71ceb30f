// A good call of every public function of heed's tensors: the hostile tests replace its arguments one at a time.
import * as heed from "../../src/tensor/index.ts"

const { zeros, ones, tensor } = heed
const x = zeros([2, 3])
const y = ones([2, 3])
const bools = zeros([2, 3], "bool")
const ids = tensor([0, 1], [2], "i32")
const along = tensor([0, 1], [2, 1], "i32")
const start = tensor([0], [], "i32")
const key = heed.randomKey(1)
const heads = zeros([1, 2, 3, 4])
const signal = zeros([1, 2, 6])
const image = zeros([1, 2, 6, 6])

const unary = (name: string): [string, unknown[]] => [name, [x]]
const binary = (name: string): [string, unknown[]] => [name, [x, y]]
const reduction = (name: string): [string, unknown[]] => [name, [x, [0, 1], { keepDims: true }]]

/** Name and arguments. */
export const calls: readonly (readonly [name: string, args: readonly unknown[]])[] = [
  ..."abs cos erf exp expm1 floor geluErf geluQuick geluTanh log log1p neg relu round rsqrt sigmoid sign silu sin softplus sqrt stopGradient tanh contiguous"
    .split(" ")
    .map(unary),
  ..."add div eq ge gt le lt maximum minimum mul ne pow sub".split(" ").map(binary),
  ..."logicalAnd logicalOr logicalXor".split(" ").map((name): [string, unknown[]] => [name, [bools, bools]]),
  ["logicalNot", [bools]],
  ..."sum prod mean max min logsumexp variance".split(" ").map(reduction),
  ["any", [bools, [0]]],
  ["all", [bools, [0]]],
  ["argmax", [x, 1, {}]],
  ["argmin", [x, 1, {}]],
  ["tensor", [[[1, 2]], [1, 2], "f32"]],
  ["einsum", ["ab,cb->ac", x, y]],
  ["checkpoint", [(a: heed.Tensor) => a.exp()]],
  ["reversible", [x, y, [{ first: (a: heed.Tensor) => a.exp(), second: (a: heed.Tensor) => a.exp() }]]],
  ["grad", [x.sum(), [x]]],
  ["vectorJacobian", [[x.exp()], [y], [x]]],
  ["gelu", [x, "erf"]],
  ["attention", [heads, heads, heads, { causal: true, scale: 1, window: 2, softCap: 2 }]],
  [
    "attention",
    [heads, heads, heads, { mask: zeros([3, 3], "bool"), bias: zeros([3, 3]), dropout: 0.1, key, stream: 1 }],
  ],
  ["attention", [heads, heads, heads, { lengths: tensor([2], [1], "i32"), offset: start, causal: true }]],
  ["attention", [heads, heads, heads, { pattern: heed.strided(2), causal: true }]],
  ["attention", [heads, heads, heads, { pattern: heed.globalWindow(2, zeros([1, 3], "bool")) }]],
  ["slidingWindow", [2]],
  ["dilatedWindow", [2, 3]],
  ["strided", [4]],
  ["fixed", [4, 2]],
  ["blockSparse", [16, [[0], [0, 1]]]],
  ["globalWindow", [2, zeros([1, 3], "bool")]],
  ["convolve1d", [signal, zeros([4, 2, 3]), zeros([4]), { stride: 1, padding: 1, dilation: 1, groups: 1 }]],
  ["convolve2d", [image, zeros([4, 2, 3, 3]), zeros([4]), { stride: [1, 1], padding: [1, 1], dilation: 1, groups: 1 }]],
  [
    "convolveTransposed1d",
    [signal, zeros([2, 4, 3]), zeros([4]), { stride: 2, padding: 1, extraPadding: 1, groups: 1 }],
  ],
  ["convolveTransposed2d", [image, zeros([2, 4, 3, 3]), zeros([4]), { stride: 2, padding: 1, extraPadding: 1 }]],
  ["maxPool1d", [signal, 2, { stride: 1, padding: 1 }]],
  ["maxPool2d", [image, 2, { stride: [1, 1], padding: 1 }]],
  ["averagePool1d", [signal, 2, { stride: 1, padding: 1 }]],
  ["averagePool2d", [image, [2, 2], { stride: 1, padding: 1 }]],
  [
    "ctcLoss",
    [
      zeros([2, 4, 3]),
      tensor([1, 2], [2, 1], "i32"),
      { inputLengths: ids.add(3), targetLengths: ids, reduction: "sum" },
    ],
  ],
  ["ctcLoss", [zeros([2, 4, 3]), tensor([1, 2], [2, 1], "i32"), { blank: 0, zeroInfinity: true }]],
  ["arange", [0, 5, 1]],
  ["eye", [2, 3, 1]],
  ["linspace", [0, 1, 3]],
  ["lowerTriangle", [x, 0]],
  ["upperTriangle", [x, 0]],
  ["triangle", [2, 3, 0]],
  ["ones", [[2, 3], "f32"]],
  ["zeros", [[2, 3], "f32"]],
  ["full", [[2, 3], 1, "f32"]],
  ["readSlice", [x, start, 1, 0]],
  ["writeSlice", [x, zeros([1, 3]), start, 0]],
  ["embedding", [x, ids, { paddingIndex: 0 }]],
  ["gather", [x, ids, 0]],
  ["oneHot", [ids, 3, "f32"]],
  ["scatterAdd", [x, ids, y, 0]],
  ["scatterAddAlong", [x, along, zeros([2, 1]), 1]],
  ["takeAlong", [x, along, 1]],
  ["crossEntropy", [x, ids, { ignoreIndex: -100, labelSmoothing: 0.1, weights: ones([3]), reduction: "mean" }]],
  ["negativeLogLikelihood", [x, ids, { reduction: "sum" }]],
  ["linearCrossEntropy", [x, zeros([5, 3]), ids, { reduction: "mean" }]],
  ["meanSquaredError", [x, y, { reduction: "mean" }]],
  ["meanAbsoluteError", [x, y, { reduction: "mean" }]],
  ["smoothL1", [x, y, { beta: 1 }]],
  ["huber", [x, y, { delta: 1 }]],
  ["binaryCrossEntropyWithLogits", [x, y, { reduction: "mean" }]],
  ["klDivergence", [x, y, { reduction: "mean" }]],
  ["linear", [x, zeros([4, 3]), zeros([4])]],
  ["matmul", [x, zeros([3, 2])]],
  ["broadcastTo", [x, [4, 2, 3]]],
  ["concat", [[x, y], 0]],
  ["flatten", [x, 0, 1]],
  ["flip", [x, [0]]],
  [
    "pad",
    [
      x,
      [
        [1, 1],
        [0, 2],
      ],
      0,
    ],
  ],
  ["permute", [x, [1, 0]]],
  ["repeat", [x, [2, 1]]],
  ["reshape", [x, [3, -1]]],
  ["roll", [x, 1, 0]],
  ["select", [x, 0, 1]],
  ["slice", [x, 1, 0, 2, 1]],
  ["split", [x, [1, 2], 1]],
  ["squeeze", [zeros([2, 1]), 1]],
  ["stack", [[x, y], 0]],
  ["transpose", [x, 0, 1]],
  ["unsqueeze", [x, 0]],
  ["unstack", [x, 2, 0]],
  ["windows", [x, 1, 2, { step: 1, dilation: 1 }]],
  ["layerNorm", [x, ones([3]), zeros([3]), { epsilon: 1e-5, axes: [1] }]],
  ["rmsNorm", [x, ones([3]), { epsilon: 1e-5, shift: 1 }]],
  ["cast", [x, "i32"]],
  ["clamp", [x, -1, 1]],
  ["where", [bools, x, y]],
  ["bernoulli", [[2], key, { p: 0.5, stream: 1 }]],
  ["categorical", [x, key, { stream: 1 }]],
  ["dropout", [x, 0.5, key, 1]],
  ["normal", [[2], key, { mean: 0, deviation: 1, stream: 1 }]],
  ["permutation", [3, key, { stream: 1 }]],
  ["randomBits", [[2], key, { stream: 1 }]],
  ["randomKey", [1]],
  ["uniform", [[2], key, { low: 0, high: 1, stream: 1 }]],
  ["withStreams", [() => x]],
  ["softmax", [x, 1]],
  ["logSoftmax", [x, 1]],
  ["argsort", [x, 1, { descending: true }]],
  ["cumsum", [x, 1, { reverse: true }]],
  ["sort", [x, 1, { descending: true }]],
  ["topk", [x, 2, 1, { smallest: true }]],
  ["rearrange", [x, "a (b c) -> a b c", { b: 3 }]],
  ["reduceAxes", [x, "a b -> a", "sum", {}]],
  ["repeatAxes", [x, "a b -> a b c", { c: 2 }]],
  ["tap", ["name", x]],
  ["tapNames", [[x]]],
  ["collectTaps", [[x], () => false]],
  ["fromHost", [new Float32Array(2), [2], "f32", "name"]],
  ["placeholder", [[2], "f32", "name"]],
  ["withScope", ["scope", () => x]],
]
