// The page of the test: what the hooks for events say, and a field to type into.

import { createElement as h, StrictMode, useState } from "react"
import { createRoot } from "react-dom/client"
import { ConcordEvents } from "../../src/index.js"
import { ConcordProvider, useConflicts, useEvent, usePresence, useTyping } from "../../src/react.js"

/** What the test sets before the page runs. */
export interface Live {
  url: string
  token: string
  document: string
}

/** What the page shows, as JSON. */
export interface Shown {
  paid: unknown[]
  online: string[]
  viewers: string[]
  typists: string[]
  conflicts: { path: string; users: string[] }[]
}

const { url, token, document: id } = (globalThis as unknown as { live: Live }).live
const events = new ConcordEvents({ url, token: () => token, maxDelay: 500 })
events.view([id])

function View() {
  const [paid, setPaid] = useState<unknown[]>([])
  useEvent("invoice:paid", ({ data }) => setPaid(all => [...all, (data as { number: number }).number]))
  const users = (list: { user: string }[]) => list.map(({ user }) => user).sort()
  const online = users(usePresence())
  const viewers = users(usePresence(id))
  const { typists, typing } = useTyping(id, "/note")
  const { conflicts } = useConflicts(id)
  const shown: Shown = { paid, online, viewers, typists, conflicts: conflicts.map(({ path, users }) => ({ path, users })) }
  return h("div", null, h("input", { onChange: () => typing() }), h("pre", null, JSON.stringify(shown)))
}

// Strict mode runs every effect twice.
createRoot(document.getElementById("root")!).render(h(StrictMode, null, h(ConcordProvider, { events }, h(View))))
