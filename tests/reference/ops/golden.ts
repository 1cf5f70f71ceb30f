// Golden numbers of the original implementations: `HEED_REFERENCE` names another folder of them (its `ops/` is read).
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSafetensors, toFloat32 } from "../../../src/files/pure.ts"

const folder = process.env.HEED_REFERENCE ? join(process.env.HEED_REFERENCE, "ops") : import.meta.dirname

/** The JSON file of an operation. */
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as T
}

/** A tensor of the operation's safetensors file, by its key. */
export interface Golden {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** The tensors of an operation, by key. */
export function goldenTensors(name: string): (key: string) => Golden {
  const file = parseSafetensors(new Uint8Array(readFileSync(join(folder, `${name}.safetensors`))), name)
  return key => {
    const tensor = file.read(key)
    return { shape: tensor.shape, data: toFloat32(tensor, key) }
  }
}
