import { expect, test } from "vitest"
import { evaluateReference } from "../../src/runtime/reference.ts"
import { arange, eye, linspace, type Tensor, tensor, triangle } from "../../src/tensor/index.ts"

const numbers = (x: Tensor): number[] => [...evaluateReference([x])[0]!]

test("nested arrays and typed arrays", () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  expect([x.shape, x.dtype, numbers(x)]).toEqual([[2, 3], "f32", [1, 2, 3, 4, 5, 6]])
  expect([tensor(3).shape, numbers(tensor(3))]).toEqual([[], [3]])
  expect([tensor([true, false]).dtype, numbers(tensor([true, false]))]).toEqual(["bool", [1, 0]])
  expect(tensor([]).shape).toEqual([0])
  expect(tensor([[], []]).shape).toEqual([2, 0])
  expect(tensor([1, 2, 3, 4], [2, 2], "i32").dtype).toBe("i32")
  expect(tensor(Int32Array.of(1, 2)).dtype).toBe("i32")
  expect(tensor(Uint8Array.of(1, 2)).dtype).toBe("u8")
  expect(tensor(Uint8Array.of(1, 0), [2], "bool").dtype).toBe("bool")
  expect(numbers(tensor(Uint16Array.of(0x3f80, 0xc000), [2], "bf16"))).toEqual([1, -2])
  expect(numbers(tensor(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00), [4], "f16"))).toEqual([
    1,
    -2,
    2 ** -24,
    Infinity,
  ])
})

test("counted numbers", () => {
  expect(numbers(arange(4))).toEqual([0, 1, 2, 3])
  expect(numbers(arange(3, 9, 2))).toEqual([3, 5, 7])
  expect(numbers(arange(3, 0, -1))).toEqual([3, 2, 1])
  expect(numbers(arange(3, 0))).toEqual([])
  expect(numbers(linspace(0, 1, 3))).toEqual([0, 0.5, 1])
  expect(numbers(linspace(2, 9, 1))).toEqual([2])
})

test("identity and triangles", () => {
  expect(numbers(eye(2, 3, -1))).toEqual([0, 0, 0, 1, 0, 0])
  expect(numbers(triangle(2, 3))).toEqual([1, 0, 0, 1, 1, 0])
  const x = arange(6).reshape([2, 3])
  expect(numbers(x.lowerTriangle())).toEqual([0, 0, 0, 3, 4, 0])
  expect(numbers(x.upperTriangle(1))).toEqual([0, 1, 2, 0, 0, 5])
})
