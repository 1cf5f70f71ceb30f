// Copies golden cases into tests/reference: node scripts/sample-reference.mjs FOLDER [case...]. Of expected tensors of more than 64 floats
// every 5th number is kept, so that all cases fit into the repository; HEED_REFERENCE=FOLDER compares with all of them.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const sampling = 5
const [from, ...named] = process.argv.slice(2)
if (!from || !existsSync(join(from, "INDEX.json"))) {
  console.error(`sample-reference: expected the folder of the golden data, but got ${from ?? "nothing"}`)
  process.exit(1)
}
const target = resolve(import.meta.dirname, "..", "tests", "reference")

function sampled(bytes) {
  const headerSize = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + headerSize).toString())
  const out = {}
  const parts = []
  let at = 0
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      out[name] = entry
      continue
    }
    const [start, end] = entry.data_offsets
    let data = bytes.subarray(8 + headerSize + start, 8 + headerSize + end)
    let { shape } = entry
    const size = data.length / 4
    if (entry.dtype === "F32" && size > 64) {
      const kept = Math.ceil(size / sampling)
      const few = Buffer.alloc(4 * kept)
      for (let i = 0; i < kept; i++) data.copy(few, 4 * i, 4 * i * sampling, 4 * i * sampling + 4)
      data = few
      shape = [kept]
    }
    out[name] = { dtype: entry.dtype, shape, data_offsets: [at, at + data.length] }
    parts.push(data)
    at += data.length
  }
  let text = JSON.stringify(out)
  text += " ".repeat((8 - (text.length % 8)) % 8)
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(Buffer.byteLength(text)))
  return Buffer.concat([size, Buffer.from(text), ...parts])
}

const cases = readdirSync(from).filter(name => existsSync(join(from, name, "expected.safetensors")))
for (const name of named.length > 0 ? named : cases) {
  mkdirSync(join(target, name), { recursive: true })
  for (const file of readdirSync(join(from, name)))
    if (file === "expected.safetensors")
      writeFileSync(join(target, name, file), sampled(readFileSync(join(from, name, file))))
    else cpSync(join(from, name, file), join(target, name, file))
}
