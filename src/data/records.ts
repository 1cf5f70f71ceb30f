// Texts out of JSONL and CSV, line by line; the files are opened elsewhere. CSV is that of RFC 4180.
import { DataError } from "./errors.ts"

/** Text in any amount of pieces. */
export type Chunks = AsyncIterable<string> | Iterable<string>

/** What to learn from: `completion` follows `prompt`. A plain text has an empty prompt. */
export interface TextRecord {
  readonly prompt: string
  readonly completion: string
}

/** Where records keep their text. */
export interface RecordOptions {
  /** The field of a plain text. Default "text"; records without it must have "prompt" and "completion". */
  readonly field?: string
}

/** The lines of a text in chunks, without their line ends (LF or CRLF). A last line without an end counts. */
export async function* readLines(chunks: Chunks): AsyncGenerator<string, void, void> {
  let held = ""
  for await (const chunk of chunks) {
    if (!chunk.includes("\n")) {
      held += chunk
      continue
    }
    const lines = (held + chunk).split("\n")
    held = lines.pop()!
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line
  }
  if (held !== "") yield held.endsWith("\r") ? held.slice(0, -1) : held
}

/** One object per line that is not blank. Throws DataError naming the line that is none. */
export async function* readJsonl(lines: Chunks): AsyncGenerator<Record<string, unknown>, void, void> {
  let number = 0
  for await (const line of lines) {
    number++
    const text = number === 1 && line.startsWith("\ufeff") ? line.slice(1) : line
    if (text.trim() === "") continue
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      throw new DataError(
        `JSONL, line ${number}: expected a JSON object, but ${(cause as Error).message}`,
        "each line must be one whole JSON object",
        { cause },
      )
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new DataError(
        `JSONL, line ${number}: expected an object, but got ${text.slice(0, 40)}`,
        'for example {"text": "…"}',
      )
    yield value as Record<string, unknown>
  }
}

/** One record per row; the first row names the columns. Quoted fields may hold commas, quotes (doubled) and line ends. */
export async function* readCsv(
  lines: Chunks,
  options: { readonly delimiter?: string } = {},
): AsyncGenerator<Record<string, string>, void, void> {
  const { delimiter = "," } = options
  if (delimiter.length !== 1 || delimiter === '"')
    throw new DataError(
      `CSV: expected a delimiter of one character, but got ${JSON.stringify(delimiter)}`,
      'use "," or "\\t"',
    )
  let columns: string[] | null = null
  let number = 0
  let began = 0
  let held: string | null = null
  for await (const line of lines) {
    number++
    const row: string = held === null ? line : `${held}\n${line}`
    if (held === null) began = number
    const fields = splitRow(row, delimiter)
    held = fields === null ? row : null
    if (fields === null || (fields.length === 1 && fields[0] === "")) continue
    if (columns === null) {
      columns = fields.map((field, at) => (at === 0 && field.startsWith("\ufeff") ? field.slice(1) : field))
      continue
    }
    if (fields.length !== columns.length)
      throw new DataError(
        `CSV, line ${began}: expected ${columns.length} fields (${columns.join(", ")}), but got ${fields.length}`,
        "quote fields that hold the delimiter",
      )
    yield Object.fromEntries(columns.map((column, at) => [column, fields[at]!]))
  }
  if (held !== null) throw new DataError(`CSV, line ${began}: expected a closing quote, but the text ended`)
}

/** The fields of a row, or null while a quote is open. */
function splitRow(row: string, delimiter: string): string[] | null {
  const fields: string[] = []
  let at = 0
  for (;;) {
    if (row[at] !== '"') {
      const end = row.indexOf(delimiter, at)
      fields.push(end < 0 ? row.slice(at) : row.slice(at, end))
      if (end < 0) return fields
      at = end + 1
      continue
    }
    let field = ""
    for (at++; ; ) {
      const end = row.indexOf('"', at)
      if (end < 0) return null
      field += row.slice(at, end)
      at = end + 1
      if (row[at] !== '"') break
      field += '"'
      at++
    }
    const end = row.indexOf(delimiter, at)
    fields.push(field + (end < 0 ? row.slice(at) : row.slice(at, end)))
    if (end < 0) return fields
    at = end + 1
  }
}

/** The texts of records: their text field, or their prompt and completion. Throws DataError naming the record that has neither. */
export async function* readTexts(
  records: AsyncIterable<Record<string, unknown>> | Iterable<Record<string, unknown>>,
  options: RecordOptions = {},
): AsyncGenerator<TextRecord, void, void> {
  const { field = "text" } = options
  let number = 0
  for await (const record of records) {
    number++
    const { prompt, completion } = record
    const text = record[field]
    if (typeof text === "string") yield { prompt: "", completion: text }
    else if (typeof prompt === "string" && typeof completion === "string") yield { prompt, completion }
    else
      throw new DataError(
        `record ${number}: expected a text in "${field}", or "prompt" and "completion", but got ${Object.keys(record).join(", ") || "no fields"}`,
        "name the field that holds the text",
      )
  }
}

/** Texts as one stream to encode: prompt and completion together, and a separator after each. */
export async function* joinTexts(
  texts: AsyncIterable<TextRecord> | Iterable<TextRecord>,
  separator = "\n",
): AsyncGenerator<string, void, void> {
  for await (const { prompt, completion } of texts) yield prompt + completion + separator
}
