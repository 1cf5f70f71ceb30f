// Runs the golden tests and writes docs/parity.md from what they measured: family × output × largest difference. With --check, fails
// where the page names other families or cases than the run had.

import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const folder = mkdtempSync(join(tmpdir(), "heed-parity-"))
const run = spawnSync("npx", ["vitest", "run", "tests/reference"], {
  cwd: root,
  stdio: ["ignore", "inherit", "inherit"],
  env: { ...process.env, HEED_PARITY: join(folder, "run") },
})
if (run.status !== 0) {
  console.error("parity: expected the golden tests to pass, but they did not")
  process.exit(1)
}
const parts = Object.fromEntries(
  readdirSync(folder).map(name => [name.split(".")[1], JSON.parse(readFileSync(join(folder, name), "utf8"))]),
)
rmSync(folder, { recursive: true })

const columns = {
  loss: ["loss", "losses"],
  logits: [
    "logits",
    "prediction_logits",
    "prediction_scores",
    "start_logits",
    "end_logits",
    "seq_relationship_logits",
    "logits_per_image",
    "logits_per_text",
  ],
  "hidden states": [
    "hidden_states",
    "decoder_hidden_states",
    "encoder_hidden_states",
    "last_hidden_state",
    "encoder_last_hidden_state",
    "mems",
  ],
  attention: ["attentions", "decoder_attentions", "encoder_attentions", "cross_attentions", "global_attentions"],
  pooled: ["pooler_output", "mean_pooled", "sentence_embedding", "text_embeds", "image_embeds"],
  gradients: ["grad"],
  generation: ["ids", "step_logits", "sequences_scores"],
}

const short = x => (x === 0 ? "0" : x.toExponential(0).replace("e+0", "").replace("e", "e"))

function cell(entries, kinds) {
  const found = kinds.map(kind => entries[kind]).filter(Boolean)
  if (found.length === 0) return "–"
  const worst = found.reduce((a, b) => (b.difference / b.tolerance > a.difference / a.tolerance ? b : a))
  return `${short(worst.difference)} ≤ ${short(worst.tolerance)}`
}

function table(rows) {
  const names = Object.keys(rows).sort()
  const used = Object.entries(columns).filter(([, kinds]) => names.some(name => kinds.some(kind => rows[name][kind])))
  return [
    `| family | case | ${used.map(([title]) => title).join(" | ")} |`,
    `|---|---|${used.map(() => "---").join("|")}|`,
    ...names.map(name => {
      const [family, one] = name.split("/")
      return `| ${family} | ${one} | ${used.map(([, kinds]) => cell(rows[name], kinds)).join(" | ")} |`
    }),
  ].join("\n")
}

const merged = { ...parts.models }
for (const [name, entries] of Object.entries(parts.generate ?? {})) merged[name] = { ...merged[name], ...entries }

const page = `# Parity with the originals

Written by \`npm run parity\` from a run of the golden tests; do not edit by hand. Each number is the largest absolute difference from the
original PyTorch model over every run of the case, on every device (reference, native, WASM), beside what is allowed. "–": the original
publishes no such output. In *generation*, token ids must be equal; the number is that of scores or step logits.

## fp32

${table(merged)}

## bf16

Products of bf16 numbers, sums in fp32 (\`precision: "bf16"\`). Differences are relative to the largest golden value of the output (of
attention weights: absolute); the tolerance is that of eight bits of mantissa over a few layers of random weights, which are rougher than
trained ones. Reformer is left out: which bucket a vector falls into turns over with its last bits.

${table(parts.bf16 ?? {})}
`
const path = join(root, "docs", "parity.md")
if (process.argv.includes("--check")) {
  const cases = text =>
    [...text.matchAll(/^\| ([\w-]+) \| ([\w.-]+) \|/gm)]
      .map(match => `${match[1]}/${match[2]}`)
      .sort()
      .join("\n")
  if (cases(readFileSync(path, "utf8")) !== cases(page)) {
    console.error("parity: expected docs/parity.md to name the cases of this run\n  hint: npm run parity")
    process.exit(1)
  }
} else writeFileSync(path, page)
