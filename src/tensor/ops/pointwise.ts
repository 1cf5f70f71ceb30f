// Elementwise operations: each record holds its renderings together (TypeScript for the reference device, C++ over
// kernels/vector.h for the virtual machine) and its gradient. Inputs broadcast first, so nodes always see equal shapes.

import { checkTensors, describeValue } from "../arguments.ts"
import { TypeMismatchError, ValueError } from "../errors.ts"
import { applyOne, type OpRecord } from "../op.ts"
import { broadcastShapes } from "../shape.ts"
import { type Attributes, type DType, Tensor } from "../tensor.ts"
import { constantOf, full } from "./constant.ts"
import { instructions, machineType, promote } from "./instructions.ts"
import { broadcastTo } from "./move.ts"

/** A number or a tensor; numbers take the type of the other operand. */
export type Operand = Tensor | number

type Kind = "float" | "number" | "compare" | "logic"

interface Rendering {
  readonly js: (a: number, b: number, c: number) => number
  readonly cpp: string
  /** C++ for i32 where it differs. */
  readonly cppInt?: string
  /** TypeScript for i32 where it differs. */
  readonly jsInt?: (a: number, b: number, c: number) => number
  readonly grad?: (g: Tensor, inputs: readonly Tensor[], y: Tensor) => (Tensor | null)[]
  readonly compose?: (inputs: readonly Tensor[]) => Tensor
  readonly simplify?: (inputs: readonly Tensor[]) => Tensor | null
}

function pointwiseRecord(name: string, arity: number, kind: Kind, rendering: Rendering): OpRecord<Attributes> {
  const { js, cpp, grad, compose, simplify } = rendering
  const jsInt = rendering.jsInt ?? js
  if (kind === "float" || kind === "number") instructions.push({ name: `${name}.f32`, arity, signature: "ff", cpp })
  if (kind === "number")
    instructions.push({ name: `${name}.i32`, arity, signature: "ii", cpp: rendering.cppInt ?? cpp })
  if (kind === "compare") {
    instructions.push({ name: `${name}.f32`, arity, signature: "fb", cpp: `to_bool(${cpp})` })
    instructions.push({ name: `${name}.i32`, arity, signature: "ib", cpp: `to_bool(${cpp})` })
  }
  if (kind === "logic") instructions.push({ name: `${name}.bool`, arity, signature: "bb", cpp })
  return {
    name,
    shape: inputs => ({
      shape: inputs[0]!.shape,
      dtype: kind === "compare" || kind === "logic" ? "bool" : machineType[inputs[0]!.dtype],
    }),
    pointwise: { opcode: inputs => `${name}.${machineType[inputs[0]!]}` },
    loop: (inputs, outputs) => {
      const out = outputs[0]!.data
      const [a, b, c] = inputs.map(input => input.data)
      const f = inputs[0]!.dtype === "f32" ? js : jsInt
      for (let i = 0; i < out.length; i++) out[i] = Number(f(a![i]!, b?.[i] ?? 0, c?.[i] ?? 0))
    },
    ...(compose ? { compose: (inputs: readonly Tensor[]) => compose(inputs) } : {}),
    ...(grad ? { grad: ([g], inputs, [y]) => grad(g!, inputs, y!) } : {}),
    ...(simplify ? { simplify } : {}),
    ...(kind === "compare" || kind === "logic" ? { flat: true } : {}),
  }
}

/** The type an operation of this kind computes in, given its inputs' types. */
function computeType(name: string, kind: Kind, types: readonly DType[]): "f32" | "i32" | "bool" {
  const type = promote(types)
  if (kind === "float") return "f32"
  if (kind === "logic") {
    if (type !== "bool")
      throw new TypeMismatchError(`${name}: expected bool, but got ${types.join(" and ")}`, "compare first: x.ne(0)")
    return "bool"
  }
  return type === "bool" ? "i32" : type
}

/** Numbers become constants of the type of the tensors beside them; every operand gets one type and one shape. */
function align(name: string, kind: Kind, operands: readonly Operand[]): Tensor[] {
  const tensors = operands.filter(operand => operand instanceof Tensor)
  for (const operand of operands)
    if (!(operand instanceof Tensor) && typeof operand !== "number" && typeof operand !== "boolean")
      throw new TypeMismatchError(`${name}: expected a tensor or a number, but got ${typeof operand}`)
  const types: DType[] = tensors.map(t => t.dtype)
  for (const operand of operands)
    if (typeof operand === "number" && (!Number.isInteger(operand) || tensors.length === 0)) types.push("f32")
  const type = computeType(name, kind, types)
  const shape = broadcastShapes(
    name,
    tensors.map(t => t.shape),
  )
  return operands.map(operand =>
    operand instanceof Tensor
      ? broadcastTo(operand.dtype === type ? operand : cast(operand, type), shape)
      : full(shape, Number(operand), type),
  )
}

