// Golden numbers of activations.

import type { Tensor } from "../../../src/tensor/index.ts"
import { where } from "../../../src/tensor/index.ts"
import { checkGolden } from "./check.ts"

const on = (f: (x: Tensor) => Tensor) => (inputs: Record<string, Tensor>) => ({ y: f(inputs.x!) })

const elu = (x: Tensor, alpha: number): Tensor => where(x.gt(0), x, where(x.gt(0), 0, x).expm1().mul(alpha))

/** inside(x) between low and high, both left out (where PyTorch's slope is the outer one), below and above outside. */
const between = (
  x: Tensor,
  low: number,
  high: number,
  inside: Tensor,
  below: Tensor | number,
  above: Tensor | number,
) => where(x.gt(low), where(x.lt(high), inside, above), below)

await checkGolden("activations", {
  gelu: on(x => x.gelu()),
  gelu_tanh: on(x => x.gelu("tanh")),
  gelu_new: on(x => x.gelu("tanh")),
  gelu_fast: on(x => x.gelu("tanh")),
  quick_gelu: on(x => x.gelu("quick")),
  gelu_10: on(x => x.gelu().clamp(-10, 10)),
  silu: on(x => x.silu()),
  relu: on(x => x.relu()),
  relu2: on(x => x.relu().pow(2)),
  relu6: on(x => between(x, 0, 6, x, 0, 6)),
  sigmoid: on(x => x.sigmoid()),
  tanh: on(x => x.tanh()),
  softplus: on(x => x.softplus()),
  mish: on(x => x.mul(x.softplus().tanh())),
  elu: on(x => elu(x, 1)),
  selu: on(x => elu(x, 1.6732632423543772).mul(1.0507009873554805)),
  leaky_relu: on(x => where(x.gt(0), x, x.mul(0.01))),
  hardswish: on(x => where(x.ge(3), x, where(x.ge(-3), x.mul(x.add(3)).div(6), 0))),
  hardsigmoid: on(x => between(x, -3, 3, x.add(3).div(6), 0, 1)),
  softsign: on(x => x.div(x.abs().add(1))),
  logsigmoid: on(x => x.neg().softplus().neg()),
  erf: on(x => x.erf()),
  laplace: on(x =>
    x
      .sub(707107e-6)
      .div(0.282095 * Math.SQRT2)
      .erf()
      .add(1)
      .mul(0.5),
  ),
  glu: on(x => {
    const [a, b] = x.split(x.shape.at(-1)! / 2, -1)
    return a!.mul(b!.sigmoid())
  }),
  swiglu: ({ gate, up }) => ({ y: gate!.silu().mul(up!) }),
})
