import { expect, test } from "vitest"
import { browser, site } from "./kit/browser.js"
import { Node, token } from "./kit/node.js"
import { Proxy } from "./kit/proxy.js"
import type { Page as Shared } from "./page/app.js"

declare const page: Shared

test.each([{}, { noWebSocket: true }])("a page behind a proxy with %j shows whether edits are saved", async rules => {
  const address = await site("app.ts")
  const node = await Node.start("--allow-origin", new URL(address).origin)
  const proxy = await Proxy.start(node.address, rules)
  const context = await browser()
  const setting = { url: proxy.url, token: token({ sub: "ann" }), shown: [] }
  await context.addInitScript(value => Object.assign(globalThis, { page: value }), setting)
  const tab = await context.newPage()
  const complaints: string[] = []
  tab.on("pageerror", error => complaints.push(String(error)))
  await tab.goto(address)
  const shows = (text: string) => tab.locator("output").filter({ hasText: new RegExp(`^${text}$`) }).waitFor()
  await shows("saved")

  await tab.evaluate(() => (page.shown = []))
  await context.setOffline(true)
  await shows("offline")
  await tab.evaluate(() => page.edit("Beans"))
  await shows("offline \\(1\\)")
  await tab.evaluate(() => page.edit("Filters"))
  await shows("offline \\(2\\)")
  await context.setOffline(false)
  await shows("saved")
  const shown = await tab.evaluate(() => page.shown)
  expect(shown).toEqual(["offline", "offline (1)", "offline (2)", "saving (2)", "saved"])
  expect(complaints).toEqual([])

  const url = await tab.evaluate(() => page.document)
  const answer = await node.call({ sub: "bob" }, `/v1/documents/${url.replace("automerge:", "")}`)
  expect(await answer.json()).toMatchObject({ content: { lines: ["Beans", "Filters"] } })
})
