import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isSettled, pieceEnd } from "../../src/text/gpt2-split.ts"
import { anyText, hardTexts } from "./samples.ts"

const expression =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

function pieces(text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length; ) {
    const end = pieceEnd(text, at, text.length)
    found.push(text.slice(at, end))
    at = end
  }
  return found
}

describe("the GPT-2 split", () => {
  it.each(hardTexts)("gives the pieces of the regular expression for %j", text => {
    expect(pieces(text)).toEqual(text.match(expression) ?? [])
  })

  it("gives the pieces of the regular expression for any text", () => {
    fc.assert(
      fc.property(anyText, text => {
        expect(pieces(text)).toEqual(text.match(expression) ?? [])
      }),
      { numRuns: 500 },
    )
  })

  it("settles only what no continuation changes", () => {
    fc.assert(
      fc.property(anyText, anyText, (text, more) => {
        fc.pre(!/[\ud800-\udbff]$/.test(text))
        const settled: string[] = []
        for (let at = 0; at < text.length; ) {
          const stop = pieceEnd(text, at, text.length)
          if (!isSettled(text, at, stop, text.length)) break
          settled.push(text.slice(at, stop))
          at = stop
        }
        expect(pieces(text + more).slice(0, settled.length)).toEqual(settled)
      }),
      { numRuns: 500 },
    )
  })

  it("takes a run of a million letters without trouble", () => {
    expect(pieceEnd("a".repeat(1_000_000), 0, 1_000_000)).toBe(1_000_000)
  })
})
