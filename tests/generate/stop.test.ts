import fc from "fast-check"
import { expect, test } from "vitest"
import { StopScanner } from "../../src/generate/index.ts"

const letters = (options: { minLength?: number; maxLength: number }) =>
  fc.string({ unit: fc.constantFrom("a", "b", "c"), ...options })

test("what gets out is the text up to the first stop text, whatever the pieces", () => {
  fc.assert(
    fc.property(
      fc.array(letters({ maxLength: 3 }), { maxLength: 12 }),
      fc.array(letters({ minLength: 1, maxLength: 4 }), { maxLength: 3 }),
      (pieces, stops) => {
        const scanner = new StopScanner(stops)
        let out = ""
        let stopped = false
        let read = ""
        for (const piece of pieces) {
          read += piece
          const result = scanner.push(piece)
          out += result.text
          // no stop text may begin in what is out and be completed later
          if (stops.length > 0) expect(pieces.join("").startsWith(out)).toBe(true)
          if ((stopped = result.stopped)) break
        }
        if (!stopped) out += scanner.flush()
        const ends = stops.map(stop => read.indexOf(stop)).filter(at => at >= 0)
        expect(stopped).toBe(ends.length > 0)
        expect(out).toBe(stopped ? read.slice(0, Math.min(...ends)) : read)
      },
    ),
  )
})

test("only as much is held back as might be the beginning of a stop text", () => {
  const scanner = new StopScanner(["END", "\n\n"])
  expect(scanner.push("hello E").text).toBe("hello ")
  expect(scanner.push("N").text).toBe("")
  expect(scanner.push("E").text).toBe("EN")
  expect(scanner.push("ND more")).toEqual({ text: "", stopped: true })
})
