// What a generation runs with, checked: these values are no numbers or texts, so no schema reads them.

import { Model } from "../models/model.ts"
import { ValueError } from "../tensor/index.ts"

const isList = (value: unknown): boolean => Array.isArray(value) && value.every(each => typeof each === "function")

const kinds: Readonly<Record<string, readonly [expected: string, fits: (value: unknown) => boolean]>> = {
  signal: [
    "an AbortSignal",
    value => typeof value === "object" && typeof (value as AbortSignal).throwIfAborted === "function",
  ],
  device: ["native or wasm", value => value === "native" || value === "wasm"],
  precision: ["fp32 or bf16", value => value === "fp32" || value === "bf16"],
  cacheType: ["f32 or bf16", value => value === "f32" || value === "bf16"],
  assistantModel: ["a model", value => value instanceof Model],
  logitsProcessor: ["a list of functions", isList],
  stoppingCriteria: ["a list of functions", isList],
}

/** Checks values by their option. Throws ValueError naming what was expected. */
export function checkRun(run: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(run)) {
    const [expected, fits] = kinds[name] ?? []
    if (fits && !fits(value))
      throw new ValueError(`generate: expected ${name} to be ${expected}, but got ${shown(value)}`)
  }
}

function shown(value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return JSON.stringify(value)
  return Array.isArray(value) ? `a list of ${value.length}` : `a ${typeof value}`
}
