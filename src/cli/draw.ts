// Attention as text: matrices of shaded cells, and who looks at whom with numbers. Pure: strings in, strings out.

/** Attention weights of a text: pattern [L H T T], row-major; row i says where token i looks. */
export interface Attention {
  readonly tokens: readonly string[]
  readonly layers: number
  readonly heads: number
  readonly pattern: Float32Array
}

const shades = [" ", "·", "░", "▒", "▓", "█"]

/** A weight as one cell: nothing, then darker with each step of 0.03, 0.1, 0.25, 0.5, 0.75. */
export function shade(weight: number): string {
  const steps = [0.03, 0.1, 0.25, 0.5, 0.75]
  return shades[steps.filter(least => weight >= least).length]!
}

/** A token that can be seen: blanks and line ends as marks. */
export function visible(token: string): string {
  return token.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/ /g, "␣") || "∅"
}

/** How many columns a text takes in a terminal (wide characters count two, combining marks none). */
function columns(text: string): number {
  let width = 0
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (/\p{Mark}/u.test(character)) continue
    width +=
      code >= 0x1100 &&
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1
  }
  return width
}

const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - columns(text)))

/** The weights of one head, [T T]. */
export function headPattern({ tokens, heads, pattern }: Attention, layer: number, head: number): Float32Array {
  const size = tokens.length * tokens.length
  const start = (layer * heads + head) * size
  return pattern.subarray(start, start + size)
}

/** Every chosen head as a matrix: a row a token, a column for each token it may look at. As many side by side as `width` columns allow. */
export function drawMatrices(
  attention: Attention,
  chosen: readonly (readonly [layer: number, head: number])[],
  width = 100,
): string {
  const { tokens } = attention
  const labels = tokens.map(visible)
  const labelWidth = Math.max(...labels.map(columns))
  const cell = Math.max(tokens.length, 10)
  const perRow = Math.max(1, Math.floor((width - labelWidth - 1) / (cell + 2)))
  const blocks: string[] = []
  for (let first = 0; first < chosen.length; first += perRow) {
    const group = chosen.slice(first, first + perRow)
    const title = group.map(([layer, head]) => padded(`L${layer + 1} H${head + 1}`, cell)).join("  ")
    const rows = tokens.map((_, i) => {
      const cells = group.map(([layer, head]) => {
        const row = headPattern(attention, layer, head).subarray(i * tokens.length, (i + 1) * tokens.length)
        return padded(Array.from(row, shade).join(""), cell)
      })
      return `${" ".repeat(labelWidth - columns(labels[i]!))}${labels[i]} ${cells.join("  ")}`.trimEnd()
    })
    blocks.push([`${" ".repeat(labelWidth)} ${title}`.trimEnd(), ...rows].join("\n"))
  }
  return blocks.join("\n\n")
}

/** Where token `from` looks in one head: tokens by weight, largest first. */
export function looksAt(
  attention: Attention,
  layer: number,
  head: number,
  from: number,
): { token: string; position: number; weight: number }[] {
  const { tokens } = attention
  const row = headPattern(attention, layer, head).subarray(from * tokens.length, (from + 1) * tokens.length)
  return tokens
    .map((token, position) => ({ token, position, weight: row[position]! }))
    .filter(one => one.position <= from || one.weight > 0)
    .sort((a, b) => b.weight - a.weight)
}

/** For each chosen head one line: where `from` looks most, with numbers. */
export function drawLooks(
  attention: Attention,
  from: number,
  chosen: readonly (readonly [number, number])[],
  top = 4,
): string {
  return chosen
    .map(([layer, head]) => {
      const targets = looksAt(attention, layer, head, from).slice(0, top)
      const list = targets.map(({ token, weight }) => `${visible(token)} ${weight.toFixed(2)}`).join("   ")
      return `L${layer + 1} H${head + 1}  ${visible(attention.tokens[from]!)} → ${list}`
    })
    .join("\n")
}

/** One token's look as bars over the sentence. */
export function drawBars(attention: Attention, layer: number, head: number, from: number, width = 30): string {
  const { tokens } = attention
  const labels = tokens.map(visible)
  const labelWidth = Math.max(...labels.map(columns))
  const row = headPattern(attention, layer, head).subarray(from * tokens.length, (from + 1) * tokens.length)
  return tokens
    .map((_, i) => {
      const weight = row[i]!
      const bar = "█".repeat(Math.round(weight * width))
      const mark = i === from ? "◂" : " "
      return `${padded(labels[i]!, labelWidth)} ${mark} ${padded(bar, width)} ${weight >= 0.005 ? weight.toFixed(2) : ""}`.trimEnd()
    })
    .join("\n")
}

/** The whole table of one head with numbers of two digits (percent). */
export function drawNumbers(attention: Attention, layer: number, head: number): string {
  const { tokens } = attention
  const labels = tokens.map(visible)
  const labelWidth = Math.max(...labels.map(columns))
  const pattern = headPattern(attention, layer, head)
  const header = `${" ".repeat(labelWidth)} ${tokens.map((_, i) => String(i + 1).padStart(3)).join("")}`
  const rows = tokens.map((_, i) => {
    const cells = Array.from(pattern.subarray(i * tokens.length, (i + 1) * tokens.length), (w, j) =>
      j > i && w === 0 ? "   " : String(Math.round(w * 100)).padStart(3),
    )
    return `${padded(labels[i]!, labelWidth)} ${cells.join("")}`.trimEnd()
  })
  return [`L${layer + 1} H${head + 1}, percent of each row`, header, ...rows].join("\n")
}
