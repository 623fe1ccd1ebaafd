import { expect, onTestFinished, test } from "vitest"
import { WebSocket as NodeWebSocket } from "ws"
import { ConcordEvents, type ConcordEvent, type EventsOptions, type Status } from "../src/index.js"
import { token } from "./kit/node.js"
import { Node } from "./kit/standin.js"
import { Proxy } from "./kit/proxy.js"
import { eventually } from "./kit/wait.js"

const erp = { sub: "erp", role: "service" }

/** One device of a user, with all that it was told. */
class Device {
  readonly events: ConcordEvents
  readonly heard: ConcordEvent[] = []
  readonly history: Status[] = []
  readonly errors: string[] = []
  gaps = 0

  constructor(url: string, sub: string, options: Partial<EventsOptions> = {}) {
    this.events = new ConcordEvents({
      url,
      token: () => token({ sub }),
      WebSocket: NodeWebSocket as unknown as typeof WebSocket,
      maxDelay: 300,
      device: `${sub}'s phone`,
      ...options,
    })
    this.events.on("status", status => this.history.push(status))
    this.events.on("gap", () => this.gaps++)
    this.events.on("error", ({ message }) => this.errors.push(message))
    this.events.on("invoice:*", event => this.heard.push(event))
    this.events.connect()
    onTestFinished(() => this.events.close())
  }

  online(transport: Status["transport"]): Promise<unknown> {
    return eventually(`online by ${transport}`, () => this.events.status.transport === transport)
  }

  async has(...numbers: number[]): Promise<void> {
    await eventually(`the events ${numbers}; heard ${this.numbers()}`, () => this.numbers().length >= numbers.length)
    expect(this.numbers()).toEqual(numbers)
  }

  numbers(): number[] {
    return this.heard.map(event => (event.data as { number: number }).number)
  }
}

async function publish(node: Node, room: string, ...numbers: number[]): Promise<string[]> {
  const list = numbers.map(number => ({ type: "invoice:paid", room, data: { number } }))
  const response = await node.call(erp, "/v1/events", { method: "POST", body: JSON.stringify({ events: list }) })
  const { events } = (await response.json()) as { events: { id: string }[] }
  return events.map(event => event.id)
}

for (const [transport, rules] of [
  ["websocket", {}],
  ["websocket", { noSubprotocols: true }],
  ["sse", { noWebSocket: true }],
  ["poll", { noWebSocket: true, noStreams: true }],
] as const) {
  test(`by ${transport} through a proxy with ${JSON.stringify(rules)}: live, and what was missed`, async () => {
    const node = await Node.start()
    const proxy = await Proxy.start(node.address, rules)
    const ann = new Device(proxy.url, "ann")
    await ann.online(transport)
    await publish(node, "company:acme", 1)
    await publish(node, "user:ann", 2)
    await publish(node, "user:bob", 99)
    await ann.has(1, 2)
    expect(ann.heard[0]).toMatchObject({ type: "invoice:paid", room: "company:acme", from: "erp", data: { number: 1 } })

    // A room is joined and left while connected.
    const room = "document:2j9knpCseyhnK8izDmLpGP5WMdZQ"
    const leave = ann.events.subscribe(room)
    let number = 100
    await eventually("the room is joined", async () => {
      await publish(node, room, ++number)
      return ann.numbers().some(n => n > 100)
    })
    leave()
    await eventually("the room is left", async () => {
      const [inside, after] = [++number, ++number]
      await publish(node, room, inside)
      await publish(node, "user:ann", after)
      await eventually("the later one", () => ann.numbers().includes(after))
      return !ann.numbers().includes(inside)
    })
    ann.heard.length = 0

    proxy.rules.down = true
    proxy.cut()
    await eventually("offline", () => ann.events.status.state === "offline")
    await publish(node, "user:ann", 5, 6)
    proxy.rules.down = false
    await ann.has(5, 6)
    await ann.online(transport)
    await publish(node, "user:ann", 7)
    await ann.has(5, 6, 7)
    expect(ann.gaps).toBe(0)

    // Another run of the app on this device goes on after what it has acknowledged.
    await new Promise(resolve => setTimeout(resolve, 500))
    ann.events.close()
    await publish(node, "user:ann", 8)
    const later = new Device(proxy.url, "ann")
    await later.has(8)
    expect(ann.errors).toEqual([])
  })
}
