import { spawnSync } from "node:child_process"
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { chmod, open } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import {
  explain,
  type FileContent,
  removeFolderAtomic,
  removeLeftovers,
  writeContent,
  writeFileAtomic,
  writeFolderAtomic,
} from "../../src/files/atomic.ts"
import { FileError } from "../../src/files/errors.ts"
import { freshFolder } from "./folder.ts"

const list = (folder: string) => readdirSync(folder).sort()

/** The number of a process that has ended. */
const deadProcess = () => spawnSync(process.execPath, ["-e", ""]).pid

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text)
}

/** Content whose second half meets a disk that is really full: the kernel answers ENOSPC for /dev/full. */
async function* fullDisk(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("half of it")
  const handle = await open("/dev/full", "w")
  try {
    await handle.write("the other half")
  } finally {
    await handle.close()
  }
}

describe("writeFileAtomic", () => {
  test("writes texts, bytes, chunks and what a function makes; replaces; leaves nothing beside", async () => {
    const folder = await freshFolder()
    const path = join(folder, "a.txt")
    const contents: [FileContent | (() => FileContent), string][] = [
      ["né", "né"],
      [Buffer.from("bytes"), "bytes"],
      [chunks("one ", "two"), "one two"],
      [() => chunks("made"), "made"],
      [[Buffer.from("x"), Buffer.from("y")], "xy"],
      ["", ""],
    ]
    for (const [content, text] of contents) {
      await writeFileAtomic(path, content)
      expect(readFileSync(path, "utf8")).toBe(text)
      expect(list(folder)).toEqual(["a.txt"])
    }
  })

  test("a symbolic link stays a link, its target is written", async () => {
    const folder = await freshFolder()
    writeFileSync(join(folder, "real"), "old")
    symlinkSync(join(folder, "real"), join(folder, "link"))
    await writeFileAtomic(join(folder, "link"), "new")
    expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(folder, "real"), "utf8")).toBe("new")
  })

  test("a full disk: the error says what, how large and what to do; the old file stands, nothing is left over", async () => {
    const folder = await freshFolder()
    const path = join(folder, "model.safetensors")
    writeFileSync(path, "old")
    const content = Object.assign(fullDisk(), { bytes: 5_000_000_000 })
    const error = await writeFileAtomic(path, content).catch(cause => cause)
    expect(error).toBeInstanceOf(FileError)
    expect(error.message).toMatch(
      /^writing .*model\.safetensors \(5\.00 GB\): expected room on the disk, but it is full \(.* free there\)/,
    )
    expect(error.hint).toMatch(/free some space/)
    expect(readFileSync(path, "utf8")).toBe("old")
    expect(list(folder)).toEqual(["model.safetensors"])
  })

  test("a full disk met by our own write call", async () => {
    const handle = await open("/dev/full", "w")
    const error = await writeContent(handle, "x".repeat(2000), "/data/metrics.jsonl").catch(cause => cause)
    await handle.close()
    expect(error.message).toMatch(
      /^writing \/data\/metrics\.jsonl \(2\.00 kB\): expected room on the disk, but it is full/,
    )
  })

  test("a missing folder, a file where a folder should be, a folder where a file should be", async () => {
    const folder = await freshFolder()
    await expect(writeFileAtomic(join(folder, "no", "a.txt"), "x")).rejects.toThrow(
      /expected its folder to exist.*\n {2}hint: create it: mkdir -p/,
    )
    writeFileSync(join(folder, "file"), "")
    await expect(writeFileAtomic(join(folder, "file", "a.txt"), "x")).rejects.toThrow(/one of its parts is a file/)
    mkdirSync(join(folder, "sub"))
    await expect(writeFileAtomic(join(folder, "sub"), "x")).rejects.toThrow(FileError)
    expect(list(folder)).toEqual(["file", "sub"])
  })

  test("permission refused", async () => {
    const error = (await explain(
      Object.assign(new Error("no"), { code: "EACCES", syscall: "open" }),
      "/data/a.txt",
    )) as FileError
    expect(error.message).toMatch(/^writing \/data\/a\.txt: expected permission to write there, but the system refused/)
    expect(error.hint).toContain('ls -ld "/data"')
  })

  test("permission refused by the system itself", async () => {
    // nobody may make files in sysfs, not even root; others meet the mode of a folder of their own
    const folder = process.getuid?.() === 0 ? "/sys" : await freshFolder()
    if (folder !== "/sys") await chmod(folder, 0o500)
    await expect(writeFileAtomic(join(folder, "heed"), "x")).rejects.toThrow(/expected permission|mounted read-only/)
    if (folder !== "/sys") await chmod(folder, 0o700)
  })

  test("content of another length than announced is refused", async () => {
    const folder = await freshFolder()
    const content = Object.assign(chunks("abc"), { bytes: 4 })
    await expect(writeFileAtomic(join(folder, "a"), content)).rejects.toThrow(
      /expected 4 bytes as announced, but got 3/,
    )
    expect(list(folder)).toEqual([])
  })

  test("an error of the content itself comes through unchanged", async () => {
    const folder = await freshFolder()
    const mine = new Error("mine")
    const content = () => {
      throw mine
    }
    await expect(writeFileAtomic(join(folder, "a"), content)).rejects.toBe(mine)
  })
})

