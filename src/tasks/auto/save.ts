// Files of settings in a folder, which is made where there is none.

/** Writes JSON files by name. In a folder that exists, other files stay as they are. Throws FileError. */
export async function saveFiles(folder: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  const { jsonText, writeFileAtomic, writeFolderAtomic } = await import("../../files/index.ts")
  const texts = Object.entries(files).map(([name, value]) => [name, `${jsonText(value, name)}\n`] as const)
  try {
    for (const [name, text] of texts) await writeFileAtomic(`${folder}/${name}`, text)
  } catch (problem) {
    const { cause } = problem as { cause?: { code?: string } }
    if (cause?.code !== "ENOENT") throw problem
    await writeFolderAtomic(folder, Object.fromEntries(texts))
  }
}
