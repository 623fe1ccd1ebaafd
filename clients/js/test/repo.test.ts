import { Repo, type AutomergeUrl, type DocHandle } from "@automerge/automerge-repo"
import { expect, onTestFinished, test } from "vitest"
import { WebSocket as NodeWebSocket } from "ws"
import { ConcordNetworkAdapter, type AdapterOptions, type Status } from "../src/repo.js"
import { Node, token } from "./kit/node.js"
import { Proxy } from "./kit/proxy.js"
import { eventually } from "./kit/wait.js"

interface Invoice {
  number: string
  lines: string[]
}

/** A person with a repo. */
class Client {
  readonly adapter: ConcordNetworkAdapter
  readonly repo: Repo
  readonly history: Status[] = []

  constructor(url: string, sub: string, options: Partial<AdapterOptions> = {}) {
    this.adapter = new ConcordNetworkAdapter({
      url,
      token: () => token({ sub }),
      WebSocket: NodeWebSocket as unknown as typeof WebSocket,
      maxDelay: 500,
      pollInterval: 100,
      ...options,
    })
    this.adapter.onStatus(status => this.history.push(status))
    this.repo = new Repo({ network: [this.adapter] })
    onTestFinished(() => this.repo.shutdown())
  }

  online(transport?: Status["transport"]): Promise<unknown> {
    return eventually("online", () => this.adapter.status.state === "online" && (!transport || this.adapter.status.transport === transport))
  }

  stopped(): Promise<unknown> {
    return eventually("stopped", () => this.adapter.status.state === "stopped")
  }
}

/** Waits until the server has told that it has all of a document on disk. */
async function durable(client: Client, handle: DocHandle<Invoice>): Promise<void> {
  await eventually("durable", () => {
    const { serverStorageId } = client.adapter
    return serverStorageId && String(handle.getSyncInfo(serverStorageId)?.lastHeads) === String(handle.heads())
  })
}

/** Lets two clients edit one document, and waits until they agree. */
async function collaborate(ann: Client, bob: Client): Promise<void> {
  const hers = ann.repo.create<Invoice>({ number: "4711", lines: [] })
  await durable(ann, hers)
  const his = await bob.repo.find<Invoice>(hers.url)
  his.change(doc => void doc.lines.push("bob's"))
  hers.change(doc => void doc.lines.push("ann's"))
  await eventually("both lines at both", () => [hers, his].every(handle => handle.doc().lines.length === 2))
  expect(hers.doc()).toEqual(his.doc())
  await durable(ann, hers)
  await durable(bob, his)
}

test("two clients edit one document", async () => {
  const node = await Node.start()
  const [ann, bob] = [new Client(node.url, "ann"), new Client(node.url, "bob")]
  await ann.online("websocket")
  await collaborate(ann, bob)
  expect(ann.history.map(status => status.state)).toEqual(["connecting", "online"])
})

test("a proxy that strips subprotocols: tickets", async () => {
  const node = await Node.start()
  const proxy = await Proxy.start(node.address, { noSubprotocols: true })
  const [ann, bob] = [new Client(proxy.url, "ann"), new Client(node.url, "bob")]
  await ann.online("websocket")
  await collaborate(ann, bob)
  proxy.cut()
  await eventually("offline", () => ann.history.some(status => status.state === "offline"))
  await ann.online("websocket")
  // The second connection begins with a ticket.
  expect(proxy.requests.filter(request => request === "WS /v1/sync")).toHaveLength(1)
  await collaborate(ann, bob)
})

test("a proxy that refuses WebSockets: calls", async () => {
  const node = await Node.start()
  const proxy = await Proxy.start(node.address, { noWebSocket: true })
  const [ann, bob, cem] = [new Client(proxy.url, "ann"), new Client(node.url, "bob"), new Client(proxy.url, "cem")]
  await ann.online("http")
  await collaborate(ann, bob)
  await collaborate(bob, ann)
  await collaborate(ann, cem)
  const missing = await ann.repo.find("automerge:2j9knpCseyhnK8izDmLpGP5WMdZQ" as AutomergeUrl, { allowableStates: ["unavailable"] })
  expect(missing.state).toBe("unavailable")
  // What is made by and by is found without being asked for again.
  proxy.cut()
  await collaborate(ann, bob)
})

