// Optional packages that are missing or broken, and addresses that lead nowhere.
import { describe, expect, test } from "vitest"
import { MediaError } from "../../src/media/index.ts"
import { nameOf, optionalPackage, readSource } from "../../src/media/source.ts"

describe("optional packages", () => {
  test("one that is missing is named, with how to install it", async () => {
    const load = () => import(`no-such-${"package"}`)
    await expect(optionalPackage("sharp", "reading pictures", load)).rejects.toThrow(
      /reading pictures: expected the package sharp, but it is not installed\n {2}hint: npm install sharp/,
    )
  })

  test("one that does not load says why", async () => {
    const load = async () => {
      throw new Error("wrong architecture\nmore about it")
    }
    await expect(optionalPackage("sharp", "reading pictures", load)).rejects.toThrow(
      /it does not load: wrong architecture\n {2}hint/,
    )
  })
})

describe("sources", () => {
  test("addresses that lead nowhere are an error of ours", async () => {
    await expect(readSource("http://127.0.0.1:1/x.wav", "audio")).rejects.toThrow(MediaError)
    await expect(readSource("data:audio/wav;base64,%%%", "audio")).rejects.toThrow(MediaError)
    await expect(readSource("file://no host/x", "audio")).rejects.toThrow(MediaError)
    const stop = AbortSignal.abort(new Error("enough"))
    await expect(readSource("http://127.0.0.1:1/x.wav", "audio", { signal: stop })).rejects.toThrow("enough")
  })

  test("bytes are taken in any wrapping", async () => {
    const bytes = Uint8Array.of(1, 2)
    expect(await readSource(bytes, "audio")).toBe(bytes)
    expect(await readSource(bytes.buffer, "audio")).toEqual(bytes)
    expect(await readSource(new Blob([bytes]), "audio")).toEqual(bytes)
  })

  test("long names are cut in messages", () => {
    expect(nameOf(`data:${"x".repeat(500)}`).length).toBeLessThan(70)
    expect(nameOf(new URL("file:///a/b.wav"))).toBe("file:///a/b.wav")
    expect(nameOf(new Uint8Array())).toBe("the bytes given")
  })
})
