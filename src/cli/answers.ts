// Answers of tasks as a person reads them.

import { colours } from "./terminal.ts"

/** Fields that hold what was written. */
const textFields = ["generated_text", "summary_text", "translation_text", "answer", "text", "sequence"]

const percent = (score: unknown): string => colours.dim(`${(100 * Number(score)).toFixed(1)} %`)

/** An answer in lines. */
export function answerText(answer: unknown): string {
  if (Array.isArray(answer)) {
    if (answer.every(one => typeof one === "number")) return answer.map(one => one.toFixed(4)).join("\n")
    if (answer.length === 0) return colours.dim("nothing was found")
    return answer.map(answerText).join(answer.some(Array.isArray) ? "\n\n" : "\n")
  }
  if (typeof answer !== "object" || answer === null) return String(answer)
  const fields = answer as Readonly<Record<string, unknown>>
  if ("dims" in fields) return vectorText(fields as unknown as { data: Float32Array; dims: readonly number[] })
  if (Array.isArray(fields.labels))
    return (fields.labels as string[])
      .map((label, i) => `${label.padEnd(24)} ${percent((fields.scores as number[])[i])}`)
      .join("\n")
  if (Array.isArray(fields.chunks)) return (fields.chunks as unknown[]).map(chunkText).join("\n")
  if (Array.isArray(fields.generated_text)) return (fields.generated_text as unknown[]).map(messageText).join("\n")
  if ("label" in fields) return `${String(fields.label).padEnd(24)} ${percent(fields.score)}`
  if ("entity" in fields || "entity_group" in fields)
    return `${String(fields.word).padEnd(24)} ${String(fields.entity ?? fields.entity_group).padEnd(10)} ${percent(fields.score)}  ${colours.dim(`${fields.start}–${fields.end}`)}`
  if ("token_str" in fields)
    return `${String(fields.token_str).padEnd(24)} ${percent(fields.score)}  ${fields.sequence}`
  const field = textFields.find(name => name in fields)
  if (!field) return JSON.stringify(answer)
  return "score" in fields ? `${fields[field]}  ${percent(fields.score)}` : String(fields[field])
}

function vectorText({ data, dims }: { readonly data: Float32Array; readonly dims: readonly number[] }): string {
  const first = [...data.subarray(0, 6)].map(x => x.toFixed(4)).join(" ")
  return `${dims.join(" × ")} numbers: ${first}${data.length > 6 ? " …" : ""}  ${colours.dim("(--json gives all of them)")}`
}

function chunkText(chunk: unknown): string {
  const { timestamp, text } = chunk as { timestamp: readonly [number, number | null]; text: string }
  const [start, end] = timestamp
  return `${colours.dim(`${start.toFixed(2)} – ${end === null ? "…" : end.toFixed(2)}`)} ${text.trim()}`
}

function messageText(message: unknown): string {
  const { role, content } = message as { role: string; content: unknown }
  return `${colours.dim(`${role}:`)} ${typeof content === "string" ? content : JSON.stringify(content)}`
}
