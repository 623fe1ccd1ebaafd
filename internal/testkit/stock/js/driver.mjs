// Runs clients on command: one JSON object per line on stdin {id, command, client, …arguments}, one answer per line on
// stdout {id, result} or {id, error}. Ends when stdin does, so that no process outlives its test.

import { createInterface } from "node:readline"
import { clientClass } from "./client.mjs"
import { deviceClass } from "./device.mjs"

/** Serves the commands with the packages of one generation. */
export function run(packages) {
  const Client = clientClass(packages)
  const Device = deviceClass(packages)
  const clients = new Map()

  // The stock adapter throws inside event handlers and timers, where a browser would only log.
  const logFault = err => {
    process.stderr.write(`fault: ${err?.stack ?? err}\n`)
  }
  process.on("uncaughtException", logFault)
  process.on("unhandledRejection", logFault)
  // stdout belongs to the answers.
  console.log = (...args) => process.stderr.write(args.map(String).join(" ") + "\n")

  const commands = {
    open({ client, ...options }) {
      if (clients.has(client)) throw new Error(`client ${client} is open`)
      clients.set(client, new Client(options))
      return {}
    },
    device({ client }) {
      clients.set(client, new Device())
      return {}
    },
    async close(args) {
      await clients.get(args.client)?.close(args)
      clients.delete(args.client)
      return {}
    },
    // Frames made elsewhere, decoded by the packages' own CBOR reader.
    decode: ({ frame }) => ({ message: plain(packages.cbor.decode(new Uint8Array(Buffer.from(frame, "base64")))) }),
    memory: () => {
      globalThis.gc?.()
      return process.memoryUsage()
    },
  }

  async function execute({ command, ...args }) {
    if (commands[command]) return commands[command](args)
    const client = clients.get(args.client)
    if (!client) throw new Error(`no client ${args.client}`)
    if (typeof client[command] !== "function") throw new Error(`unknown command ${command}`)
    return client[command](args)
  }

  createInterface({ input: process.stdin })
    .on("line", async line => {
      const { id, ...request } = JSON.parse(line)
      let answer
      try {
        answer = { id, result: await execute(request) }
      } catch (err) {
        answer = { id, error: String(err?.message ?? err) }
      }
      process.stdout.write(JSON.stringify(answer) + "\n")
    })
    .on("close", () => process.exit(0))
}

/** A decoded CBOR value as JSON, with the types that JSON lacks shown by name. */
function plain(v) {
  if (v instanceof Uint8Array) return { $bytes: Buffer.from(v).toString("base64") }
  if (typeof v === "bigint") return { $bigint: v.toString() }
  if (v === undefined) return { $undefined: true }
  if (Array.isArray(v)) return v.map(plain)
  if (v?.constructor && v.constructor !== Object && typeof v === "object") return { $class: v.constructor.name }
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)]))
  return v
}
