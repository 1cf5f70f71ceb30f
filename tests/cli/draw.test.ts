import { describe, expect, test } from "vitest"
import {
  type Attention,
  drawBars,
  drawLooks,
  drawMatrices,
  drawNumbers,
  looksAt,
  shade,
  visible,
} from "../../src/cli/draw.ts"

/** Two heads over three tokens: one looks at itself, one at the first. */
const attention: Attention = {
  tokens: ["the", "cat", "sat"],
  layers: 1,
  heads: 2,
  pattern: Float32Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0.9, 0.1, 0, 0.6, 0.3, 0.1]),
}

describe("attention as text", () => {
  test("darker cells for larger weights", () => {
    expect([0, 0.05, 0.2, 0.3, 0.6, 1].map(shade).join("")).toBe(" ·░▒▓█")
  })

  test("matrices stand side by side under their names", () => {
    const text = drawMatrices(attention, [
      [0, 0],
      [0, 1],
    ])
    expect(text.split("\n")).toEqual([
      "    L1 H1       L1 H2",
      "the █           █",
      "cat  █          █░",
      "sat   █         ▓▒░",
    ])
  })

  test("narrow terminals get them one below the other", () => {
    const text = drawMatrices(
      attention,
      [
        [0, 0],
        [0, 1],
      ],
      20,
    )
    expect(text.split("\n\n")).toHaveLength(2)
  })

  test("who looks at whom, strongest first", () => {
    expect(looksAt(attention, 0, 1, 2).map(one => one.token)).toEqual(["the", "cat", "sat"])
    expect(drawLooks(attention, 2, [[0, 1]], 2)).toBe("L1 H2  sat → the 0.60   cat 0.30")
  })

  test("bars and numbers", () => {
    expect(drawBars(attention, 0, 1, 2, 10)).toBe("the   ██████     0.60\ncat   ███        0.30\nsat ◂ █          0.10")
    expect(drawNumbers(attention, 0, 1).split("\n").at(-1)).toBe("sat  60 30 10")
  })

  test("blanks can be seen", () => {
    expect(visible("\n")).toBe("⏎")
    expect(visible(" a")).toBe("␣a")
  })
})
