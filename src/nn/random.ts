// Random numbers of layers in training. The key is an input of the step, so dropout differs between steps and repeats between runs.

import { HeedError, type Tensor, withStreams } from "../tensor/index.ts"

const keys: Tensor[] = []

/**
 * Runs `fn` while layers such as dropout draw from `key` (i32 [2], see randomKey; known when the program runs). Streams are counted
 * from 0, so what is drawn depends on the key and the order of layers only.
 */
export function withRandom<R>(key: Tensor, fn: () => R): R {
  keys.push(key)
  try {
    return withStreams(fn)
  } finally {
    keys.pop()
  }
}

/** The key that layers draw from now. Throws HeedError outside of withRandom. */
export function randomOf(what: string): Tensor {
  const key = keys.at(-1)
  if (!key)
    throw new HeedError(
      `${what}: expected a random key in training, but there is none`,
      "run it inside withRandom(key, () => …), or call eval() first",
    )
  return key
}
