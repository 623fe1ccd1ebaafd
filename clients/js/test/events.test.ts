import { expect, onTestFinished, test } from "vitest"
import { WebSocket as NodeWebSocket } from "ws"
import { ConcordEvents, type ConcordEvent, type EventsOptions, type Status } from "../src/index.js"
import { Node, token } from "./kit/node.js"
import { Proxy } from "./kit/proxy.js"
import { eventually } from "./kit/wait.js"

/** Seconds by which a token is older than the server minds: clocks may differ. */
const LEEWAY = -30

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
  if (!response.ok) throw new Error(await response.text())
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
    const document = await node.call({ sub: "bob" }, "/v1/documents/invoice/4711", { method: "PUT", body: "{}" })
    const room = `document:${((await document.json()) as { id: string }).id}`
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

for (const [transport, rules] of [
  ["websocket", {}],
  ["sse", { noWebSocket: true }],
  ["poll", { noWebSocket: true, noStreams: true }],
] as const) {
  test(`by ${transport}: a connection ends with its token, and another token is asked for`, async () => {
    const node = await Node.start()
    const proxy = await Proxy.start(node.address, rules)
    const renewals: boolean[] = []
    const source = (renew: boolean) => {
      renewals.push(renew)
      return token({ sub: "ann", ttl: renew ? 3600 : LEEWAY + 2 })
    }
    const ann = new Device(proxy.url, "ann", { token: source })
    await ann.online(transport)
    await publish(node, "user:ann", 1)
    await ann.has(1)
    await eventually("the end", () => ann.history.some(status => status.state === "offline"))
    await ann.online(transport)
    await publish(node, "user:ann", 2)
    await ann.has(1, 2)
    expect(renewals[0]).toBe(false)
    expect(renewals.at(-1)).toBe(true)
    expect(ann.history.map(({ state, code }) => [state, code]).slice(0, 4)).toEqual([
      ["connecting", undefined],
      ["online", undefined],
      ["offline", 4401],
      ["online", undefined],
    ])
  })
}

test("a token is renewed in band", async () => {
  const node = await Node.start()
  const renewals: boolean[] = []
  const source = (renew: boolean) => {
    renewals.push(renew)
    return token({ sub: "ann", ttl: 4 })
  }
  const ann = new Device(node.url, "ann", { token: source })
  await eventually("a third token", () => renewals.length > 2)
  expect(renewals.slice(0, 3)).toEqual([false, true, true])
  expect(ann.history.map(status => status.state)).toEqual(["connecting", "online"])
  expect(ann.errors).toEqual([])
})

test("a connection that lives says so when it is asked", async () => {
  const node = await Node.start()
  const ann = new Device(node.url, "ann")
  await ann.online("websocket")
  ann.events.connect()
  await new Promise(resolve => setTimeout(resolve, 6_000)) // longer than the client waits for an answer
  expect(ann.history.map(status => status.state)).toEqual(["connecting", "online"])
})

test("a token that isn't good", async () => {
  const node = await Node.start()
  for (const rules of [{}, { noWebSocket: true }]) {
    const proxy = await Proxy.start(node.address, rules)
    const ann = new Device(proxy.url, "ann", { token: () => token({ sub: "ann", ttl: -60 }) })
    await eventually("stopped", () => ann.events.status.state === "stopped")
    expect(ann.events.status).toMatchObject({ code: 4401, reason: expect.stringContaining("expired") })
  }
})

test("the server restarts, and is killed", async () => {
  const node = await Node.start()
  const [ann, bob] = [new Device(node.url, "ann"), new Device(node.url, "bob")]
  await ann.online("websocket")
  await bob.online("websocket")
  await publish(node, "company:acme", 1)
  await ann.has(1)
  for (const [n, signal] of [[2, "SIGTERM"], [3, "SIGKILL"]] as const) {
    await node.stop(signal)
    await eventually("offline", () => ann.events.status.state === "offline" && bob.events.status.state === "offline")
    await node.run()
    await publish(node, "company:acme", n)
  }
  await ann.has(1, 2, 3)
  await bob.has(1, 2, 3)
  expect(ann.gaps + bob.gaps).toBe(0)
})

test("devices of a user: each hears everything, and what is read on one shows on the other", async () => {
  const node = await Node.start()
  const phone = new Device(node.url, "ann", { device: "phone" })
  const till = new Device(node.url, "ann", { device: "till" })
  await phone.online("websocket")
  await till.online("websocket")
  till.events.close()
  await publish(node, "user:ann", 1)
  await phone.has(1)
  const read: string[] = []
  till.events.on("notification:read", ({ data }) => read.push(...data.ids))
  till.events.connect()
  await till.has(1)
  phone.events.read(phone.heard[0]!.id)
  await eventually("the till knows what was read", () => read.length > 0)
  expect(read).toEqual([phone.heard[0]!.id])
})

test("what is read without a connection is told with the next one", async () => {
  const node = await Node.start()
  const [phone, till] = [new Device(node.url, "ann", { device: "phone" }), new Device(node.url, "ann", { device: "till" })]
  const read: string[] = []
  till.events.on("notification:read", ({ data }) => read.push(...data.ids))
  await phone.online("websocket")
  await till.online("websocket")
  await publish(node, "user:ann", 1)
  await phone.has(1)
  phone.events.close()
  phone.events.read(phone.heard[0]!.id)
  phone.events.connect()
  await eventually("the till knows what was read", () => read.length > 0)
})

for (const [transport, rules] of [
  ["websocket", {}],
  ["sse", { noWebSocket: true }],
  ["poll", { noWebSocket: true, noStreams: true }],
] as const) {
  test(`by ${transport}: who is online and types`, async () => {
    const node = await Node.start()
    const proxy = await Proxy.start(node.address, rules)
    const document = await node.call({ sub: "bob" }, "/v1/documents/invoice/4711", { method: "PUT", body: "{}" })
    const { id } = (await document.json()) as { id: string }
    const [ann, bob] = [new Device(proxy.url, "ann"), new Device(proxy.url, "bob")]
    ann.events.subscribe(`document:${id}`)
    await ann.online(transport)
    await bob.online(transport)
    const online = () => [...ann.events.presence.values()].filter(user => user.online).map(user => user.user)
    await eventually("both are online", () => online().sort().join() === "ann,bob")
    const typing = eventually("bob types", () => ann.events.typists.length > 0)
    const keys = setInterval(() => bob.events.typing(id, "/note"), 100)
    await typing
    expect(ann.events.typists).toEqual([{ user: "bob", document: id, field: "/note" }])
    clearInterval(keys)
    await eventually("it is over", () => ann.events.typists.length === 0)
    expect(ann.errors.concat(bob.errors)).toEqual([])
  })
}

test("by poll: a device that wants nothing of what happens acknowledges all the same", async () => {
  const node = await Node.start()
  const proxy = await Proxy.start(node.address, { noWebSocket: true, noStreams: true })
  const ann = new Device(proxy.url, "ann", { types: ["stock:*"] })
  await ann.online("poll")
  await eventually("an acknowledgement", () => proxy.requests.includes("POST /v1/events/ack"))
})

test("a room that isn't one's own is refused", async () => {
  const node = await Node.start()
  const ann = new Device(node.url, "ann", { rooms: ["user:bob"] })
  await ann.online("websocket")
  ann.events.subscribe("company:globex")
  await eventually("two refusals", () => ann.errors.length === 2)
  expect(ann.errors[0]).toMatch(/^user:bob: /)
  expect(ann.errors[1]).toMatch(/^company:globex: /)
  await publish(node, "user:ann", 1)
  await ann.has(1)
})
