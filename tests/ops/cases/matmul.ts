// Matrix products, linear layers and einsum.

import { einsum, linear } from "../../../src/tensor/index.ts"
import { numbers, op } from "../case.ts"

export const matmulCases = [
  op(
    "matmul",
    (a, b) => a.matmul(b),
    [
      [3, 4],
      [4, 5],
    ],
    { second: true },
  ),
  op("matmul, larger than a tile", (a, b) => a.matmul(b), [numbers([35, 37], -1, 1), numbers([37, 41], -1, 1)], {
    tolerance: 1e-4,
  }),
  op("matmul, batched", (a, b) => a.matmul(b), [
    [2, 3, 4],
    [2, 4, 2],
  ]),
  op(
    "matmul, broadcast batch",
    (a, b) => a.matmul(b),
    [
      [2, 1, 3, 4],
      [5, 4, 2],
    ],
    { second: true },
  ),
  op("matmul, one matrix for all", (a, b) => a.matmul(b), [
    [2, 3, 4],
    [4, 2],
  ]),
  op("matmul, transposed left", (a, b) => a.transpose().matmul(b), [
    [4, 3],
    [4, 5],
  ]),
  op("matmul, transposed right", (a, b) => a.matmul(b.transpose()), [
    [3, 4],
    [5, 4],
  ]),
  op("matmul, both transposed, batched", (a, b) => a.transpose().matmul(b.transpose()), [
    [2, 4, 3],
    [2, 5, 4],
  ]),
  op("matmul, permuted result", (a, b) => a.matmul(b).permute([1, 0, 2]), [
    [2, 3, 4],
    [2, 4, 2],
  ]),
  op("matmul, heads inside", (a, b) => a.permute([0, 2, 1, 3]).matmul(b.permute([0, 2, 3, 1])), [
    [2, 3, 2, 4],
    [2, 5, 2, 4],
  ]),
  op("matmul, one row", (a, b) => a.matmul(b), [
    [1, 33],
    [33, 70],
  ]),
  op("matmul, vectors", (a, b) => [a.matmul(b), b.matmul(a.transpose())], [[3, 4], [4]]),
  op("matmul, two vectors", (a, b) => a.matmul(b), [[4], [4]]),
  op(
    "matmul, no inner size",
    (a, b) => a.matmul(b),
    [
      [3, 0],
      [0, 2],
    ],
    { gradient: false },
  ),
  op(
    "matmul, no rows",
    (a, b) => a.matmul(b),
    [
      [0, 3],
      [3, 2],
    ],
    { gradient: false },
  ),
  op("linear", (x, w, b) => linear(x, w, b), [[2, 3, 4], [5, 4], [5]], { second: true }),
  op("linear without bias", (x, w) => linear(x, w), [
    [3, 4],
    [5, 4],
  ]),
  op("linear, one vector", (x, w, b) => linear(x, w, b), [[4], [5, 4], [5]]),
  op("linear and gelu", (x, w, b) => linear(x, w, b).gelu("tanh"), [[3, 4], [5, 4], [5]]),
  op("linear and a residual", (x, w, b) => linear(x, w, b).add(x), [[3, 4], [4, 4], [4]]),
  op(
    "einsum, attention scores",
    (q, k) => einsum("bhtk,bhsk->bhts", q, k),
    [
      [2, 2, 3, 4],
      [2, 2, 5, 4],
    ],
    { second: true },
  ),
  op("einsum, three operands", (a, b, c) => einsum("ij,jk,kl->il", a, b, c), [
    [2, 3],
    [3, 4],
    [4, 2],
  ]),
  op("einsum, outer product", (a, b) => einsum("i,j->ji", a, b), [[2], [3]]),
  op("einsum, sums and transposes", a => [einsum("ijk->ki", a), einsum("ijk->", a)], [[2, 3, 4]]),
  op("einsum, elementwise and sums", (a, b) => [einsum("bi,bi->b", a, b), einsum("bi,bj->b", a, b)], [
    [2, 3],
    [2, 3],
  ]),
  op("einsum, without an arrow", (a, b) => einsum("ij,jk", a, b), [
    [2, 3],
    [3, 2],
  ]),
]
