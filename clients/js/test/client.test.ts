// What the client does with what it hears, message by message, under a clock of the test's.

import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { ConcordEvents, type EventsOptions } from "../src/index.js"
import { FakeSocket } from "./kit/socket.js"

/** A storage of a browser. */
class Store {
  readonly values = new Map<string, string>()
  getItem = (key: string) => this.values.get(key) ?? null
  setItem = (key: string, value: string) => void this.values.set(key, value)
}

const hello = { type: "hello", user: "ann", company: "acme", cursor: "c0", recovered: true, rooms: [], refused: [], presence: ["ann", "bob"] }
const paid = (n: number, cursor = `c${n}`) => ({ type: "event", cursor, event: { id: `E${n}`, type: "invoice:paid", room: "company:acme", data: { n } } })

async function connect(options: Partial<EventsOptions> = {}): Promise<ConcordEvents> {
  const events = new ConcordEvents({ url: "http://test/base/", token: () => "t", WebSocket: FakeSocket as never, device: "phone", ...options })
  events.connect()
  await vi.advanceTimersByTimeAsync(0)
  FakeSocket.last.open()
  FakeSocket.last.receive(hello)
  return events
}

/** Ends the connection, and waits for the next one. */
async function again(): Promise<void> {
  FakeSocket.last.end(1012)
  await vi.advanceTimersByTimeAsync(1_000)
  FakeSocket.last.open()
}

