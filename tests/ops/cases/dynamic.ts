// Slices whose place is known when the program runs.

import { readSlice, writeSlice } from "../../../src/tensor/index.ts"
import { given, op } from "../case.ts"

const at = (place: number) => given([], [place], "i32")

export const dynamicCases = [
  op("writeSlice", (x, y, i) => writeSlice(x, y, i), [[5, 3], [2, 3], at(2)], { second: true }),
  op("writeSlice, middle axis", (x, y, i) => writeSlice(x, y, i, 1), [[2, 5, 3], [2, 2, 3], at(3)]),
  op("writeSlice, last axis, transposed value", (x, y, i) => writeSlice(x, y.transpose(), i, -1), [
    [2, 5],
    [2, 2],
    at(0),
  ]),
  op("writeSlice, the whole", (x, y, i) => writeSlice(x, y, i), [[5, 3], [5, 3], at(0)]),
  op("writeSlice, the old value is needed too", (x, y, i) => writeSlice(x, y, i).mul(x), [[5, 3], [2, 3], at(1)]),
  op("readSlice", (x, i) => readSlice(x, i, 2), [[5, 3], at(2)], { second: true }),
  op("readSlice, middle axis", (x, i) => readSlice(x, i, 3, 1), [[2, 5, 3], at(2)]),
  op("readSlice, transposed", (x, i) => readSlice(x.transpose(), i, 2), [[3, 5], at(3)]),
]
