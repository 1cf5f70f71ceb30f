// Convolution and pooling.

import {
  averagePool1d,
  averagePool2d,
  convolve1d,
  convolve2d,
  convolveTransposed1d,
  convolveTransposed2d,
  maxPool1d,
  maxPool2d,
} from "../../../src/tensor/index.ts"
import { distinct, op } from "../case.ts"

export const convolveCases = [
  op("convolve1d", (x, w, b) => convolve1d(x, w, b), [[2, 3, 8], [4, 3, 3], [4]], { second: true }),
  op("convolve1d, stride and padding", (x, w) => convolve1d(x, w, null, { stride: 2, padding: 1 }), [
    [2, 3, 8],
    [4, 3, 3],
  ]),
  op("convolve1d, dilation", (x, w) => convolve1d(x, w, null, { dilation: 2, padding: 2 }), [
    [1, 2, 8],
    [3, 2, 3],
  ]),
  op("convolve1d, groups", (x, w, b) => convolve1d(x, w, b, { groups: 2, padding: 1 }), [[2, 4, 6], [6, 2, 3], [6]]),
  op("convolve1d, each channel alone", (x, w) => convolve1d(x, w, null, { groups: 4 }), [
    [2, 4, 6],
    [4, 1, 3],
  ]),
  op("convolve1d, wide windows", (x, w, b) => convolve1d(x, w, b, { padding: 4 }), [[2, 3, 7], [4, 3, 9], [4]], {
    second: true,
  }),
  op(
    "convolve1d, wide windows of groups, dilated",
    (x, w) => convolve1d(x, w, null, { groups: 2, padding: 7, dilation: 2 }),
    [
      [2, 4, 6],
      [6, 2, 8],
    ],
  ),
  op("convolve2d", (x, w, b) => convolve2d(x, w, b), [[1, 2, 5, 4], [3, 2, 2, 3], [3]], { second: true }),
  op("convolve2d, patches", (x, w) => convolve2d(x, w, null, { stride: 2 }), [
    [2, 3, 4, 4],
    [5, 3, 2, 2],
  ]),
  op(
    "convolve2d, everything at once",
    (x, w) => convolve2d(x, w, null, { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 }),
    [
      [1, 4, 5, 5],
      [4, 2, 3, 3],
    ],
  ),
  op(
    "convolveTransposed1d",
    (x, w, b) => convolveTransposed1d(x, w, b, { stride: 2, padding: 1, extraPadding: 1 }),
    [[2, 3, 4], [3, 2, 3], [2]],
    { second: true },
  ),
  op(
    "convolveTransposed1d, groups and cropped",
    (x, w) => convolveTransposed1d(x, w, null, { groups: 2, padding: 3, dilation: 1 }),
    [
      [1, 4, 8],
      [4, 1, 3],
    ],
  ),
  op("convolveTransposed2d", (x, w) => convolveTransposed2d(x, w, null, { stride: [2, 1], dilation: [1, 2] }), [
    [1, 2, 3, 3],
    [2, 2, 2, 2],
  ]),
  op("maxPool1d", x => maxPool1d(x, 3, { stride: 2, padding: 1 }), [distinct([2, 2, 7])]),
  op("maxPool2d", x => maxPool2d(x, 2), [distinct([1, 2, 5, 4])]),
  op("averagePool1d", x => averagePool1d(x, 2, { padding: 1 }), [[2, 2, 6]]),
  op("averagePool2d", x => averagePool2d(x, [2, 3], { stride: 1 }), [[1, 2, 4, 4]]),
]
