// On what a command computes: flags that every computing command has.

import { z } from "zod"
import { declare, option } from "../config/index.ts"
import { useDevice } from "../runtime/index.ts"
import { type Flags, valuesOf } from "./flags.ts"

/** Device and threads. */
export const machineOptions = declare(
  {
    device: option(z.enum(["auto", "native", "wasm"]), "What computes: auto is native where it is built, else wasm", {
      default: "auto",
    }),
    threads: option(z.int().min(1).max(256).optional(), "Threads; as many as there are cores unless given"),
  },
  "machine",
)

/** Chooses the device that flags ask for. Throws ConfigError. */
export function chooseMachine(flags: Flags): void {
  const { device, threads } = valuesOf(machineOptions, flags)
  useDevice(device, threads === undefined ? {} : { threads })
}
