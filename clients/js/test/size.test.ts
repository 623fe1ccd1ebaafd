import { build } from "esbuild"
import { gzipSync } from "node:zlib"
import { expect, test } from "vitest"

/** Bundles a module as an app's build does, without the peers. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL("../dist", import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    external: ["react", "@automerge/*"],
  })
  return outputFiles[0]!.text
}

test("all of it takes at most 8 KB, compressed and without its peers", async () => {
  const all = await bundle(`export * from "./index.js"; export * from "./repo.js"; export * from "./react.js"`)
  expect(gzipSync(all).length).toBeLessThanOrEqual(8 * 1024)
})

test("nobody gets what isn't used", async () => {
  const adapter = await bundle(`export { ConcordNetworkAdapter } from "./repo.js"`)
  expect(adapter).toContain("/v1/sync")
  expect(adapter).not.toMatch(/\/v1\/events|"react"/)
  const events = await bundle(`export { ConcordEvents } from "./index.js"`)
  expect(events).toContain("/v1/events")
  expect(events).not.toMatch(/\/v1\/sync|"react"|automerge/)
  const hook = await bundle(`export { useEvent, ConcordProvider } from "./react.js"`)
  expect(hook).not.toMatch(/automerge|\/v1\/conflicts/)
})
