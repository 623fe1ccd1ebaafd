// What may stand between a browser and the server: something that refuses what it doesn't know, or just goes silent.

import { createServer, request, type IncomingMessage, type Server } from "node:http"
import { connect, type AddressInfo, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { onTestFinished } from "vitest"

/** What a proxy does to the traffic; it may be changed while it runs. */
export interface Rules {
  /** Answers upgrade requests with 403. */
  noWebSocket?: boolean
  /** Drops the headers by which subprotocols are agreed. */
  noSubprotocols?: boolean
  /** Answers requests for event streams with 502. */
  noStreams?: boolean
  /** Resets every connection. */
  down?: boolean
}

export class Proxy {
  readonly requests: string[] = []
  #server: Server
  #sockets = new Set<Duplex>()
  #frozen = false

  private constructor(
    readonly target: string,
    readonly rules: Rules,
  ) {
    this.#server = createServer((req, res) => this.#forward(req, res))
    this.#server.on("upgrade", (req, socket) => this.#upgrade(req, socket))
    this.#server.on("connection", socket => {
      this.#keep(socket)
      if (rules.down) socket.destroy()
    })
  }

  /** Forwards to a host and port until the test is over. */
  static async start(target: string, rules: Rules = {}): Promise<Proxy> {
    const proxy = new Proxy(target, rules)
    await new Promise<void>(resolve => proxy.#server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => {
      proxy.cut()
      proxy.#server.close()
    })
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resets all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Lets open WebSockets stay open, and nothing through: a device that moved to another network. */
  freeze(): void {
    this.#frozen = true
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.on("close", () => this.#sockets.delete(socket))
  }

  #forward(req: IncomingMessage, res: import("node:http").ServerResponse): void {
    this.requests.push(`${req.method} ${req.url}`)
    if (this.rules.noStreams && req.headers.accept?.includes("event-stream")) {
      res.writeHead(502).end()
      return
    }
    const [host, port] = this.target.split(":")
    const onward = request({ host, port, path: req.url, method: req.method, headers: req.headers }, answer => {
      res.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(res)
    })
    onward.on("error", () => res.destroy())
    res.on("close", () => onward.destroy())
    req.pipe(onward)
  }

  #upgrade(req: IncomingMessage, socket: Duplex): void {
    this.requests.push(`WS ${req.url}`)
    if (this.rules.noWebSocket) {
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
      return
    }
    const [host, port] = this.target.split(":")
    const server: Socket = connect(Number(port), host, () => {
      const headers = Object.entries(req.headers).filter(([name]) => !this.rules.noSubprotocols || name !== "sec-websocket-protocol")
      server.write(`GET ${req.url} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`)
      socket.on("data", data => this.#frozen || server.write(data))
      server.on("data", data => this.#frozen || socket.write(data))
      socket.on("close", () => server.destroy())
      server.on("close", () => this.#frozen || socket.destroy())
    })
    this.#keep(server)
  }
}
