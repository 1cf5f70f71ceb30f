// Vectors as tasks give them, and how alike two are.

import type { HostTensor } from "./host-tensor.ts"

/** A block of vectors. */
export type Features = HostTensor<Float32Array>

/** Cosine of the angle between two vectors: 1 alike, 0 unrelated, -1 opposite. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! * a[i]!
    bb += b[i]! * b[i]!
  }
  return dot / Math.max(Math.sqrt(aa) * Math.sqrt(bb), 1e-12)
}
