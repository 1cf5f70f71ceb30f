// How deep values of strangers may be nested: recursion on them must not overflow the stack.

/** Lists and objects within each other that a file of a model may have at most. */
export const deepestNesting = 100

/** Whether lists and objects lie within each other deeper than that. Does not recurse itself. */
export function isTooDeep(value: unknown, deepest: number = deepestNesting): boolean {
  let level: object[] = isObject(value) ? [value] : []
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > deepest) return true
    const next: object[] = []
    for (const one of level) {
      const values: unknown[] = Array.isArray(one) ? one : Object.values(one)
      for (const each of values) if (isObject(each)) next.push(each)
    }
    level = next
  }
  return false
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null
