// Speaks the protocol of /v1/events until the server does.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { WebSocketServer, type WebSocket } from "ws"
import { onTestFinished } from "vitest"
import { token, type Claims } from "./node.js"

interface Entry { cursor: string; n: number; event: { id: string; type: string; room: string; [k: string]: unknown } }
interface Who { sub: string; company: string }

export class Node {
  log: Entry[] = []
  acks = new Map<string, number>()
  #server?: Server
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "concord.v1" })
  #listeners = new Set<() => void>()
  #tickets = new Map<string, Who>()
  #port = 0

  static async start(): Promise<Node> {
    const node = new Node()
    await node.run()
    onTestFinished(() => node.stop())
    return node
  }
  get address() { return `127.0.0.1:${this.#port}` }
  get url() { return `http://${this.address}` }

  async run() {
    this.#server = createServer((q, s) => void this.#http(q, s))
    this.#server.on("upgrade", (q, socket, head) => this.#sockets.handleUpgrade(q, socket, head, ws => this.#ws(q, ws)))
    await new Promise<void>(r => this.#server!.listen(this.#port, "127.0.0.1", r))
    this.#port = (this.#server!.address() as AddressInfo).port
  }
  async stop() {
    for (const c of this.#sockets.clients) c.close(1012, "restart")
    await new Promise(r => setTimeout(r, 20))
    this.#server?.closeAllConnections()
    await new Promise(r => this.#server?.close(r))
  }
  call(claims: Claims, path: string, init: RequestInit = {}) {
    return fetch(this.url + path, { ...init, headers: { "Content-Type": "application/json", ...init.headers, Authorization: `Bearer ${token(claims)}` } })
  }
  #who(q: IncomingMessage): Who | undefined {
    const u = new URL(q.url!, "http://x")
    const t = u.searchParams.get("ticket")
    if (t) return this.#tickets.get(t)
    const jwt = q.headers.authorization?.slice(7) ?? q.headers["sec-websocket-protocol"]?.split("bearer.")[1]
    if (!jwt) return
    const c = JSON.parse(Buffer.from(jwt.split(".")[1]!, "base64url").toString())
    return c.exp * 1000 < Date.now() ? undefined : c
  }
  #hello(who: Who, device: string, cursor: string, rooms: string[]) {
    const n = cursor ? Number(cursor.slice(1)) : (this.acks.get(`${who.sub} ${device}`) ?? this.log.length)
    const joined = new Set([`user:${who.sub}`, `company:${who.company}`, ...rooms])
    return { n, joined, message: { type: "hello", user: who.sub, company: who.company, device, cursor: `c${n}`, recovered: true, rooms: [...joined], refused: [], presence: [who.sub], time: new Date().toISOString() } }
  }
  #ws(q: IncomingMessage, ws: WebSocket) {
    const who = this.#who(q)
    if (!who) return ws.close(4401, "no")
    let at = -1, device = "", joined = new Set<string>()
    const say = (m: object) => ws.send(JSON.stringify(m))
    const pump = () => {
      for (; at >= 0 && at < this.log.length; at++) {
        const { cursor, event } = this.log[at]!
        if (joined.has(event.room)) say({ type: "event", cursor, event })
      }
    }
    this.#listeners.add(pump)
    ws.on("close", () => this.#listeners.delete(pump))
    ws.on("message", data => {
      const m = JSON.parse(String(data))
      if (m.type === "hello") {
        device = m.device
        const h = this.#hello(who, m.device, m.cursor, m.rooms ?? [])
        joined = h.joined
        say(h.message)
        at = h.n
        pump()
      } else if (m.type === "subscribe") { m.rooms.forEach((r: string) => joined.add(r)); say({ type: "subscribed", id: m.id, rooms: m.rooms, refused: [] }) }
      else if (m.type === "unsubscribe") m.rooms.forEach((r: string) => joined.delete(r))
      else if (m.type === "ack") this.acks.set(`${who.sub} ${device}`, Number(m.cursor.slice(1)))
      else if (m.type === "ping") say({ type: "pong", id: m.id })
    })
  }
  async #http(q: IncomingMessage, s: ServerResponse) {
    const who = this.#who(q)
    const u = new URL(q.url!, "http://x")
    let body = ""
    for await (const c of q) body += c
    const json = (v: unknown) => s.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(v))
    if (!who) return s.writeHead(401).end("{}")
    if (u.pathname === "/v1/tickets") { const t = String(Math.random()); this.#tickets.set(t, who); return json({ ticket: t }) }
    const p = u.searchParams
    const h = () => this.#hello(who, p.get("device")!, p.get("cursor") ?? "", p.get("rooms")?.split(",") ?? [])
    if (u.pathname === "/v1/events" && q.method === "GET") {
      s.writeHead(200, { "Content-Type": "text/event-stream" })
      const { n, joined, message } = h()
      let at = n
      s.write(`event: hello\ndata: ${JSON.stringify(message)}\n\n`)
      const pump = () => { for (; at < this.log.length; at++) { const { cursor, event } = this.log[at]!; if (joined.has(event.room)) s.write(`id: ${cursor}\nevent: event\ndata: ${JSON.stringify({ type: "event", cursor, event })}\n\n`) } }
      this.#listeners.add(pump)
      s.on("close", () => this.#listeners.delete(pump))
      return pump()
    }
    if (u.pathname === "/v1/events/poll") {
      const { n, joined, message } = h()
      const answer = () => this.log.slice(n).filter(e => joined.has(e.event.room)).map(({ cursor, event }) => ({ type: "event", cursor, event }))
      if (answer().length === 0 && p.get("wait") !== "0") await new Promise<void>(r => { const f = () => { this.#listeners.delete(f); r() }; this.#listeners.add(f); setTimeout(f, 1000) })
      return json({ messages: [message, ...answer()] })
    }
    if (u.pathname === "/v1/events/ack") { const b = JSON.parse(body); this.acks.set(`${who.sub} ${b.device}`, Number(b.cursor.slice(1))); return s.writeHead(204).end() }
    if (u.pathname === "/v1/events") {
      const list = JSON.parse(body).events.map((e: { type: string; room: string; data: unknown }) => {
        const n = this.log.length + 1
        const entry = { n, cursor: `c${n}`, event: { id: `E${n}`, time: new Date().toISOString(), from: who.sub, ...e } }
        this.log.push(entry)
        return { id: entry.event.id, cursor: entry.cursor }
      })
      for (const l of [...this.#listeners]) l()
      return json({ events: list })
    }
    s.writeHead(204).end()
  }
}
