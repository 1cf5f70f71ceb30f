// What operations ask of the element types of their inputs.

import { TypeMismatchError } from "../errors.ts"
import type { DType, Tensor } from "../tensor.ts"
import { cast } from "./pointwise.ts"

const floatTypes: readonly DType[] = ["f32", "bf16", "f16"]

/** x as f32; storage types are widened. Throws TypeMismatchError for whole numbers and truth values. */
export function floating(what: string, x: Tensor): Tensor {
  if (!floatTypes.includes(x.dtype))
    throw new TypeMismatchError(
      `${what}: expected floating-point numbers, but got ${x.dtype}`,
      'cast it: x.cast("f32")',
    )
  return cast(x, "f32")
}

/** x, which must be i32 (u8 is widened). Throws TypeMismatchError. */
export function wholeNumbers(what: string, x: Tensor): Tensor {
  if (x.dtype !== "i32" && x.dtype !== "u8")
    throw new TypeMismatchError(`${what}: expected whole numbers (i32), but got ${x.dtype}`, 'cast them: x.cast("i32")')
  return cast(x, "i32")
}

/** x, which must be bool. Throws TypeMismatchError. */
export function truthValues(what: string, x: Tensor): Tensor {
  if (x.dtype !== "bool")
    throw new TypeMismatchError(`${what}: expected bool, but got ${x.dtype}`, "compare first: x.ne(0)")
  return x.current()
}