test("the server restarts", async () => {
  const node = await Node.start()
  const client = new Client(node.url, "ann")
  const handle = client.repo.create<Invoice>({ number: "1", lines: [] })
  await durable(client, handle)
  await node.stop()
  await eventually("offline", () => client.adapter.status.state === "offline")
  expect(client.history.find(status => status.state === "offline")).toMatchObject({ code: 1012 })
  handle.change(doc => void doc.lines.push("offline"))
  await node.run()
  await client.online("websocket")
  await durable(client, handle)
})

test("a token that expires is renewed in band", async () => {
  const node = await Node.start()
  const renewals: boolean[] = []
  const client = new Client(node.url, "ann", {
    token: renew => {
      renewals.push(renew)
      return token({ sub: "ann", ttl: 4 })
    },
  })
  await client.online()
  await eventually("a third token", () => renewals.length > 2)
  expect(renewals.slice(0, 3)).toEqual([false, true, true])
  expect(client.history.map(status => status.state)).toEqual(["connecting", "online"])
})

test("an expired token is asked for again, once", async () => {
  const node = await Node.start()
  const renewals: boolean[] = []
  let ttl = -100
  const source = (renew: boolean) => {
    renewals.push(renew)
    return token({ sub: "ann", ttl: renew ? 3600 : ttl })
  }
  const client = new Client(node.url, "ann", { token: source })
  await client.online()
  expect(renewals).toEqual([false, true])

  const lost = new Client(node.url, "bob", { token: () => (renewals.push(true), token({ sub: "bob", ttl: -100 })) })
  await lost.stopped()
  expect(lost.adapter.status).toMatchObject({ state: "stopped", code: 4401 })
  expect(renewals).toHaveLength(4)
  expect(lost.history.map(status => status.state)).toEqual(["connecting", "offline", "stopped"])
  lost.adapter.reconnect()
  await eventually("two more tries", () => renewals.length === 6)
  await lost.stopped()
})

test("a token source that fails is asked again", async () => {
  const node = await Node.start()
  let failures = 2
  const client = new Client(node.url, "ann", {
    token: async () => {
      if (failures-- > 0) throw new Error("signed out")
      return token({ sub: "ann" })
    },
  })
  await client.online()
  expect(client.history.map(status => status.reason)).toEqual([undefined, "signed out", "signed out", undefined])
})

test("a connection that went silent is found dead when the browser says that something changed", async () => {
  const node = await Node.start()
  const proxy = await Proxy.start(node.address)
  const client = new Client(proxy.url, "ann")
  await client.online()
  client.adapter.reconnect()
  await new Promise(resolve => setTimeout(resolve, 6_000)) // longer than the client waits for an answer
  expect(client.history.map(status => status.state)).toEqual(["connecting", "online"])
  proxy.freeze()
  client.adapter.reconnect()
  await eventually("offline", () => client.adapter.status.state === "offline")
  expect(client.adapter.status.reason).toBe("the server doesn't answer")
})

test("a refused change is told", async () => {
  const node = await Node.start()
  const errors: string[] = []
  const client = new Client(node.url, "ann", { onError: message => errors.push(message) })
  const handle = client.repo.create<Invoice>({ number: "1", lines: [] })
  await durable(client, handle)
  await node.call({ sub: "boss", role: "admin" }, `/v1/documents/${handle.documentId}`, { method: "DELETE" })
  handle.change(doc => void doc.lines.push("late"))
  await eventually("an error", () => errors.length > 0)
  expect(errors[0]).toContain(handle.documentId)
})