function unary(name: string, kind: Kind, rendering: Rendering): (x: Tensor) => Tensor {
  const record = pointwiseRecord(name, 1, kind, rendering)
  return x => applyOne(record, align(name, kind, [x]), {})
}

function binary(name: string, kind: Kind, rendering: Rendering): (a: Operand, b: Operand) => Tensor {
  const record = pointwiseRecord(name, 2, kind, rendering)
  return (a, b) => applyOne(record, align(name, kind, [a, b]), {})
}

// cast: from the machine type of the input to f32, i32 or bool; storage types are made when the value is stored.
for (const [name, signature, cpp] of [
  ["copy.f32", "ff", "a"],
  ["copy.i32", "ii", "a"],
  ["copy.bool", "bb", "a"],
  ["cast.i32.f32", "if", "to_float(a)"],
  ["cast.f32.i32", "fi", "to_int(a)"],
  ["cast.f32.bool", "fb", "to_bool(a != 0.0f)"],
  ["cast.i32.bool", "ib", "to_bool(a != 0)"],
  ["cast.bool.f32", "bf", "to_float(a)"],
  ["cast.bool.i32", "bi", "a"],
] as const)
  instructions.push({ name, arity: 1, signature, cpp })

const castRecord: OpRecord<{ dtype: DType }> = {
  name: "cast",
  shape: ([x], { dtype }) => ({ shape: x!.shape, dtype }),
  pointwise: {
    opcode: ([from], attributes) => {
      const [source, target] = [machineType[from!], machineType[attributes.dtype as DType]]
      return source === target ? `copy.${source}` : `cast.${source}.${target}`
    },
  },
  loop: ([x], [out], { dtype }) => {
    const target = machineType[dtype]
    for (let i = 0; i < out!.data.length; i++) {
      const value = x!.data[i]!
      out!.data[i] = target === "bool" ? Number(value !== 0) : target === "i32" ? Math.trunc(value) : value
    }
  },
  grad: ([g], [x], _, { dtype }) => [
    machineType[dtype] === "f32" && machineType[x!.dtype] === "f32" ? cast(g!, "f32") : null,
  ],
}

/** The same numbers in another element type; f32 to i32 cuts towards zero, to bool is `!= 0`. */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkTensors("cast", { x })
  if (!Object.hasOwn(machineType, dtype))
    throw new TypeMismatchError(
      `cast: expected one of ${Object.keys(machineType).join(", ")}, but got ${describeValue(dtype)}`,
    )
  return x.dtype === dtype ? x.current() : applyOne(castRecord, [x], { dtype })
}

const isFull = (x: Tensor | undefined, value: number): boolean => x !== undefined && Object.is(constantOf(x), value)
const zero = (x: Tensor): Tensor => full(x.shape, 0)

