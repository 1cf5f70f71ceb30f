// What a bench is: a question with a number for an answer, held against a limit or a peer measured in the same run.

/** One line of the table. `ratio` is value over limit (or limit over value where less is better): higher is better. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What it is held against, with its measured figure. */
  readonly against: string
  readonly ratio: number
  readonly atLeast: number | null
  readonly aim: number | null
  /** Why there is no figure: a peer that is not installed, a processor without the instructions. */
  readonly skipped?: string
}

/** How much time a run may take. */
export interface BenchOptions {
  /** A short run that only shows that the question can be answered. */
  readonly smoke: boolean
}

/** A file of bench/: its rows are made one after another. */
export interface Question {
  readonly name: string
  run(options: BenchOptions): Promise<Row[]>
}

/** Milliseconds of each of `count` runs after `warm` unmeasured ones. */
export async function timed(run: () => Promise<unknown> | unknown, count: number, warm = 1): Promise<number[]> {
  for (let i = 0; i < warm; i++) await run()
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)
}

/** The middle one of sorted numbers. */
export function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The best of a figure measured before and after a run: other programs may disturb one of them. */
export async function bestAround<R>(
  measure: () => number,
  run: () => Promise<R>,
): Promise<{ result: R; best: number }> {
  const before = measure()
  const result = await run()
  return { result, best: Math.max(before, measure(), measure()) }
}

/** A row without a figure. */
export function skipped(name: string, why: string, atLeast: number | null = null, aim: number | null = null): Row {
  return { name, value: Number.NaN, unit: "", against: "", ratio: Number.NaN, atLeast, aim, skipped: why }
}
