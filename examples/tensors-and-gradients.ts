// Tensors are lazy descriptions; gradients are tensors like any other, so they have gradients too.
import { grad, tensor } from "heed"

const x = tensor([-1, 0, 1, 2])
const y = x.pow(3).sub(x.mul(2)) // nothing is computed yet
const [slope] = grad(y.sum(), [x]) as [typeof x]
const [curvature] = grad(slope.sum(), [x]) as [typeof x]

console.log("x³ - 2x      ", [...(await y.read())])
console.log("3x² - 2      ", [...(await slope.read())])
console.log("6x           ", [...(await curvature.read())])

// a shape that does not fit is an error that says so
try {
  tensor([[1, 2, 3]]).add(tensor([1, 2]))
} catch (error) {
  console.log((error as Error).message)
}
