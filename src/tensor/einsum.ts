// Sums of products by letters, "bhtk,bhsk->bhts": operands are joined two at a time, each time as one batched matrix product.

import { checkTensorLists, checkTexts } from "./arguments.ts"
import { ShapeError } from "./errors.ts"
import { matmul } from "./ops/matmul.ts"
import { permute, reshape } from "./ops/move.ts"
import { sum } from "./ops/reduce.ts"
import { formatShape, sizeOf } from "./shape.ts"
import type { Tensor } from "./tensor.ts"

interface Operand {
  readonly x: Tensor
  /** One letter for each axis. */
  readonly letters: string
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[]; output: string } {
  const [left, right, more] = equation.replaceAll(" ", "").split("->")
  const inputs = (left ?? "").split(",")
  const fail = (why: string): ShapeError =>
    new ShapeError(`einsum: expected an equation like "bij,bjk->bik", but got "${equation}" (${why})`)
  if (more !== undefined || !/^[A-Za-z]*(,[A-Za-z]*)*$/.test(left ?? "") || !/^[A-Za-z]*$/.test(right ?? ""))
    throw fail("letters, commas and one arrow")
  if (inputs.length !== operands.length) throw fail(`${inputs.length} terms for ${operands.length} tensors`)
  const all = inputs.join("")
  // without an arrow: letters that occur once, in alphabetical order
  const output =
    right ??
    [...new Set(all)]
      .filter(c => all.indexOf(c) === all.lastIndexOf(c))
      .sort()
      .join("")
  for (const term of [...inputs, output])
    if (new Set(term).size !== term.length) throw fail(`a letter twice in "${term}"; take the diagonal with takeAlong`)
  for (const c of output) if (!all.includes(c)) throw fail(`${c} only on the right`)
  const sizes = new Map<string, number>()
  for (const [i, term] of inputs.entries()) {
    const { shape } = operands[i]!
    if (term.length !== shape.length) throw fail(`"${term}" for a tensor ${formatShape(shape)}`)
    for (const [axis, c] of [...term].entries()) {
      const known = sizes.get(c)
      if (known !== undefined && known !== shape[axis]) throw fail(`${c} is ${known} and ${shape[axis]}`)
      sizes.set(c, shape[axis]!)
    }
  }
  return { inputs, output }
}

const sizesOf = ({ x, letters }: Operand, wanted: string): number[] =>
  [...wanted].map(c => x.shape[letters.indexOf(c)]!)

/** Axes in the order of `wanted`, which has the same letters. */
function arrange({ x, letters }: Operand, wanted: string): Tensor {
  return permute(
    x,
    [...wanted].map(c => letters.indexOf(c)),
  )
}

/** Sums the letters that nobody else needs. */
function dropLetters({ x, letters }: Operand, needed: string): Operand {
  const gone = [...letters].flatMap((c, i) => (needed.includes(c) ? [] : [i]))
  return gone.length === 0
    ? { x, letters }
    : { x: sum(x, gone), letters: [...letters].filter(c => needed.includes(c)).join("") }
}

function join(a: Operand, b: Operand, needed: string): Operand {
  const left = dropLetters(a, b.letters + needed)
  const right = dropLetters(b, a.letters + needed)
  const shared = [...left.letters].filter(c => right.letters.includes(c))
  const batch = shared.filter(c => needed.includes(c)).join("")
  const inner = shared.filter(c => !needed.includes(c)).join("")
  const rows = [...left.letters].filter(c => !right.letters.includes(c)).join("")
  const columns = [...right.letters].filter(c => !left.letters.includes(c)).join("")
  const lead = sizesOf(left, batch)
  const k = sizeOf(sizesOf(left, inner))
  const x = reshape(arrange(left, batch + rows + inner), [...lead, sizeOf(sizesOf(left, rows)), k])
  const y = reshape(arrange(right, batch + inner + columns), [...lead, k, sizeOf(sizesOf(right, columns))])
  const shape = [...lead, ...sizesOf(left, rows), ...sizesOf(right, columns)]
  return { x: reshape(matmul(x, y), shape), letters: batch + rows + columns }
}

/**
 * Products of elements summed over letters that are not on the right: einsum("bhtk,bhsk->bhts", q, k). Without an arrow, letters that occur
 * once stay, in alphabetical order. Throws ShapeError.
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  checkTensorLists("einsum", { operands })
  checkTexts("einsum", { equation })
  const { inputs, output } = parse(equation, operands)
  let current: Operand = { x: operands[0]!, letters: inputs[0]! }
  for (let i = 1; i < operands.length; i++) {
    const needed = output + inputs.slice(i + 1).join("")
    current = join(current, { x: operands[i]!, letters: inputs[i]! }, needed)
  }
  return arrange(dropLetters(current, output), output)
}
