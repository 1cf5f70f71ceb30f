// heed devices: what was chosen to compute, and why; what else is there; what the machine allows, measured.

import type { Command } from "commander"
import type { DeviceInfo } from "../runtime/index.ts"
import { colours } from "./terminal.ts"

interface Found {
  readonly name: string
  readonly info: DeviceInfo | null
  readonly problem: string
}

async function look(name: "native" | "wasm" | "auto"): Promise<Found> {
  const { engineOf } = await import("../runtime/index.ts")
  try {
    return { name, info: (await engineOf(name)).device.info, problem: "" }
  } catch (error) {
    return { name, info: null, problem: (error as Error).message.split("\n")[0]! }
  }
}

async function peaks(): Promise<Readonly<Record<"f32" | "bf16" | "read", number>> | null> {
  const native = await import("../runtime/native.ts")
  if (native.nativeProblem() !== null) return null
  return { f32: native.measurePeak("f32"), bf16: native.measurePeak("bf16"), read: native.measurePeak("read") }
}

const giga = (n: number): string => (n / 1e9).toFixed(0)

/** Gives the command its flags and what it does. */
export function registerDevices(command: Command): void {
  command.option("--json", "one JSON object instead of text").action(async (options: { json?: boolean }) => {
    const [chosen, native, wasm] = [await look("auto"), await look("native"), await look("wasm")]
    const measured = await peaks()
    if (options.json) {
      console.log(JSON.stringify({ chosen: chosen.info, native: native.info, wasm: wasm.info, peaks: measured }))
      return
    }
    if (chosen.info) {
      console.log(`${colours.bold(chosen.info.name)} is chosen: ${chosen.info.why}`)
      const bf16 = chosen.info.bf16 ? "bf16 products at full speed" : "bf16 products computed in fp32"
      console.log(`  instructions ${chosen.info.tier}, ${chosen.info.threads} threads, ${bf16}`)
    } else console.log(colours.red(`no device: ${chosen.problem}`))
    if (measured) {
      const bf16 = measured.bf16 > 0 ? `, bf16 dot product ${giga(measured.bf16)} GFLOP/s` : ""
      console.log(`  measured peak: fp32 ${giga(measured.f32)} GFLOP/s${bf16}, memory read ${giga(measured.read)} GB/s`)
    }
    for (const { name, info, problem } of [native, wasm]) {
      if (info?.name === chosen.info?.name) continue
      console.log(`${name}: ${info ? `there (${info.tier}, ${info.threads} threads)` : `not there: ${problem}`}`)
    }
    console.log("reference: there (plain TypeScript, slow: the specification that the others are tested against)")
  })
}
