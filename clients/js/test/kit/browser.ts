// Debian's Chromium, and a site that serves one page.

import { build } from "esbuild"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { chromium, type BrowserContext } from "playwright-core"
import { onTestFinished } from "vitest"

/** Starts a browser until the test is over. */
export async function browser(): Promise<BrowserContext> {
  const chrome = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] })
  onTestFinished(() => chrome.close())
  return chrome.newContext()
}

/** Serves a page with a module of this folder until the test is over, and returns its address. */
export async function site(module: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../page/${module}`, import.meta.url).pathname],
    bundle: true,
    format: "esm",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"development"' },
    write: false,
  })
  const script = outputFiles[0]!.contents
  const server = createServer((req, res) => {
    const [type, body] = req.url === "/app.js" ? ["text/javascript", script] : ["text/html", '<div id="root"></div><script type="module" src="/app.js"></script>']
    res.writeHead(req.url === "/favicon.ico" ? 404 : 200, { "Content-Type": type }).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
