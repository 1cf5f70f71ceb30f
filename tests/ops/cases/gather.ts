// Indices: gather, scatter, embedding, order.

import {
  argsort,
  embedding,
  gather,
  oneHot,
  scatterAdd,
  scatterAddAlong,
  sort,
  takeAlong,
  topk,
} from "../../../src/tensor/index.ts"
import { distinct, given, op, truths, whole } from "../case.ts"

export const gatherCases = [
  op("gather", (x, i) => gather(x, i), [[5, 3], whole([4], 5)], { second: true }),
  op("gather, table of indices", (x, i) => x.gather(i), [[5, 3], whole([2, 3], 5)]),
  op("gather, middle axis", (x, i) => x.gather(i, 1), [[2, 5, 3], whole([4], 5)]),
  op("gather, last axis, table of indices", (x, i) => x.gather(i, -1), [[2, 5], whole([2, 2], 5)]),
  op("gather, scalar index", (x, i) => x.gather(i, 1), [[2, 5, 3], whole([], 5)]),
  op("gather, repeated index", (x, i) => x.gather(i), [[4, 2], given([3], [1, 1, 1], "i32")]),
  op("gather, no indices", (x, i) => x.gather(i), [[4, 2], whole([0], 4)], { gradient: false }),
  op("gather, whole numbers", (x, i) => x.gather(i), [whole([4, 2], 9), whole([3], 4)]),
  op("gather, truth values", (x, i) => x.gather(i), [truths([6]), whole([9], 6)]),
  op("gather, transposed source", (x, i) => x.transpose().gather(i), [[3, 5], whole([4], 5)]),
  op("embedding", (w, ids) => embedding(w, ids), [[7, 4], whole([2, 3], 7)], { second: true }),
  op("embedding, from bf16", (w, ids) => w.cast("bf16").embedding(ids), [[7, 4], whole([2, 3], 7)], {
    gradient: false,
  }),
  op("embedding, tied with the output", (w, ids) => w.embedding(ids).matmul(w.transpose()), [[7, 4], whole([3], 7)]),
  op("takeAlong", (x, i) => takeAlong(x, i, 1), [[3, 5], whole([3, 2], 5)], { second: true }),
  op("takeAlong, first axis", (x, i) => x.takeAlong(i, 0), [[4, 3], whole([6, 3], 4)]),
  op("takeAlong, broadcast", (x, i) => x.takeAlong(i, -1), [[2, 3, 5], whole([1, 3, 2], 5)]),
  op("scatterAdd", (x, i, v) => scatterAdd(x, i, v), [[4, 2], whole([5], 4), [5, 2]], { second: true }),
  op("scatterAdd, last axis", (x, i, v) => x.scatterAdd(i, v, -1), [[2, 4], whole([3], 4), [2, 3]]),
  op("scatterAddAlong", (x, i, v) => scatterAddAlong(x, i, v, 1), [[3, 4], whole([3, 6], 4), [3, 6]]),
  op("oneHot", i => [oneHot(i, 4), i.oneHot(4, "i32"), i.oneHot(4, "bool")], [
    given([2, 3], [0, 1, 2, 3, -1, 4], "i32"),
  ]),
  op("sort", x => sort(x), [distinct([3, 7])], { second: true }),
  op("sort, first axis, descending", x => x.sort(0, { descending: true }), [distinct([5, 3])]),
  op(
    "sort, NaN and equal numbers",
    x => [x.sort(), x.argsort(), x.sort(0, { descending: true }), x.argsort(0, { descending: true })],
    [given([7], [2, Number.NaN, 1, 2, -Infinity, Infinity, 1])],
    { gradient: false },
  ),
  op("sort, whole numbers", x => x.sort(), [whole([2, 9], 20, -20)]),
  op("argsort", x => [argsort(x), argsort(x, 0)], [distinct([3, 7])]),
  op("topk", x => [topk(x, 3).values, topk(x, 3).indices], [distinct([3, 7])]),
  op("topk, smallest, first axis", x => x.topk(2, 0, { smallest: true }).values, [distinct([5, 3])]),
  op("topk, long rows", x => [x.topk(5).values, x.topk(5).indices], [distinct([2, 300])], { gradient: false }),
]
