// Which devices this machine can test: reference always, native and wasm where they open. HEED_DEVICES names them instead, and then each must open.

import { type DeviceName, engineOf } from "../../src/runtime/index.ts"

async function opens(name: "native" | "wasm"): Promise<boolean> {
  try {
    await engineOf(name)
    return true
  } catch {
    return false
  }
}

/** The devices besides reference. */
export async function machineDevices(): Promise<DeviceName[]> {
  const asked = process.env.HEED_DEVICES
  if (asked !== undefined) return asked.split(",").filter(name => name !== "" && name !== "reference") as DeviceName[]
  const found: DeviceName[] = []
  for (const name of ["native", "wasm"] as const) if (await opens(name)) found.push(name)
  return found
}
