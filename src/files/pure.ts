// The part of this room that needs no file system: it runs in a browser. `index.ts` adds the part for Node.
export { FileError, formatBytes } from "./errors.ts"
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./halves.ts"
export {
  bitsOf,
  castFloats,
  type FloatType,
  type HostData,
  type HostTensor,
  type HostType,
  isFloat,
  isHostType,
  toFloat32,
  toInt32,
} from "./host.ts"
export { type JsonOptions, jsonText } from "./json.ts"
export {
  type LazyTensor,
  parseSafetensors,
  type SafetensorsBytes,
  type SafetensorsOptions,
  type SizedContent,
  safetensorsBytes,
  safetensorsContent,
  type TensorRecord,
} from "./safetensors-bytes.ts"
export type { TensorInfo } from "./safetensors-header.ts"
