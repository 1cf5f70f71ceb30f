// How models are opened, by pipeline() and by from_pretrained() alike: the options, under the names that transformers.js has for them.

import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { HeedError } from "../tensor/index.ts"
import type { OpenOptions, ProgressInfo } from "./open.ts"

const dtypes = {
  fp32: "f32",
  float32: "f32",
  f32: "f32",
  bf16: "bf16",
  bfloat16: "bf16",
} as const

/** Options of a pipeline. */
export const pipelineOptions = declare(
  {
    device: option(
      z.enum(["auto", "cpu", "native", "wasm"]),
      "What computes: auto and cpu are native where it is built, else wasm",
      {
        default: "auto",
      },
    ),
    dtype: option(
      z.enum(Object.keys(dtypes) as [keyof typeof dtypes, ...(keyof typeof dtypes)[]]),
      "What weights are kept in; bf16 halves their memory and multiplies bf16",
      { default: "fp32" },
    ),
    revision: option(z.string().min(1), "Branch, tag or commit of a model of the hub", { default: "main" }),
    localFilesOnly: option(z.boolean(), "Never download", { default: false }),
  },
  "pipeline",
)

/** How a pipeline is opened; snake_case names work too. */
export interface PipelineOptions {
  readonly device?: "auto" | "cpu" | "native" | "wasm" | undefined
  readonly dtype?: keyof typeof dtypes | undefined
  readonly revision?: string | undefined
  readonly localFilesOnly?: boolean | undefined
  readonly local_files_only?: boolean | undefined
  /** Hears how far downloading and opening are. */
  readonly progress_callback?: ((info: ProgressInfo) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Options as given, checked, the way open.ts wants them; `what` names them in errors. Throws ConfigError. */
export function openingOf(what: string, given: PipelineOptions): OpenOptions {
  if (typeof given !== "object" || given === null) pipelineOptions.parse(given, what) // refuses it
  const { progress_callback: progress, signal, ...rest } = given
  if (progress !== undefined && progress !== null && typeof progress !== "function")
    throw new HeedError(`${what}: expected progress_callback to be a function, but got ${typeof progress}`)
  const { device, dtype, revision, localFilesOnly } = pipelineOptions.parse(rest, what)
  return {
    dtype: dtypes[dtype],
    revision,
    localFilesOnly,
    ...(device === "native" || device === "wasm" ? { device } : {}),
    ...(dtypes[dtype] === "bf16" ? { precision: "bf16" as const } : {}),
    ...(progress ? { progress } : {}),
    ...(signal ? { signal } : {}),
  }
}
