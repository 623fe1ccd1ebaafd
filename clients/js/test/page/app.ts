// The page of the test: one document, and what its hooks say.

import { automergeWasmBase64 } from "@automerge/automerge/automerge.wasm.base64"
import { initializeBase64Wasm, Repo, type AutomergeUrl, type DocHandle } from "@automerge/automerge-repo/slim"
import { createElement as h, useEffect } from "react"
import { createRoot } from "react-dom/client"
import { ConcordProvider, useSyncStatus } from "../../src/react.js"
import { ConcordNetworkAdapter } from "../../src/repo.js"

interface Order {
  lines: string[]
}

/** What the test sets before the page runs, and what the page tells it. */
export interface Page {
  url: string
  token: string
  /** The statuses that were shown, in order. */
  shown: string[]
  document: string
  edit(line: string): void
}

const page = (globalThis as unknown as { page: Page }).page

function Status({ handle }: { handle: DocHandle<Order> }) {
  const { state, unsaved } = useSyncStatus(handle as DocHandle<unknown>)
  const text = unsaved > 0 ? `${state} (${unsaved})` : state
  useEffect(() => void page.shown.push(text), [text])
  return h("output", null, text)
}

await initializeBase64Wasm(automergeWasmBase64)
const adapter = new ConcordNetworkAdapter({ url: page.url, token: () => page.token, maxDelay: 500 })
const repo = new Repo({ network: [adapter] })
const given = location.hash.slice(1)
const handle = given ? await repo.find<Order>(given as AutomergeUrl) : repo.create<Order>({ lines: [] })
page.document = handle.url
page.edit = line => handle.change(doc => void doc.lines.push(line))
createRoot(document.getElementById("root")!).render(h(ConcordProvider, { adapter }, h(Status, { handle })))