/** a + b */
export const add = binary("add", "number", {
  js: (a, b) => a + b,
  cpp: "a + b",
  cppInt: "wrapping_add(a, b)",
  jsInt: (a, b) => (a + b) | 0,
  grad: g => [g, g],
  simplify: ([a, b]) => (isFull(b, 0) ? a! : isFull(a, 0) ? b! : null),
})
/** a - b */
export const sub = binary("sub", "number", {
  js: (a, b) => a - b,
  cpp: "a - b",
  cppInt: "wrapping_sub(a, b)",
  jsInt: (a, b) => (a - b) | 0,
  grad: g => [g, neg(g)],
})
/** a · b */
export const mul = binary("mul", "number", {
  js: (a, b) => a * b,
  cpp: "a * b",
  cppInt: "wrapping_mul(a, b)",
  jsInt: Math.imul,
  grad: (g, [a, b]) => [mul(g, b!), mul(g, a!)],
  simplify: ([a, b]) => (isFull(b, 1) ? a! : isFull(a, 1) ? b! : null),
})
/** a / b, in floating point */
export const div = binary("div", "float", {
  js: (a, b) => a / b,
  cpp: "a / b",
  grad: (g, [, b], y) => [div(g, b!), neg(div(mul(g, y), b!))],
})
/** a to the power of b */
export const pow = binary("pow", "float", {
  js: (a, b) => a ** b,
  cpp: "pow(a, b)",
  grad: (g, [a, b], y) => {
    // at a = 0 the derivative by b is 0 (its limit for b > 0)
    const logarithm = log(where(gt(a!, 0), a!, 1))
    return [mul(g, mul(b!, pow(a!, sub(b!, 1)))), mul(g, mul(y, logarithm))]
  },
})
/** -x */
export const neg = unary("neg", "number", {
  js: a => -a,
  cpp: "-a",
  cppInt: "wrapping_neg(a)",
  jsInt: a => -a | 0,
  grad: g => [neg(g)],
})
/** |x| */
export const abs = unary("abs", "number", {
  js: Math.abs,
  cpp: "abs(a)",
  jsInt: a => Math.abs(a) | 0,
  grad: (g, [x]) => [mul(g, sign(x!))],
})
/** -1, 0 or 1 */
export const sign = unary("sign", "number", { js: Math.sign, cpp: "sign(a)", grad: g => [zero(g)] })
/** eˣ */
export const exp = unary("exp", "float", { js: Math.exp, cpp: "exp(a)", grad: (g, _, y) => [mul(g, y)] })
/** natural logarithm */
export const log = unary("log", "float", { js: Math.log, cpp: "log(a)", grad: (g, [x]) => [div(g, x!)] })
/** log(1 + x), exact for small x */
export const log1p = unary("log1p", "float", {
  js: Math.log1p,
  cpp: "log1p(a)",
  grad: (g, [x]) => [div(g, add(x!, 1))],
})
/** eˣ - 1, exact for small x */
export const expm1 = unary("expm1", "float", {
  js: Math.expm1,
  cpp: "expm1(a)",
  grad: (g, _, y) => [mul(g, add(y, 1))],
})
/** square root */
export const sqrt = unary("sqrt", "float", { js: Math.sqrt, cpp: "sqrt(a)", grad: (g, _, y) => [div(mul(g, 0.5), y)] })
/** 1 / √x */
export const rsqrt = unary("rsqrt", "float", {
  js: a => 1 / Math.sqrt(a),
  cpp: "1.0f / sqrt(a)",
  grad: (g, [x], y) => [mul(mul(g, -0.5), div(y, x!))],
})
/** sine of an angle in radians */
export const sin = unary("sin", "float", { js: Math.sin, cpp: "sin(a)", grad: (g, [x]) => [mul(g, cos(x!))] })
/** cosine of an angle in radians */
export const cos = unary("cos", "float", { js: Math.cos, cpp: "cos(a)", grad: (g, [x]) => [neg(mul(g, sin(x!)))] })
/** hyperbolic tangent */
export const tanh = unary("tanh", "float", {
  js: Math.tanh,
  cpp: "tanh(a)",
  grad: (g, _, y) => [mul(g, sub(1, mul(y, y)))],
})
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = unary("sigmoid", "float", {
  js: a => 1 / (1 + Math.exp(-a)),
  cpp: "sigmoid(a)",
  grad: (g, _, y) => [mul(g, mul(y, sub(1, y)))],
})

/** Error function by its series and continued fraction, to double precision. */
function erfNumber(x: number): number {
  const a = Math.abs(x)
  if (a > 6) return Math.sign(x)
  if (a < 2.5) {
    let term = a
    let sum = a
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 200; n++) {
      term *= (-a * a) / n
      sum += term / (2 * n + 1)
    }
    return Math.sign(x) * sum * (2 / Math.sqrt(Math.PI))
  }
  let fraction = 0
  for (let n = 120; n > 0; n--) fraction = n / 2 / (a + fraction)
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)))
}

const twoOverRootPi = 2 / Math.sqrt(Math.PI)
const rootTwoOverPi = Math.sqrt(2 / Math.PI)

