import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DataError, joinTexts, readCsv, readJsonl, readLines, readTexts } from "../../src/data/index.ts"

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe("readLines", () => {
  it("gives the same lines wherever the text is cut", async () => {
    const text = fc.array(fc.constantFrom("a", "\n", "\r\n", "é👍", ""), { maxLength: 30 }).map(parts => parts.join(""))
    await fc.assert(
      fc.asyncProperty(text, fc.nat(30), async (whole, place) => {
        const expected = whole.replaceAll("\r\n", "\n").split("\n")
        if (expected.at(-1) === "") expected.pop()
        expect(await all(readLines([whole.slice(0, place), whole.slice(place)]))).toEqual(expected)
      }),
    )
  })
})

describe("JSONL", () => {
  it("gives texts, and prompts with completions", async () => {
    const lines = ['\ufeff{"text": "one"}', "", '{"prompt": "2 + 2 = ", "completion": "4"}']
    const texts = await all(readTexts(readJsonl(lines)))
    expect(texts).toEqual([
      { prompt: "", completion: "one" },
      { prompt: "2 + 2 = ", completion: "4" },
    ])
    expect((await all(joinTexts(texts, "|"))).join("")).toBe("one|2 + 2 = 4|")
  })

  it("names the line or the record that is wrong", async () => {
    await expect(all(readJsonl(['{"text": 1}', "{oops"]))).rejects.toThrow(/JSONL, line 2: expected a JSON object/)
    await expect(all(readJsonl(["[1]"]))).rejects.toThrow(DataError)
    await expect(all(readTexts(readJsonl(['{"body": "x"}'])))).rejects.toThrow(
      /record 1: expected a text in "text".*but got body/,
    )
    expect(await all(readTexts(readJsonl(['{"body": "x"}']), { field: "body" }))).toEqual([
      { prompt: "", completion: "x" },
    ])
  })
})

describe("CSV", () => {
  it("reads quoted commas, quotes and line ends", async () => {
    const text = 'id,text\r\n1,plain\r\n2,"a, ""b""\r\nc"\r\n\r\n3,\r\n'
    expect(await all(readCsv(readLines([text])))).toEqual([
      { id: "1", text: "plain" },
      { id: "2", text: 'a, "b"\nc' },
      { id: "3", text: "" },
    ])
    expect(await all(readCsv(["a\tb", "1\t2,3"], { delimiter: "\t" }))).toEqual([{ a: "1", b: "2,3" }])
  })

  it("gives any fields back", async () => {
    const field = fc.array(fc.constantFrom("a", ",", '"', "\n", " "), { maxLength: 6 }).map(parts => parts.join(""))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(field, field), { maxLength: 5 }), async rows => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
        const text = ["x,y", ...rows.map(row => row.map(quote).join(","))].join("\n")
        expect(await all(readCsv(readLines([text])))).toEqual(rows.map(([x, y]) => ({ x, y })))
      }),
    )
  })

  it("names the line that is wrong", async () => {
    await expect(all(readCsv(["a,b", "1,2,3"]))).rejects.toThrow(/CSV, line 2: expected 2 fields \(a, b\), but got 3/)
    await expect(all(readCsv(["a,b", '1,"2']))).rejects.toThrow(/line 2: expected a closing quote/)
    await expect(all(readCsv(["a"], { delimiter: "" }))).rejects.toThrow(DataError)
  })
})
