// A real server: a process of its own on a free port, with an empty folder.

import { spawn, type ChildProcess } from "node:child_process"
import { createHmac } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { onTestFinished } from "vitest"

const SECRET = "a secret for tests, longer than thirty-two bytes"
const binary = process.env.CONCORD_BINARY ?? new URL("../../../../bin/concord", import.meta.url).pathname

export interface Claims {
  sub: string
  company?: string
  role?: string
  /** Seconds. */
  ttl?: number
  jti?: string
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

/** Signs a token as the company's sign-in service does. */
export function token({ sub, company = "acme", role = "editor", ttl = 3600, jti }: Claims): string {
  const now = Math.floor(Date.now() / 1000)
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub, company, role, iat: now, exp: now + ttl, jti })}`
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`
}

export class Node {
  address = "127.0.0.1:0"
  logs: string[] = []
  #data = mkdtempSync(join(tmpdir(), "concord-"))
  #process?: ChildProcess
  #args: string[]

  private constructor(args: string[]) {
    this.#args = args
  }

  /** Runs a server until the test is over. */
  static async start(...args: string[]): Promise<Node> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing; run "make build"`)
    const node = new Node(args)
    onTestFinished(async () => {
      await node.stop()
      rmSync(node.#data, { recursive: true, force: true })
    })
    await node.run()
    return node
  }

  get url(): string {
    return `http://${this.address}`
  }

  /** Starts the process again, on the same port and data. */
  async run(): Promise<void> {
    const args = ["serve", "--listen", this.address, "--data", this.#data, "--max-connections-per-ip", "0", "--log-format", "json"]
    const child = spawn(binary, [...args, ...this.#args], {
      env: { ...process.env, CONCORD_JWT_SECRET: SECRET },
      stdio: ["ignore", "ignore", "pipe"],
    })
    this.#process = child
    this.address = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", line => {
        this.logs.push(line)
        const { msg, address } = line.startsWith("{") ? JSON.parse(line) : ({} as Record<string, string>)
        if (msg === "listening") resolve(address)
      })
      child.once("exit", code => reject(new Error(`concord ended with ${code}:\n${this.logs.join("\n")}`)))
    })
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#process
    if (!child) return
    this.#process = undefined
    await new Promise(resolve => {
      child.once("exit", resolve)
      child.kill(signal)
    })
  }

  /** Calls the server as a user. */
  call(claims: Claims, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { "Content-Type": "application/json", ...init.headers, Authorization: `Bearer ${token(claims)}` }
    return fetch(this.url + path, { ...init, headers })
  }
}
