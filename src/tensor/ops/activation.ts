// Activations that are one of several forms.

import { checkTensors } from "../arguments.ts"
import { ValueError } from "../errors.ts"
import type { Tensor } from "../tensor.ts"
import { geluErf, geluQuick, geluTanh } from "./pointwise.ts"

const forms = { erf: geluErf, tanh: geluTanh, quick: geluQuick } as const

/** Forms of the Gaussian error linear unit: exact, its tanh approximation (GPT-2), or x · sigmoid(1.702 x) (CLIP). */
export type GeluForm = keyof typeof forms

/** Gaussian error linear unit (Hendrycks and Gimpel 2016). Throws ValueError for an unknown form. */
export function gelu(x: Tensor, form: GeluForm = "erf"): Tensor {
  checkTensors("gelu", { x })
  if (!Object.hasOwn(forms, form))
    throw new ValueError(`gelu: expected one of ${Object.keys(forms).join(", ")}, but got ${String(form)}`)
  return forms[form](x)
}
