import { writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { readJsonFile, readTextFile } from "../../src/files/text.ts"
import { firstInvalidUtf8 } from "../../src/files/utf8.ts"
import { freshFolder } from "./folder.ts"

async function gather(path: string, chunkBytes?: number): Promise<string[]> {
  const chunks: string[] = []
  for await (const chunk of readTextFile(path, chunkBytes === undefined ? {} : { chunkBytes })) chunks.push(chunk)
  return chunks
}

describe("readTextFile", () => {
  test("any text in chunks of any size is itself, and no character is cut", async () => {
    const path = join(await freshFolder(), "a.txt")
    const text = fc.string({ unit: "binary", maxLength: 60 }).filter(s => !s.startsWith("\ufeff"))
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 4, max: 40 }), async (expected, chunkBytes) => {
        writeFileSync(path, expected)
        const chunks = await gather(path, chunkBytes)
        expect(chunks.join("")).toBe(expected)
        for (const chunk of chunks) expect(Buffer.from(chunk).toString()).toBe(chunk) // a lone surrogate would change
        for (const chunk of chunks) expect(Buffer.byteLength(chunk)).toBeLessThanOrEqual(chunkBytes)
      }),
      { numRuns: 200 },
    )
  })

  test("bytes that are no UTF-8 are refused with the offset where the decoder of the platform stops", async () => {
    const path = join(await freshFolder(), "a.txt")
    const pieces = fc.array(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 6 }).map(s => [...Buffer.from(s)]),
        fc.constantFrom(
          [0xff],
          [0xc0, 0x80],
          [0xed, 0xa0, 0x80],
          [0xf4, 0x90, 0x80, 0x80],
          [0xe2, 0x82],
          [0x80],
          [0xf0, 0x9f],
        ),
      ),
      { maxLength: 8 },
    )
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 4, max: 20 }), async (parts, chunkBytes) => {
        const bytes = Uint8Array.from(parts.flat())
        writeFileSync(path, bytes)
        // the longest prefix that decodes, by trying all
        let valid = bytes.length
        const decodes = (end: number) => {
          try {
            new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end))
            return true
          } catch {
            return false
          }
        }
        while (!decodes(valid)) valid--
        expect(firstInvalidUtf8(bytes)).toBe(valid === bytes.length ? -1 : valid)
        if (valid === bytes.length) await gather(path, chunkBytes)
        else
          await expect(gather(path, chunkBytes)).rejects.toThrow(
            new RegExp(`expected UTF-8 text, but byte ${valid} begins`),
          )
      }),
      { numRuns: 300 },
    )
  })

  test("a byte order mark is dropped; UTF-16 and gzip are recognised; an empty file has no chunks", async () => {
    const path = join(await freshFolder(), "a.txt")
    writeFileSync(path, "\ufeffab")
    expect(await gather(path)).toEqual(["ab"])
    writeFileSync(path, "\ufeff")
    expect(await gather(path)).toEqual([])
    writeFileSync(path, "\ufeffab", "utf16le")
    await expect(gather(path)).rejects.toThrow(/byte 0 begins ff fe .*\n {2}hint: this looks like UTF-16/)
    writeFileSync(path, Buffer.from("1f8b0800", "hex"))
    await expect(gather(path)).rejects.toThrow(/gzip/)
    writeFileSync(path, "")
    expect(await gather(path)).toEqual([])
  })

  test("a missing file, a folder, a silly chunk size, an abort", async () => {
    const folder = await freshFolder()
    await expect(gather(join(folder, "no"))).rejects.toThrow(
      /reading .*no: expected a file or folder, but there is none/,
    )
    await expect(gather(folder)).rejects.toThrow(/expected a text file, but this is a folder/)
    writeFileSync(join(folder, "a"), "abcdefgh")
    await expect(gather(join(folder, "a"), 3)).rejects.toThrow(/chunkBytes of 4 or more, but got 3/)
    const controller = new AbortController()
    const seen: string[] = []
    const read = async () => {
      for await (const chunk of readTextFile(join(folder, "a"), { chunkBytes: 4, signal: controller.signal })) {
        seen.push(chunk)
        controller.abort(new Error("enough"))
      }
    }
    await expect(read()).rejects.toThrow("enough")
    expect(seen).toEqual(["abcd"])
    const aborted = readTextFile(join(folder, "a"), { signal: AbortSignal.abort() })
    await expect(aborted.next()).rejects.toThrow(expect.objectContaining({ name: "AbortError" }))
  })
})

test("readJsonFile", async () => {
  const path = join(await freshFolder(), "a.json")
  await expect(readJsonFile(path)).rejects.toThrow(/there is none/)
  writeFileSync(path, '{"a":1}')
  expect(await readJsonFile(path)).toEqual({ a: 1 })
  writeFileSync(path, '{"a":')
  await expect(readJsonFile(path)).rejects.toThrow(/a\.json: expected JSON, but/)
})
