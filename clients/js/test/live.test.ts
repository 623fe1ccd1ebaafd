import { Repo, type DocHandle } from "@automerge/automerge-repo"
import type { BrowserContext, Page } from "playwright-core"
import { expect, onTestFinished, test } from "vitest"
import { WebSocket as NodeWebSocket } from "ws"
import { ConcordNetworkAdapter } from "../src/repo.js"
import { browser, site } from "./kit/browser.js"
import { Node, token } from "./kit/node.js"
import { Proxy } from "./kit/proxy.js"
import { eventually } from "./kit/wait.js"
import type { Live, Shown } from "./page/live.js"

interface Note {
  note: string
}

/** A user's repo outside the browser. */
function repoOf(node: Node, sub: string): { repo: Repo; adapter: ConcordNetworkAdapter } {
  const adapter = new ConcordNetworkAdapter({ url: node.url, token: () => token({ sub }), WebSocket: NodeWebSocket as unknown as typeof WebSocket })
  const repo = new Repo({ network: [adapter] })
  onTestFinished(() => repo.shutdown())
  return { repo, adapter }
}

/** Waits until the page of a tab shows what is expected. */
async function shows(tab: Page, expected: Partial<Shown>): Promise<void> {
  let last = ""
  const what = `${JSON.stringify(expected)} on the page`
  const met = async () => {
    last = (await tab.locator("pre").textContent()) ?? ""
    const shown = JSON.parse(last) as Shown
    return Object.entries(expected).every(([name, value]) => JSON.stringify(shown[name as keyof Shown]) === JSON.stringify(value))
  }
  await eventually(what, met).catch(error => expect.fail(`${error.message}; it shows ${last}`))
}

/** Opens the page in a tab of its own. */
async function visit(context: BrowserContext, address: string, live: Live): Promise<Page> {
  const tab = await context.newPage()
  await tab.addInitScript(value => Object.assign(globalThis, { live: value }), live)
  await tab.goto(address)
  return tab
}

test.each([{ noWebSocket: true }, { noWebSocket: true, noStreams: true }])("a page behind a proxy with %j hears events", async rules => {
  const address = await site("live.ts")
  const node = await Node.start("--allow-origin", new URL(address).origin)
  const proxy = await Proxy.start(node.address, rules)
  const made = await node.call({ sub: "bob" }, "/v1/documents/invoice/4711", { method: "PUT", body: "{}" })
  const { id } = (await made.json()) as { id: string }
  const cem = await visit(await browser(), address, { url: proxy.url, token: token({ sub: "cem" }), document: id })
  await shows(cem, { online: ["cem"] })
  const event = { type: "invoice:paid", room: `document:${id}`, data: { number: "4711" } }
  await node.call({ sub: "erp", role: "service" }, "/v1/events", { method: "POST", body: JSON.stringify({ events: [event] }) })
  await shows(cem, { paid: ["4711"] })
})

test("two users see events, each other, who types, and conflicts", async () => {
  const address = await site("live.ts")
  const node = await Node.start("--allow-origin", new URL(address).origin)
  const ann = repoOf(node, "ann")
  const handle: DocHandle<Note> = ann.repo.create({ note: "" })
  const bob = repoOf(node, "bob")
  const other = await eventually("bob has it", () => bob.repo.find<Note>(handle.url).catch(() => undefined))

  const context = await browser()
  const open = (sub: string) => visit(context, address, { url: node.url, token: token({ sub }), document: handle.documentId })
  const [cem, dea] = [await open("cem"), await open("dea")]
  await shows(cem, { online: ["ann", "bob", "cem", "dea"] })
  await shows(dea, { viewers: ["ann", "bob", "cem", "dea"] })

  const event = { type: "invoice:paid", room: "company:acme", data: { document: handle.documentId, number: "4711" } }
  await node.call({ sub: "erp", role: "service" }, "/v1/events", { method: "POST", body: JSON.stringify({ events: [event] }) })
  await shows(cem, { paid: ["4711"] })
  await shows(dea, { paid: ["4711"] })

  await dea.locator("input").pressSequentially("hello")
  await shows(cem, { typists: ["dea"] })
  await shows(dea, { typists: [] })
  await shows(cem, { typists: [] })

  bob.adapter.disconnect()
  handle.change(doc => void (doc.note = "ann's"))
  other.change(doc => void (doc.note = "bob's"))
  bob.adapter.reconnect()
  await shows(cem, { conflicts: [{ path: "/note", users: ["ann", "bob"] }] })
  handle.change(doc => void (doc.note = "both"))
  await shows(cem, { conflicts: [] })

  await dea.close()
  await shows(cem, { online: ["ann", "bob", "cem"] })
})
