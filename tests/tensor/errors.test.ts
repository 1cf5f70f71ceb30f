// Every operation says what it expected and what came.

import { describe, expect, test } from "vitest"
import {
  add,
  arange,
  attention,
  averagePool1d,
  binaryCrossEntropyWithLogits,
  clamp,
  concat,
  convolve1d,
  convolve2d,
  convolveTransposed1d,
  crossEntropy,
  embedding,
  eye,
  full,
  gather,
  gelu,
  grad,
  HeedError,
  huber,
  layerNorm,
  linear,
  linearCrossEntropy,
  linspace,
  logicalAnd,
  matmul,
  maxPool2d,
  meanSquaredError,
  oneHot,
  ones,
  rmsNorm,
  scatterAdd,
  scatterAddAlong,
  smoothL1,
  softmax,
  stack,
  type Tensor,
  takeAlong,
  tensor,
  topk,
  where,
  zeros,
} from "../../src/tensor/index.ts"

const x = zeros([2, 3])
const ids = tensor([0, 1], [2], "i32")
const heads = zeros([2, 4, 5, 8])

const refusals: readonly (readonly [string, () => unknown, string])[] = [
  ["add", () => add(x, zeros([4, 3])), "add: expected shapes that broadcast, but got [2 3] and [4 3]"],
  ["add of a string", () => add(x, "1" as unknown as number), "add: expected a tensor or a number, but got string"],
  ["logic of numbers", () => logicalAnd(x, x), "and: expected bool"],
  ["where", () => where(x, 1, 2), "where: expected a bool condition, but got f32"],
  ["clamp", () => clamp(x, 2, 1), "clamp: expected low <= high, but got 2 and 1"],
  ["gelu", () => gelu(x, "sharp" as "erf"), "gelu: expected one of erf, tanh, quick, but got sharp"],
  ["cast", () => x.cast("f64" as "f32"), "cast: expected one of"],
  ["full", () => full([2], 1.5, "i32"), "full: expected a whole number for i32, but got 1.5"],
  ["full, negative size", () => full([-1], 0), "full: expected sizes"],
  ["sum", () => x.sum(2), "sum: expected an axis in -2..1, but got axis 2"],
  ["sum, axis twice", () => x.sum([0, -2]), "sum: expected each axis once"],
  ["max of nothing", () => zeros([2, 0]).max(1), "max: expected at least one element"],
  ["reshape", () => x.reshape([4]), "reshape: expected 6 elements of [2 3], but got [4]"],
  ["permute", () => x.permute([0]), "permute: expected each of 2 axes once, but got [0]"],
  ["broadcastTo", () => x.broadcastTo([2]), "broadcastTo: expected"],
  ["slice", () => x.slice(0, 0, 1, 0), "slice: expected a step"],
  ["select", () => x.select(1, 3), "select: expected the index"],
  ["split", () => x.split([1, 1], 1), "split: expected sizes that add up to 3"],
  ["unstack", () => x.unstack(3), "unstack: expected axis 0 of size 3, but got [2 3]"],
  ["concat", () => concat([x, zeros([2, 4])]), "concat: expected shapes that are equal except for axis 0"],
  ["concat of types", () => concat([ids, zeros([2])]), "concat: expected one element type"],
  ["stack", () => stack([x, zeros([3])]), "stack: expected equal shapes"],
  ["pad", () => x.pad([[1, 1]]), "pad: expected [before, after] for each of 2 axes, but got 1"],
  ["windows", () => x.windows(1, 4), "windows: expected windows within axis 1 of [2 3]"],
  ["matmul", () => matmul(x, x), "matmul: expected [… m k] times [… k n], but got [2 3] times [2 3]"],
  ["matmul of whole numbers", () => matmul(ids, ids), "matmul: expected floating-point operands"],
  ["linear", () => linear(x, zeros([4, 2])), "linear: expected x [… in] and weight [out in]"],
  ["linear, bias", () => linear(x, zeros([4, 3]), zeros([3])), "linear: expected bias [4], but got [3]"],
  ["softmax", () => softmax(x, 2), "softmax: expected an axis in -2..1"],
  ["softmax of whole numbers", () => softmax(ids), "softmax: expected floating-point numbers, but got i32"],
  ["layerNorm, weight", () => layerNorm(x, zeros([2])), "layerNorm: expected a weight [3] for x [2 3], but got [2]"],
  ["layerNorm, bias", () => layerNorm(x, null, zeros([2])), "layerNorm: expected a bias [3] for x [2 3], but got [2]"],
  ["layerNorm, epsilon", () => layerNorm(x, null, null, { epsilon: -1 }), "layerNorm: expected epsilon >= 0"],
  ["layerNorm, no axes", () => layerNorm(x, null, null, { axes: [] }), "layerNorm: expected at least one axis"],
  ["rmsNorm, shift", () => rmsNorm(x, null, { shift: Number.NaN }), "rmsNorm: expected a finite shift"],
  ["gather, types", () => gather(x, x), "gather: expected whole numbers (i32), but got f32"],
  ["embedding", () => embedding(zeros([3]), ids), "embedding: expected a weight [V D], but got [3]"],
  ["embedding, padding", () => embedding(x, ids, { paddingIndex: 2 }), "embedding: expected paddingIndex"],
  [
    "takeAlong, rank",
    () => takeAlong(x, ids, 0),
    "takeAlong: expected indices of as many axes as x [2 3], but got [2]",
  ],
  ["takeAlong, shape", () => takeAlong(x, zeros([3, 1], "i32"), 1), "takeAlong: expected shapes that broadcast"],
  ["scatterAdd", () => scatterAdd(x, ids, zeros([3, 3])), "scatterAdd: expected indices [n] and values [2 3]"],
  ["scatterAddAlong", () => scatterAddAlong(x, zeros([2, 2], "i32"), zeros([2, 1]), 1), "scatterAddAlong: expected"],
  ["oneHot", () => oneHot(ids, -1), "oneHot: expected the number of classes"],
  ["topk", () => topk(x, 4), "topk: expected a count up to 3"],
  [
    "crossEntropy, targets",
    () => crossEntropy(x, zeros([3], "i32")),
    "crossEntropy: expected targets [2] for logits [2 3]",
  ],
  ["crossEntropy, types", () => crossEntropy(x, zeros([2])), "crossEntropy targets: expected whole numbers"],
  [
    "crossEntropy, weights",
    () => crossEntropy(x, ids, { weights: ones([2]) }),
    "crossEntropy: expected weights [3], but got [2]",
  ],
  [
    "crossEntropy, smoothing",
    () => crossEntropy(x, ids, { labelSmoothing: 2 }),
    "crossEntropy: expected labelSmoothing in 0 .. 1",
  ],
  [
    "crossEntropy, reduction",
    () => crossEntropy(x, ids, { reduction: "max" as "mean" }),
    "crossEntropy: expected reduction mean",
  ],
  [
    "linearCrossEntropy",
    () => linearCrossEntropy(x, zeros([5, 2]), ids),
    "linearCrossEntropy: expected x [… D], weight [V D]",
  ],
  ["meanSquaredError", () => meanSquaredError(x, ids), "meanSquaredError: expected prediction and target of one shape"],
  ["huber", () => huber(x, x, { delta: 0 }), "huber: expected delta > 0"],
  ["smoothL1", () => smoothL1(x, x, { beta: 0 }), "smoothL1: expected beta > 0"],
  [
    "binaryCrossEntropyWithLogits",
    () => binaryCrossEntropyWithLogits(x, ids),
    "binaryCrossEntropyWithLogits: expected",
  ],
  [
    "convolve1d, rank",
    () => convolve1d(x, x),
    "convolve1d: expected x [B C L] and weight [O C L], but got x [2 3] and weight [2 3]",
  ],
  [
    "convolve1d, channels",
    () => convolve1d(zeros([1, 3, 5]), zeros([4, 2, 3])),
    "convolve1d: expected x with 2 channels",
  ],
  [
    "convolve1d, short",
    () => convolve1d(zeros([1, 2, 2]), zeros([4, 2, 3])),
    "convolve1d: expected at least 3 positions",
  ],
  [
    "convolve2d, stride",
    () => convolve2d(zeros([1, 2, 5, 5]), zeros([4, 2, 3, 3]), null, { stride: 0 }),
    "convolve2d: expected stride",
  ],
  [
    "convolve2d, one for each",
    () => convolve2d(zeros([1, 2, 5, 5]), zeros([4, 2, 3, 3]), null, { padding: [1] }),
    "for each of 2 axes",
  ],
  [
    "convolveTransposed1d",
    () => convolveTransposed1d(zeros([1, 2, 5]), zeros([2, 2, 3]), null, { extraPadding: 1 }),
    "convolveTransposed1d: expected extraPadding below",
  ],
  ["maxPool2d", () => maxPool2d(zeros([2, 3]), 2), "maxPool2d: expected x [… C Y X], but got [2 3]"],
  ["averagePool1d", () => averagePool1d(x, 2, { padding: 2 }), "averagePool1d: expected padding up to half the window"],
  [
    "attention, rank",
    () => attention(x, x, x),
    "attention: expected q [B H T K], k [B G S K] and v [B G S V], but got q [2 3]",
  ],
  ["attention, widths", () => attention(heads, zeros([2, 4, 5, 7]), heads), "attention: expected q [B H T K]"],
  [
    "attention, heads",
    () => attention(heads, zeros([2, 3, 5, 8]), zeros([2, 3, 5, 8])),
    "a multiple of the key heads, but got 4 and 3",
  ],
  ["attention, mask", () => attention(heads, heads, heads, { mask: zeros([6], "bool") }), "attention: expected"],
  [
    "attention, mask type",
    () => attention(heads, heads, heads, { mask: zeros([5]) }),
    "attention mask: expected bool, but got f32",
  ],
  ["attention, bias", () => attention(heads, heads, heads, { bias: zeros([2, 2, 4, 5, 5]) }), "attention: expected"],
  [
    "attention, lengths",
    () => attention(heads, heads, heads, { lengths: ids.reshape([1, 2]) }),
    "attention: expected lengths [B] = [2]",
  ],
  [
    "attention, offset",
    () => attention(heads, heads, heads, { causal: true, offset: ids }),
    "attention: expected an offset of one element",
  ],
  ["attention, window", () => attention(heads, heads, heads, { window: 0 }), "attention: expected window"],
  ["attention, cap", () => attention(heads, heads, heads, { softCap: -1 }), "attention: expected a softCap > 0"],
  [
    "attention, dropout",
    () => attention(heads, heads, heads, { dropout: 0.1 }),
    "attention: expected a random key for dropout",
  ],
  ["attention, rate", () => attention(heads, heads, heads, { dropout: 1 }), "attention: expected dropout in 0 .. 1"],
  ["arange", () => arange(0.5), "arange: expected end to be a whole number"],
  ["arange, step", () => arange(0, 5, 0), "arange: expected step to be a whole number other than 0"],
  ["linspace", () => linspace(0, 1, 0), "linspace: expected the count"],
  ["eye", () => eye(-1), "eye: expected the number of rows"],
  ["triangle of a vector", () => zeros([3]).lowerTriangle(), "lowerTriangle: expected at least two axes, but got [3]"],
  [
    "tensor, ragged",
    () => tensor([[1, 2], [3]]),
    "tensor: expected nested arrays of equal lengths [2 2], but got 1 entries at depth 1",
  ],
  [
    "tensor, mixed depth",
    () => tensor([[1], 2]),
    "tensor: expected nested arrays of equal lengths [2 1], but got a number at depth 1",
  ],
  ["tensor, shape", () => tensor([1, 2, 3], [2]), "tensor: expected 2 numbers for [2], but got 3"],
  ["tensor, whole numbers", () => tensor([1.5], [1], "i32"), "tensor: expected whole numbers"],
  ["tensor, short types", () => tensor([1.5], [1], "bf16"), "tensor: expected f32, i32, u8 or bool"],
  ["tensor, typed array", () => tensor(new Float32Array(3), [2]), "tensor: expected 2 elements for [2], but got 3"],
  ["tensor, bits", () => tensor(new Uint16Array(3)), "tensor: expected a Float32Array"],
  [
    "tensor, text",
    () => tensor(["a"] as unknown as number[]),
    "tensor: expected numbers or truth values, but got string",
  ],
  ["grad", () => grad(x, [x]), "grad: expected a loss of one element, but got [2 3]"],
  ["not a tensor", () => softmax(null as unknown as Tensor), ""],
]

describe("bad inputs are refused", () => {
  for (const [name, run, message] of refusals)
    test(name, () => {
      let error: unknown
      try {
        run()
      } catch (caught) {
        error = caught
      }
      expect(error).toBeInstanceOf(Error)
      if (message === "") return
      expect(error).toBeInstanceOf(HeedError)
      expect((error as Error).message).toContain(message)
    })
})