beforeEach(() => {
  vi.useFakeTimers()
  FakeSocket.all = []
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test("it says who it is, and goes on where it was", async () => {
  const events = await connect({ rooms: ["document:d1"], types: ["invoice:*"] })
  expect(FakeSocket.last.url).toBe("ws://test/base/v1/events")
  expect(FakeSocket.last.sent).toEqual([{ type: "hello", device: "phone", cursor: "", rooms: ["document:d1"], types: ["invoice:*"] }])
  expect(events).toMatchObject({ user: "ann", company: "acme" })
  const leave = events.subscribe("document:d2")
  events.subscribe("document:d2")()
  events.view(["d3"])
  expect(FakeSocket.last.sent.slice(1)).toEqual([
    { type: "subscribe", rooms: ["document:d2"] },
    { type: "view", documents: ["d3"] },
  ])
  FakeSocket.last.receive(paid(7))
  await again()
  expect(FakeSocket.last.sent).toEqual([
    { type: "hello", device: "phone", cursor: "c7", rooms: ["document:d1", "document:d2"], types: ["invoice:*"] },
    { type: "view", documents: ["d3"] },
  ])
  leave()
  leave()
  expect(FakeSocket.last.of("unsubscribe")).toEqual([{ type: "unsubscribe", rooms: ["document:d2"] }])
})

test("a repeat is dropped, and acknowledged", async () => {
  const events = await connect()
  const heard: unknown[] = []
  events.on("invoice:paid", event => heard.push(event.id))
  FakeSocket.last.receive(paid(1), paid(1, "c9"))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(heard).toEqual(["E1"])
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c9" }])
  // The memory of it is bounded.
  for (let n = 2; n < 2_100; n++) FakeSocket.last.receive(paid(n))
  FakeSocket.last.receive(paid(1), paid(2_000))
  expect(heard.slice(-1)).toEqual(["E1"])
})

test("an event is acknowledged when its handlers and those of all before it have run", async () => {
  const events = await connect()
  let finish!: () => void
  events.once("invoice:*", () => new Promise<void>(resolve => (finish = resolve)))
  FakeSocket.last.receive(paid(1), paid(2))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(FakeSocket.last.of("ack")).toEqual([])
  finish()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c2" }])
})

test("a handler that fails keeps nothing from going on", async () => {
  const reported: unknown[] = []
  vi.stubGlobal("reportError", (error: unknown) => reported.push(String(error)))
  const events = await connect()
  const heard: unknown[] = []
  events.on("*", () => {
    throw new Error("a handler's")
  })
  events.on("*", event => heard.push(event.id))
  FakeSocket.last.receive(paid(1), paid(2))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(reported).toEqual(["Error: a handler's", "Error: a handler's"])
  expect(heard).toEqual(["E1", "E2"])
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c2" }])
})

test("acknowledging by hand", async () => {
  const events = await connect({ ack: "manual" })
  const heard: { cursor?: string }[] = []
  events.on("*", event => heard.push(event))
  FakeSocket.last.receive(paid(1), paid(2))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ack")).toEqual([])
  events.ack(heard[0]!)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c1" }])
})

test("what was acknowledged without a connection is told with the next one, and kept in the storage", async () => {
  const storage = new Store()
  await connect({ storage })
  FakeSocket.last.receive(paid(1))
  FakeSocket.last.end(1012)
  await vi.advanceTimersByTimeAsync(1_000)
  FakeSocket.last.open()
  FakeSocket.last.receive(hello)
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c1" }])
  await connect({ storage })
  expect(FakeSocket.last.sent[0]).toMatchObject({ type: "hello", cursor: "c1" })
})

test("an acknowledgement that may be lost with its connection is told again", async () => {
  await connect()
  FakeSocket.last.receive(paid(1))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ack")).toHaveLength(1)
  await again()
  FakeSocket.last.receive({ ...hello, cursor: "c1" })
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c1" }])
})

test("what was read is told until the server has heard it", async () => {
  const bodies: unknown[] = []
  const answers = [() => Promise.reject(new TypeError("lost")), () => Promise.resolve(new Response(null, { status: 204 }))]
  const events = await connect({ fetch: (_, init) => (bodies.push(JSON.parse(init!.body as string)), answers.shift()!()) })
  events.read("E1", "E2")
  await vi.advanceTimersByTimeAsync(0)
  await again()
  FakeSocket.last.receive(hello)
  await again()
  FakeSocket.last.receive(hello)
  await vi.advanceTimersByTimeAsync(0)
  expect(bodies).toEqual([{ ids: ["E1", "E2"] }, { ids: ["E1", "E2"] }])
})

test("tickets are the way until they aren't", async () => {
  const fetch = async (url: unknown) => {
    if (String(url).endsWith("/v1/tickets")) return Response.json({ ticket: "t1" })
    throw new TypeError("lost")
  }
  const events = new ConcordEvents({ url: "http://test", token: () => "t", WebSocket: FakeSocket as never, device: "phone", fetch })
  events.connect()
  const next = async (step: (socket: FakeSocket) => void) => {
    step(FakeSocket.last)
    await vi.advanceTimersByTimeAsync(1_000)
    return FakeSocket.last.url.replace("ws://test/v1/events", "")
  }
  const opens = (socket: FakeSocket) => {
    socket.open()
    socket.receive(hello)
    socket.end(1012)
  }
  await vi.advanceTimersByTimeAsync(0)
  expect(await next(socket => socket.end(1006))).toBe("?ticket=t1")
  expect(await next(opens)).toBe("?ticket=t1")
  expect(FakeSocket.all).toHaveLength(3)
  expect(await next(socket => socket.end(1006))).toBe("")
  expect(FakeSocket.all).toHaveLength(4)
  events.close()
})

test("a device keeps its name", () => {
  const storage = new Store()
  const make = () => new ConcordEvents({ url: "http://test", token: () => "t", storage })
  expect(make().device).toMatch(/^[0-9a-f]{32}$/)
  expect(make().device).toBe(make().device)
})

test("handlers come and go", async () => {
  const events = await connect()
  const heard: string[] = []
  const handler = () => heard.push("on")
  const off = events.on("invoice:paid", handler)
  events.once("invoice:paid", () => heard.push("once"))
  events.on("project:*", () => heard.push("another type"))
  const removed = () => heard.push("removed")
  events.once("*", removed)
  events.off("*", removed)
  FakeSocket.last.receive(paid(1), paid(2))
  off()
  FakeSocket.last.receive(paid(3))
  expect(heard).toEqual(["on", "once", "on"])
})

test("an app that loads itself anew because of a gap doesn't come to the same gap again", async () => {
  const storage = new Store()
  storage.setItem("concord:cursor:undefined/undefined/phone", "old")
  const cursors: unknown[] = []
  const load = async () => {
    const events = await connect({ storage })
    cursors.push(FakeSocket.last.sent[0]!.cursor)
    return events
  }
  const events = await load()
  let reloaded: Promise<unknown> | undefined
  events.on("gap", () => {
    events.close()
    reloaded = load()
  })
  FakeSocket.last.receive({ ...hello, recovered: false, cursor: "oldest" })
  await reloaded
  expect(cursors).toEqual(["old", "oldest"])
})

test("a place in the log without an event for this device is gone on from, and acknowledged", async () => {
  await connect()
  FakeSocket.last.receive(paid(1), { type: "cursor", cursor: "c30" })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ack")).toEqual([{ type: "ack", cursor: "c30" }])
  await again()
  expect(FakeSocket.last.sent[0]).toMatchObject({ cursor: "c30" })
})

test("gaps, refusals and errors are told", async () => {
  const events = await connect()
  const told: unknown[] = []
  events.on("gap", gap => told.push(gap))
  events.on("error", ({ code, message }) => told.push([code, message]))
  FakeSocket.last.receive(
    { type: "gap", cursor: "c40", recovered: false },
    { type: "subscribed", rooms: [], refused: [{ room: "user:bob", message: "not yours" }] },
    { type: "error", code: "rate-limited", message: "slowly", limit: "messages", retryAfter: 2 },
  )
  await again()
  expect(FakeSocket.last.sent[0]).toMatchObject({ cursor: "c40" })
  FakeSocket.last.receive({ ...hello, recovered: false, cursor: "c50" })
  expect(told).toEqual([{ cursor: "c40" }, ["forbidden", "user:bob: not yours"], ["rate-limited", "slowly"], { cursor: "c50" }])
})

test("who is online, and who types", async () => {
  const events = await connect()
  const users = () => [...events.presence.values()].map(({ user, online }) => `${user} ${online ? "on" : "off"}`)
  const happens = (type: string, data: object) => ({ type: "event", event: { id: Math.random().toString(), type, room: "company:acme", data } })
  expect(users()).toEqual(["ann on", "bob on"])
  FakeSocket.last.receive(happens("user:offline", { user: "bob", lastSeen: "2026-01-01T00:00:00Z" }), happens("user:online", { user: "cem" }))
  expect(users()).toEqual(["ann on", "bob off", "cem on"])
  expect(events.presence.get("bob")!.lastSeen).toBe("2026-01-01T00:00:00Z")
  const types = (user: string, active: boolean) => happens("user:typing", { user, document: "d1", field: "/note", active })
  FakeSocket.last.receive(types("bob", true), types("ann", true))
  expect(events.typists).toEqual([{ user: "bob", document: "d1", field: "/note" }])
  await vi.advanceTimersByTimeAsync(4_000)
  FakeSocket.last.receive(types("bob", true))
  await vi.advanceTimersByTimeAsync(4_000)
  expect(events.typists).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(events.typists).toEqual([])
  FakeSocket.last.receive(types("bob", true), types("bob", false))
  expect(events.typists).toEqual([])
  await again()
  FakeSocket.last.receive({ ...hello, presence: ["ann"] })
  expect(users()).toEqual(["ann on", "bob off", "cem off"])
})

test("a user's typing is told at most every two seconds", async () => {
  const events = await connect()
  const type = () => events.typing("d1", "/note")
  events.typing("d1", "/note", false)
  type()
  await vi.advanceTimersByTimeAsync(1_999)
  type()
  expect(FakeSocket.last.of("typing")).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  type()
  events.typing("d1", "/note", false)
  events.typing("d1", "/note", false)
  expect(FakeSocket.last.of("typing").map(message => message.active)).toEqual([true, true, false])
})

test("a silent connection is asked whether it lives, and ended when it doesn't answer", async () => {
  const events = await connect()
  await vi.advanceTimersByTimeAsync(49_000)
  expect(FakeSocket.last.of("ping")).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(FakeSocket.last.of("ping")).toHaveLength(1)
  FakeSocket.last.receive({ type: "pong" })
  await vi.advanceTimersByTimeAsync(49_000)
  expect(events.status.state).toBe("online")
  await vi.advanceTimersByTimeAsync(7_000)
  expect(FakeSocket.last).not.toBe(FakeSocket.all[0])
  expect(FakeSocket.all[0]!.readyState).toBe(3)
})
