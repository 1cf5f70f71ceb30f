// Movement: the same elements at other places.

import {
  arange,
  concat,
  eye,
  linspace,
  ones,
  reduceAxes,
  repeatAxes,
  stack,
  triangle,
  zeros,
} from "../../../src/tensor/index.ts"
import { op, truths, whole } from "../case.ts"

export const moveCases = [
  op("reshape", x => x.reshape([4, -1]), [[2, 6]], { second: true }),
  op("reshape of a transposed tensor", x => x.transpose().reshape([12]), [[3, 4]]),
  op("reshape to a scalar", x => x.reshape([]), [[1, 1]]),
  op("flatten", x => [x.flatten(), x.flatten(1), x.flatten(0, 1)], [[2, 3, 4]]),
  op("unsqueeze and squeeze", x => [x.unsqueeze(1), x.unsqueeze(-1), x.unsqueeze(0).squeeze(0), x.squeeze()], [
    [2, 1, 3],
  ]),
  op("permute", x => x.permute([2, 0, 1]), [[2, 3, 4]]),
  op("transpose", x => [x.transpose(), x.transpose(0, 2)], [[2, 3, 4]]),
  op("broadcastTo", x => x.broadcastTo([4, 2, 3]), [[2, 1]]),
  op("broadcastTo, from a scalar", x => x.broadcastTo([2, 3]), [[]]),
  op("slice", x => x.slice(1, 1, 3), [[2, 4, 3]]),
  op("slice with a step", x => x.slice(0, 1, undefined, 2), [[6, 2]]),
  op("slice backwards", x => x.slice(0, undefined, undefined, -2), [[7]]),
  op("slice from the end", x => x.slice(-1, -3, -1), [[2, 5]]),
  op("slice, nothing", x => x.slice(0, 3, 1), [[5, 2]], { gradient: false }),
  op("slice of a slice", x => x.slice(0, 1).slice(1, 0, 2).mul(2), [[4, 5]]),
  op("select", x => [x.select(0, 1), x.select(-1, -1)], [[3, 4]]),
  op("flip", x => [x.flip(), x.flip(1)], [[2, 3]]),
  op("split in equal parts", x => x.split(2, 1), [[2, 5]]),
  op("split by sizes", x => x.split([1, 0, 3], 0), [[4, 2]]),
  op("split, one part used", x => x.split([1, 2, 1], 0)[1]!, [[4, 2]]),
  op("unstack", x => x.unstack(3, 1), [[2, 3, 4]]),
  op(
    "concat",
    (a, b) => concat([a, b, a], 1),
    [
      [2, 3],
      [2, 1],
    ],
    { second: true },
  ),
  op("concat, first axis", (a, b) => concat([a, b]), [
    [2, 3],
    [1, 3],
  ]),
  op("concat, with an empty one", (a, b) => concat([a, b]), [
    [2, 3],
    [0, 3],
  ]),
  op("concat, whole numbers", (a, b) => concat([a, b], -1), [whole([2, 2], 9), whole([2, 3], 9)]),
  op("concat, truth values", (a, b) => concat([a, b]), [truths([5]), truths([3])]),
  op("concat of computed parts", (a, b) => concat([a.exp(), b.mul(2)], 1), [
    [2, 3],
    [2, 2],
  ]),
  op("stack", (a, b) => [stack([a, b]), stack([a, b], -1)], [
    [2, 3],
    [2, 3],
  ]),
  op(
    "pad",
    x =>
      x.pad([
        [1, 2],
        [0, 1],
      ]),
    [[2, 3]],
  ),
  op(
    "pad with a value",
    x =>
      x.pad(
        [
          [0, 0],
          [2, 0],
        ],
        -1.5,
      ),
    [[2, 3]],
  ),
  op("roll", x => [x.roll(1, 0), x.roll(-2, 1)], [[3, 4]]),
  op("repeat", x => x.repeat([2, 3]), [[2, 2]]),
  op("contiguous", x => x.transpose().contiguous(), [[2, 3]]),
  op("windows", x => x.windows(1, 3), [[2, 6]], { second: true }),
  op("windows with step and dilation", x => x.windows(0, 2, { step: 2, dilation: 3 }), [[9, 2]]),
  op("windows of windows", x => x.windows(0, 2).windows(1, 2), [[4, 4]]),
  op("rearrange, split heads", x => x.rearrange("B T (n H K) -> n B H T K", { n: 3, H: 2 }), [[2, 3, 12]], {
    second: true,
  }),
  op("rearrange, merge heads", x => x.rearrange("B H T K -> B T (H K)"), [[2, 2, 3, 4]]),
  op("rearrange, ones and any axes", x => x.rearrange("... a 1 -> a ..."), [[2, 3, 4, 1]]),
  op("reduceAxes", x => [reduceAxes(x, "B (T n) -> B T", "mean", { n: 2 }), reduceAxes(x, "B T -> T 1", "sum")], [
    [3, 4],
  ]),
  op("repeatAxes", x => [repeatAxes(x, "T D -> B T D", { B: 2 }), repeatAxes(x, "T D -> (T n) D", { n: 3 })], [[2, 3]]),
  op("triangles", x => [x.lowerTriangle(), x.upperTriangle(), x.lowerTriangle(-1), x.upperTriangle(2)], [[2, 4, 3]]),
  op(
    "zeros, ones, arange, eye, linspace, triangle",
    x => [
      zeros([2, 2]).add(x),
      ones([2]).mul(x),
      arange(5),
      arange(7, 1, -2),
      eye(3),
      eye(2, 4, 1),
      linspace(-1, 1, 5),
      triangle(3, 4, 1),
    ],
    [[2]],
  ),
]