/** Error function */
export const erf = unary("erf", "float", {
  js: a => (Number.isNaN(a) ? a : erfNumber(a)),
  cpp: "erf(a)",
  grad: (g, [x]) => [mul(g, mul(exp(neg(mul(x!, x!))), twoOverRootPi))],
})
/** max(x, 0) */
export const relu = unary("relu", "number", {
  js: a => (a > 0 || Number.isNaN(a) ? a : 0),
  cpp: "relu(a)",
  grad: (g, [x]) => [where(gt(x!, 0), g, 0)],
})
/** Gaussian error linear unit, x · Φ(x), with the exact Φ (Hendrycks and Gimpel 2016). */
export const geluErf = unary("gelu_erf", "float", {
  js: a => 0.5 * a * (1 + erfNumber(a * Math.SQRT1_2)),
  cpp: "gelu_erf(a)",
  grad: (g, [x]) => [mul(g, geluErfSlope(x!))],
})
const geluErfSlope = unary("gelu_erf_slope", "float", {
  js: a => 0.5 * (1 + erfNumber(a * Math.SQRT1_2)) + (a * Math.exp(-0.5 * a * a)) / Math.sqrt(2 * Math.PI),
  cpp: "gelu_erf_slope(a)",
  compose: ([x]) =>
    add(
      mul(add(erf(mul(x!, Math.SQRT1_2)), 1), 0.5),
      mul(mul(x!, 1 / Math.sqrt(2 * Math.PI)), exp(mul(mul(x!, x!), -0.5))),
    ),
})
/** GELU with the tanh approximation of GPT-2. */
export const geluTanh = unary("gelu_tanh", "float", {
  js: a => 0.5 * a * (1 + Math.tanh(rootTwoOverPi * (a + 0.044715 * a * a * a))),
  // 0.5 (1 + tanh(u)) = sigmoid(2 u)
  cpp: "a * sigmoid(1.5957691216057308f * (a + 0.044715f * a * a * a))",
  grad: (g, [x]) => [mul(g, geluTanhSlope(x!))],
})
const geluTanhSlope = unary("gelu_tanh_slope", "float", {
  js: a => {
    const t = Math.tanh(rootTwoOverPi * (a + 0.044715 * a * a * a))
    return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * rootTwoOverPi * (1 + 3 * 0.044715 * a * a)
  },
  cpp: "gelu_tanh_slope(a)",
  compose: ([x]) => {
    const t = tanh(mul(add(x!, mul(mul(mul(x!, x!), x!), 0.044715)), rootTwoOverPi))
    const inner = mul(add(mul(mul(x!, x!), 3 * 0.044715), 1), rootTwoOverPi)
    return add(mul(add(t, 1), 0.5), mul(mul(mul(x!, 0.5), sub(1, mul(t, t))), inner))
  },
})
/** x · sigmoid(1.702 x), the quick GELU of CLIP and GPT-1's successors. */
export const geluQuick = unary("gelu_quick", "float", {
  js: a => a / (1 + Math.exp(-1.702 * a)),
  cpp: "a * sigmoid(1.702f * a)",
  grad: (g, [x]) => {
    const s = sigmoid(mul(x!, 1.702))
    return [mul(g, mul(s, add(mul(mul(x!, 1.702), sub(1, s)), 1)))]
  },
})
/** x · sigmoid(x), also called swish */
export const silu = unary("silu", "float", {
  js: a => a / (1 + Math.exp(-a)),
  cpp: "a * sigmoid(a)",
  grad: (g, [x]) => {
    const s = sigmoid(x!)
    return [mul(g, mul(s, add(mul(x!, sub(1, s)), 1)))]
  },
})
/** log(1 + eˣ) without overflow */
export const softplus = unary("softplus", "float", {
  js: a => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  cpp: "softplus(a)",
  grad: (g, [x]) => [mul(g, sigmoid(x!))],
})
/** The larger of a and b; NaN where either is. Equal numbers share the gradient. */
export const maximum = binary("maximum", "number", {
  js: (a, b) => Math.max(a, b),
  cpp: "max(a, b)",
  grad: (g, [a, b]) => [
    where(gt(a!, b!), g, where(eq(a!, b!), mul(g, 0.5), 0)),
    where(gt(b!, a!), g, where(eq(a!, b!), mul(g, 0.5), 0)),
  ],
})
/** The smaller of a and b; NaN where either is. Equal numbers share the gradient. */
export const minimum = binary("minimum", "number", {
  js: (a, b) => Math.min(a, b),
  cpp: "min(a, b)",
  grad: (g, [a, b]) => [
    where(lt(a!, b!), g, where(eq(a!, b!), mul(g, 0.5), 0)),
    where(lt(b!, a!), g, where(eq(a!, b!), mul(g, 0.5), 0)),
  ],
})
/** Largest whole number <= x */
export const floor = unary("floor", "float", { js: Math.floor, cpp: "floor(a)", grad: g => [zero(g)] })
/** Nearest whole number, halves to even */
export const round = unary("round", "float", {
  js: a => {
    const down = Math.floor(a)
    if (a - down !== 0.5) return Math.round(a)
    return down % 2 === 0 ? down : down + 1
  },
  cpp: "round(a)",
  grad: g => [zero(g)],
})
/** a == b */
export const eq = binary("eq", "compare", { js: (a, b) => Number(a === b), cpp: "a == b" })
/** a != b */
export const ne = binary("ne", "compare", { js: (a, b) => Number(a !== b), cpp: "a != b" })
/** a < b */
export const lt = binary("lt", "compare", { js: (a, b) => Number(a < b), cpp: "a < b" })
/** a <= b */
export const le = binary("le", "compare", { js: (a, b) => Number(a <= b), cpp: "a <= b" })
/** a > b */
export const gt = binary("gt", "compare", { js: (a, b) => Number(a > b), cpp: "a > b" })
/** a >= b */
export const ge = binary("ge", "compare", { js: (a, b) => Number(a >= b), cpp: "a >= b" })
/** both are true */
export const logicalAnd = binary("and", "logic", { js: (a, b) => a & b, cpp: "a & b" })
/** at least one is true */
export const logicalOr = binary("or", "logic", { js: (a, b) => a | b, cpp: "a | b" })
/** exactly one is true */
export const logicalXor = binary("xor", "logic", { js: (a, b) => a ^ b, cpp: "a ^ b" })
/** true where x is false */
export const logicalNot = unary("not", "logic", { js: a => 1 - a, cpp: "a ^ 1" })

