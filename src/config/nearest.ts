// What a person meant to type: the candidate with the fewest slips of the finger.

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforeLast[j - 2]! + 1)
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

/** The nearest of `candidates`, case and separators aside; `close` says whether it can be what was meant. Undefined of none. */
export function nearestName(
  given: string,
  candidates: readonly string[],
): { name: string; close: boolean } | undefined {
  const plain = (name: string) => name.toLowerCase().replace(/[-_\s]/g, "")
  const wanted = plain(given).slice(0, 100)
  let best: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const name of candidates) {
    const candidate = plain(name)
    // a name only cut short, or with a word more, is nearer than its letters say
    const part =
      Math.min(wanted.length, candidate.length) >= 3 && (candidate.includes(wanted) || wanted.includes(candidate))
    const letters = editDistance(wanted, candidate)
    const distance = part ? Math.min(letters, 1.5 + letters / 1000) : letters
    if (distance < least) {
      least = distance
      best = name
    }
  }
  return best === undefined ? undefined : { name: best, close: least <= Math.max(2, wanted.length * 0.4) }
}
