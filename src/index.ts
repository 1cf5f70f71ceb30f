// The front door of heed: tensors, gradients, devices, compiled functions. Layers, models, training and the rest have doors of
// their own (heed/nn, heed/models, heed/train, …), so that opening this one stays cheap.

import { connectRuntime } from "./runtime/index.ts"

connectRuntime()

export {
  type CallOptions,
  type CompiledFunction,
  chosenDevice,
  compile,
  type DeviceInfo,
  type DeviceName,
  type DeviceOptions,
  deviceInfo,
  evaluate,
  evaluateOn,
  type FunctionOptions,
  read,
  scalar,
  useDevice,
} from "./runtime/index.ts"
export * from "./tensor/index.ts"