for (const [name, signature] of [
  ["where.f32", "sf"],
  ["where.i32", "si"],
] as const)
  instructions.push({ name, arity: 3, signature, cpp: "select(a, b, c)" })

const whereRecord: OpRecord<Attributes> = {
  name: "where",
  shape: ([, a]) => ({ shape: a!.shape, dtype: a!.dtype }),
  pointwise: { opcode: ([, type]) => `where.${type === "f32" ? "f32" : "i32"}` },
  loop: ([condition, a, b], [out]) => {
    for (let i = 0; i < out!.data.length; i++) out!.data[i] = condition!.data[i] ? a!.data[i]! : b!.data[i]!
  },
  grad: ([g], [condition]) => [null, where(condition!, g!, 0), where(condition!, 0, g!)],
}

/** a where the condition holds, b elsewhere. Numbers take the type of the other side. Throws TypeMismatchError when the condition is not bool. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  checkTensors("where", { condition })
  if (condition.dtype !== "bool")
    throw new TypeMismatchError(
      `where: expected a bool condition, but got ${condition.dtype}`,
      "compare first: x.ne(0)",
    )
  for (const [name, operand] of Object.entries({ a, b }))
    if (!(operand instanceof Tensor) && typeof operand !== "number")
      throw new TypeMismatchError(
        `where: expected ${name} to be a tensor or a number, but got ${describeValue(operand)}`,
      )
  const [x, y] = alignPair(a, b)
  const shape = broadcastShapes("where", [condition.shape, x.shape, y.shape], ["condition", "a", "b"])
  return applyOne(whereRecord, [broadcastTo(condition, shape), broadcastTo(x, shape), broadcastTo(y, shape)], {})
}

function alignPair(a: Operand, b: Operand): [Tensor, Tensor] {
  const types = [a, b].flatMap((operand): DType[] =>
    operand instanceof Tensor ? [operand.dtype] : Number.isInteger(operand) ? [] : ["f32"],
  )
  const type = types.length === 0 ? "f32" : promote(types)
  const make = (operand: Operand): Tensor =>
    operand instanceof Tensor ? cast(operand, type) : full([], Number(operand), type)
  return [make(a), make(b)]
}

/** x held between low and high. */
export function clamp(x: Tensor, low = -Infinity, high = Infinity): Tensor {
  checkTensors("clamp", { x })
  if (typeof low !== "number" || typeof high !== "number" || !(low <= high))
    throw new ValueError(`clamp: expected low <= high, but got ${low} and ${high}`)
  const raised = low === -Infinity ? x.current() : where(lt(x, low), low, x)
  return high === Infinity ? raised : where(gt(raised, high), high, raised)
}

/** x without a gradient: whatever is computed from it counts as constant. */
export function stopGradient(x: Tensor): Tensor {
  checkTensors("stopGradient", { x })
  return applyOne(stopGradientRecord, [x], {})
}

const stopGradientRecord: OpRecord<Attributes> = {
  name: "stopGradient",
  shape: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  view: input => input,
  loop: ([x], [out]) => out!.data.set(x!.data),
  flat: true,
}

export { opcodeOf } from "./instructions.ts"
export { constantOf, full, instructions, promote }
