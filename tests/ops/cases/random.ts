// Random numbers: the same bits on every device.

import { bernoulli, categorical, dropout, normal, permutation, randomBits, uniform } from "../../../src/tensor/index.ts"
import { given, key, numbers, op } from "../case.ts"

const stream = 3

export const randomCases = [
  op("randomBits", k => [randomBits([7], k, { stream }), randomBits([4, 5], k, { stream: 4 })], [key]),
  op("randomBits, large keys and streams", k => randomBits([9], k, { stream: 2 ** 31 - 1 }), [
    given([2], [-1, -2147483648], "i32"),
  ]),
  op("uniform", k => uniform([3, 5], k, { stream }), [key]),
  op("uniform, low and high", k => uniform([33], k, { low: -2, high: 3, stream }), [key]),
  op("normal", k => normal([3, 7], k, { stream }), [key]),
  op("normal, mean and deviation", k => normal([34], k, { mean: 5, deviation: 0.1, stream }), [key]),
  op("bernoulli", k => bernoulli([50], k, { p: 0.3, stream }), [key]),
  op("categorical", (logits, k) => categorical(logits, k, { stream }), [numbers([20, 6]), key]),
  op("permutation", k => permutation(50, k, { stream }), [key]),
  op("dropout", (x, k) => dropout(x, 0.4, k, stream), [[3, 11], key]),
  op("dropout, rate 0", (x, k) => x.dropout(0, k), [[3], key]),
]
