// Sparse attention forward and backward up to 32k positions: how time and memory grow when the length doubles, and how much faster each kind is
// than full streaming attention on the same device.

import {
  type AttentionPattern,
  attention,
  blockSparse,
  dilatedWindow,
  fixed,
  globalWindow,
  grad,
  slidingWindow,
  strided,
  type Tensor,
  tensor,
} from "../src/index.ts"
import { Initializer, LSHAttention } from "../src/nn/index.ts"
import { compileFunction } from "../src/runtime/compiled.ts"
import { engineOf } from "../src/runtime/index.ts"
import { type Question, type Row, timed } from "./question.ts"

const [B, H, K, window] = [1, 2, 64, 128]

/** What is asked of q, k and v [B H T K]. */
interface Kind {
  readonly name: string
  /** How many keys a query sees grows with the root of the length, as published. */
  readonly root?: boolean
  readonly causal: boolean
  pattern(T: number): AttentionPattern
}

/** Each block of 64 sees itself, its neighbours, the first one and one far away. */
const ladder = (T: number): AttentionPattern => {
  const n = T / 64
  const row = (r: number): number[] => [0, r - 1, r, r + 1, (r * 7 + 3) % n].filter(c => c >= 0 && c < n)
  return blockSparse(
    64,
    Array.from({ length: n }, (_, r) => row(r)),
  )
}

const marks = (T: number): Tensor =>
  tensor(
    Uint8Array.from({ length: B * T }, (_, i) => Number(i % T < 8)),
    [B, T],
    "bool",
  )

const root = (T: number): number => 2 ** Math.round(Math.log2(T) / 2)

const kinds: readonly Kind[] = [
  { name: "sliding window", causal: false, pattern: () => slidingWindow(window) },
  { name: "dilated window", causal: false, pattern: () => dilatedWindow(window, 4) },
  { name: "block-sparse", causal: false, pattern: ladder },
  { name: "global window", causal: false, pattern: T => globalWindow(window, marks(T)) },
  { name: "strided", causal: true, root: true, pattern: T => strided(root(T)) },
  { name: "fixed", causal: true, root: true, pattern: T => fixed(root(T)) },
]

const heads = (T: number): Tensor =>
  tensor(
    Float32Array.from({ length: B * H * T * K }, (_, i) => Math.sin(i * 0.7)),
    [B, H, T, K],
  )

interface Measured {
  readonly ms: number
  readonly bytes: number
}

/** A compiled step with its inputs. */
interface Step {
  run(): Promise<unknown>
  bytes(): number
}

async function compiled(run: (...x: Tensor[]) => Tensor[], inputs: readonly Tensor[]): Promise<Step> {
  const engine = await engineOf("auto")
  const step = compileFunction(async () => engine, run)
  await step(...inputs)
  return {
    run: () => step(...inputs),
    bytes: () => [...step.programs().values()][0]!.memory.arenaBytes,
  }
}

/** The fastest run of each of several steps, taken in turns: what disturbs one disturbs the others alike. */
async function measure(steps: readonly Step[], count: number): Promise<Measured[]> {
  const best = steps.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < count; round++)
    for (const [i, step] of steps.entries()) {
      const [ms = Number.NaN] = await timed(() => step.run(), 1, 0)
      best[i] = Math.min(best[i]!, ms)
    }
  return steps.map((step, i) => ({ ms: best[i]!, bytes: step.bytes() }))
}

const bothWays =
  (options: { readonly pattern?: AttentionPattern; readonly causal: boolean }) =>
  (q: Tensor, k: Tensor, v: Tensor): Tensor[] => {
    const z = attention(q, k, v, options)
    return grad(z.mul(z).sum(), [q, k, v]).map(g => g.sum())
  }

/** LSH attention as a layer of width H · K. */
function hashed(T: number): (x: Tensor) => Tensor[] {
  const shape = { heads: H, headWidth: K, chunk: 64, causal: true, hashes: 1, buckets: null, seed: 1 }
  const layer = new LSHAttention(new Initializer({ seed: 1 }), H * K, shape)
  return x => {
    const z = layer.forward(x.rearrange("B H T K -> B T (H K)", { T }))
    return grad(z.mul(z).sum(), [x]).map(g => g.sum())
  }
}

function growth(name: string, long: Measured, short: Measured, T: number, allowed: number): Row[] {
  const [time, memory] = [long.ms / short.ms, long.bytes / short.bytes]
  const row = (what: string, value: number, most: number, against: string): Row => ({
    name: `${name} ${what}, ${T / 1024}k to ${(2 * T) / 1024}k`,
    value,
    unit: "times",
    against,
    ratio: most / value,
    atLeast: 0.8,
    aim: 0.95,
  })
  const promise = allowed === 2 ? "2 times: linear" : "2.8 times: T · √T, as published"
  return [
    row("time", time, allowed, `${promise}; ${short.ms.toFixed(0)} and ${long.ms.toFixed(0)} ms`),
    row("memory", memory, 2, `2 times; ${(long.bytes / 2 ** 20).toFixed(0)} MiB at the end`),
  ]
}

export const question: Question = {
  name: "sparse",
  async run({ smoke }) {
    const T = smoke ? 512 : 8192
    const rows: Row[] = []
    const dense = new Map<boolean, number>()
    for (const causal of [false, true]) {
      const full = await compiled(bothWays({ causal }), [heads(T), heads(T), heads(T)])
      dense.set(causal, (await measure([full], smoke ? 1 : 2))[0]!.ms)
    }
    const report = async (name: string, causal: boolean, at: (T: number) => Promise<Step>, allowed: number) => {
      const steps = [await at(T), await at(2 * T), await at(4 * T)]
      const [short, middle, long] = (await measure(steps, smoke ? 1 : 6)) as [Measured, Measured, Measured]
      rows.push({
        name: `sparse ${name}, ${T / 1024}k`,
        value: short.ms,
        unit: "ms",
        against: `full attention ${dense.get(causal)!.toFixed(0)} ms`,
        ratio: dense.get(causal)! / short.ms,
        atLeast: 3,
        aim: 8,
      })
      rows.push(...growth(`sparse ${name}`, long, middle, 2 * T, allowed))
    }
    for (const { name, causal, root, pattern } of kinds) {
      const at = (n: number): Promise<Step> =>
        compiled(bothWays({ causal, pattern: pattern(n) }), [heads(n), heads(n), heads(n)])
      await report(name, causal, at, root ? 2 ** 1.5 : 2)
    }
    await report("LSH", true, n => compiled(hashed(n), [heads(n)]), 2)
    return rows
  },
}