describe("writeFolderAtomic", () => {
  test("all files or none", async () => {
    const folder = await freshFolder()
    await writeFolderAtomic(join(folder, "100"), { "a.json": "{}", "b.bin": Buffer.of(1, 2) })
    expect(list(join(folder, "100"))).toEqual(["a.json", "b.bin"])
    await expect(writeFolderAtomic(join(folder, "200"), { "a.json": "{}", big: fullDisk() })).rejects.toThrow(
      /writing .*200.big.*full/,
    )
    expect(list(folder)).toEqual(["100"])
  })

  test("replaces a folder whole; a failure keeps the old one", async () => {
    const folder = await freshFolder()
    const target = join(folder, "100")
    await writeFolderAtomic(target, { a: "1", b: "1" })
    await expect(writeFolderAtomic(target, { a: "2", big: fullDisk() })).rejects.toThrow(FileError)
    expect(readFileSync(join(target, "a"), "utf8")).toBe("1")
    await writeFolderAtomic(target, { a: "3" })
    expect(list(target)).toEqual(["a"])
    expect(list(folder)).toEqual(["100"])
  })

  test.each(["../x", "a/b", "..", "", "a\\b"])("the name %j is refused", async name => {
    const folder = await freshFolder()
    await expect(writeFolderAtomic(join(folder, "f"), { [name]: "x" })).rejects.toThrow(/plain file name/)
    expect(list(folder)).toEqual([])
  })

  test("removeFolderAtomic", async () => {
    const folder = await freshFolder()
    await writeFolderAtomic(join(folder, "f"), { a: "1" })
    await removeFolderAtomic(join(folder, "f"))
    expect(list(folder)).toEqual([])
    await expect(removeFolderAtomic(join(folder, "f"))).rejects.toThrow(FileError)
  })
})

describe("removeLeftovers", () => {
  test("clears what dead processes left, keeps live ones and everything else", async () => {
    const folder = await freshFolder()
    const dead = deadProcess()
    writeFileSync(join(folder, `.model.safetensors.${dead}-0a1b2c3d.writing`), "half")
    mkdirSync(join(folder, `.100.${dead}-0a1b2c3d.writing`))
    writeFileSync(join(folder, `.a.${process.ppid}-0a1b2c3d.writing`), "another process writes this now")
    writeFileSync(join(folder, `.a.${process.pid}-0a1b2c3d.writing`), "this process writes this now")
    const old = `.old.${process.pid}-0a1b2c3d.writing`
    writeFileSync(join(folder, old), "of a process that had our number before")
    utimesSync(join(folder, old), new Date(0), new Date(0))
    writeFileSync(join(folder, ".hidden"), "")
    writeFileSync(join(folder, "a.123-0a1b2c3d.writing"), "")
    const cleared = await removeLeftovers(folder)
    expect(cleared.length).toBe(3)
    expect(list(folder)).toEqual(
      [
        `.a.${process.ppid}-0a1b2c3d.writing`,
        `.a.${process.pid}-0a1b2c3d.writing`,
        ".hidden",
        "a.123-0a1b2c3d.writing",
      ].sort(),
    )
  })

  test("a folder put aside comes back when its successor never arrived, and goes when it did", async () => {
    const folder = await freshFolder()
    const dead = deadProcess()
    mkdirSync(join(folder, `.100.${dead}-0a1b2c3d.aside`))
    writeFileSync(join(folder, `.100.${dead}-0a1b2c3d.aside`, "a"), "kept")
    mkdirSync(join(folder, `.200.${dead}-0a1b2c3d.aside`))
    mkdirSync(join(folder, "200"))
    await removeLeftovers(folder)
    expect(list(folder)).toEqual(["100", "200"])
    expect(existsSync(join(folder, "100", "a"))).toBe(true)
  })
})
