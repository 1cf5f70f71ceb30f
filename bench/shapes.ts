// Shapes that benches share: the products of a 10.8M-parameter GPT (D 384, L 6, H 6, T 256, batch 8).

/** m × k times k × n. */
export interface Product {
  readonly name: string
  readonly m: number
  readonly n: number
  readonly k: number
}

const tokens = 8 * 256

/** 1024³ and the forward and backward products of the GPT's linear layers. */
export const products: readonly Product[] = [
  { name: "1024³", m: 1024, n: 1024, k: 1024 },
  { name: "qkv", m: tokens, n: 1152, k: 384 },
  { name: "out", m: tokens, n: 384, k: 384 },
  { name: "up", m: tokens, n: 1536, k: 384 },
  { name: "down", m: tokens, n: 384, k: 1536 },
  { name: "d-weight", m: 1536, n: 384, k: tokens },
]
