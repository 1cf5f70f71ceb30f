import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = fileURLToPath(new URL("src", import.meta.url))

export default defineConfig({
  // examples and the README import the package by its name; tests run its source
  resolve: {
    alias: [
      { find: /^heed$/, replacement: `${source}/index.ts` },
      { find: /^heed\/(\w+)$/, replacement: `${source}/$1/index.ts` },
    ],
  },
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/setup/wasm.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
  },
})
