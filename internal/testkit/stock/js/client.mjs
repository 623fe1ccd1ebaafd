// One client: a repo with its connection, storage and logs.

import { codec } from "./values.mjs"
import { editor } from "./edit.mjs"
import { connectionClass } from "./connection.mjs"

/** The generations differ in a few calls; this table holds them. */
const generations = {
  v1: {
    find: (repo, url) => repo.find(url),
    doc: handle => handle.docSync(),
    stop: async () => {},
  },
  v2: {
    find: (repo, url) => repo.findWithProgress(url).handle,
    doc: handle => (handle.isReady() ? handle.doc() : undefined),
    stop: async repo => repo.shutdown(),
  },
}

/** Storage and sync states are saved by throttled functions of 100 ms; closing waits for two rounds. */
const SAVE_ROUNDS = 250

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Ends a connection for good: no attempt follows. */
function stop(connection) {
  connection.offline = true
  connection.retryInterval = 0
  connection.connect = () => {}
  connection.socket?.terminate()
}

/** Builds a client class from one generation's packages: {generation, A, Repo, Adapter, Storage, cbor}. */
export function clientClass(packages) {
  const { A, Repo, Storage, cbor } = packages
  const calls = generations[packages.generation]
  const { fromTagged, toTagged } = codec(A)
  const apply = editor(A, fromTagged)
  const Connection = connectionClass(packages.Adapter, cbor)

  return class Client {
    #handles = new Map()
    #ephemerals = []
    #remoteHeads = []
    #presences = new Map()

    /**
     * options: {url, ticketURL?, token?, retry?, storage?, peerId?, gossip?, offline?, bare?}
     * A bare client has the stock adapter itself: no tickets, no counters, no way offline.
     */
    constructor(options) {
      const { url, retry = 100, offline = false, bare = false } = options
      this.connection = bare ? new packages.Adapter(url, retry) : new Connection({ ...options, retry })
      this.connection.offline = offline
      this.peers = 0
      this.connection.on("peer-candidate", () => this.peers++)
      this.repo = new Repo({
        network: [this.connection],
        peerId: options.peerId,
        storage: options.storage ? new Storage(options.storage) : undefined,
        enableRemoteHeadsGossiping: options.gossip ?? false,
      })
    }

    #keep(handle) {
      if (this.#handles.has(handle.url)) return handle
      this.#handles.set(handle.url, handle)
      handle.on("ephemeral-message", ({ senderId, message }) =>
        this.#ephemerals.push({ url: handle.url, senderId, message: toTagged(message) }),
      )
      handle.on("remote-heads", ({ storageId, heads }) => this.#remoteHeads.push({ url: handle.url, storageId, heads }))
      return handle
    }

    #handle(url) {
      const handle = this.#handles.get(url)
      if (!handle) throw new Error(`document ${url} was neither created nor found by this client`)
      return handle
    }

    #doc(url) {
      const handle = this.#handle(url)
      const doc = calls.doc(handle)
      if (!doc) throw new Error(`document ${url} is ${handle.state}`)
      return doc
    }

    /** The document as a reader of its bytes sees it: live objects can show wrong values. */
    #fresh(url) {
      return A.load(A.save(this.#doc(url)))
    }

    create({ value }) {
      const initial = fromTagged(value ?? {})
      const handle = this.#keep(this.repo.create())
      if (Object.keys(initial).length > 0) handle.change(d => Object.assign(d, initial))
      return { url: handle.url, documentId: handle.documentId }
    }

    /** Asks for a document; resolves with its state as soon as it is one of "states". */
    async find({ url, states = ["ready", "unavailable"], timeout }) {
      const handle = this.#keep(calls.find(this.repo, url))
      return this.#inState(handle, states, timeout)
    }

    async whenState({ url, states, timeout }) {
      return this.#inState(this.#handle(url), states, timeout)
    }

    async #inState(handle, states, timeout) {
      const deadline = Date.now() + timeout
      while (!states.includes(handle.state)) {
        if (Date.now() > deadline) throw new Error(`document ${handle.url} is ${handle.state} after ${timeout} ms, want ${states}`)
        await sleep(5)
      }
      return { state: handle.state }
    }

    state({ url }) {
      return { state: this.#handle(url).state }
    }

    /** Applies the edits in one change; with "repeat" in so many changes that reach the repo as one update. */
    change({ url, edits, repeat, message, time }) {
      const handle = this.#handle(url)
      const callback = d => edits.forEach(e => apply(d, e))
      if (!repeat) {
        handle.change(callback, { message, time })
        return {}
      }
      handle.update(doc => {
        for (let i = 0; i < repeat; i++) {
          doc = A.change(doc, d => edits.forEach(e => apply(d, e.op === "set" && e.count ? { ...e, value: i } : e)))
        }
        return doc
      })
      return {}
    }

    emptyChange({ url, message }) {
      this.#handle(url).update(doc => A.emptyChange(doc, { message }))
      return {}
    }

    get({ url }) {
      return { value: toTagged(this.#fresh(url)) }
    }

    heads({ url }) {
      return { heads: A.getHeads(this.#doc(url)).sort() }
    }

    history({ url }) {
      return { changes: A.getAllChanges(this.#doc(url)).length }
    }

    savedBytes({ url }) {
      return { bytes: A.save(this.#doc(url)).length }
    }

    marks({ url, path }) {
      return { marks: A.marks(this.#fresh(url), path).map(toTagged) }
    }

    conflicts({ url, path }) {
      const parent = path.slice(0, -1).reduce((o, key) => o[key], this.#fresh(url))
      return { values: toTagged(A.getConflicts(parent, path[path.length - 1]) ?? {}) }
    }

    async waitForHeads({ url, heads, timeout }) {
      const want = JSON.stringify([...heads].sort())
      const deadline = Date.now() + timeout
      for (;;) {
        const doc = calls.doc(this.#handle(url))
        const have = doc ? JSON.stringify(A.getHeads(doc).sort()) : "none"
        if (have === want) return {}
        if (Date.now() > deadline) throw new Error(`heads of ${url} are ${have} after ${timeout} ms, want ${want}`)
        await sleep(5)
      }
    }

    async waitConnected({ peers = 1, timeout }) {
      const deadline = Date.now() + timeout
      while (this.peers < peers || this.connection.socket?.readyState !== 1) {
        if (Date.now() > deadline)
          throw new Error(`not connected after ${timeout} ms; joined ${this.peers} times; errors: ${this.connection.errors?.slice(-3)}; closes: ${JSON.stringify(this.connection.closes?.slice(-3))}`)
        await sleep(5)
      }
      return { peers: this.peers }
    }

    async disconnect({ how = "close" }) {
      await this.connection.goOffline(how)
      return {}
    }

    connect() {
      this.connection.goOnline()
      return {}
    }

    /** Drops the connection and leaves it to the adapter to come back. */
    async drop({ how = "terminate" }) {
      await this.connection.cut(how)
      return {}
    }

    setToken({ token }) {
      this.connection.setToken(token)
      return {}
    }

    /** Leaves as an adapter's disconnect does, but for the socket, which stays. */
    leave() {
      this.connection.send({ type: "leave", senderId: this.repo.networkSubsystem.peerId })
      this.connection.emit("peer-disconnected", { peerId: this.connection.remotePeerId })
      return {}
    }

    join() {
      this.connection.join()
      return {}
    }

    broadcast({ url, message }) {
      this.#handle(url).broadcast(fromTagged(message))
      return {}
    }

    /** Begins to tell others a state by automerge-repo's own Presence, which only the newer generation has. */
    startPresence({ url, state, heartbeat, ttl }) {
      const presence = new packages.Presence({ handle: this.#handle(url) })
      this.#presences.set(url, presence)
      presence.start({ initialState: fromTagged(state), heartbeatMs: heartbeat, peerTtlMs: ttl })
      return {}
    }

    setPresence({ url, channel, value }) {
      this.#presences.get(url).broadcast(channel, fromTagged(value))
      return {}
    }

    /** What the others are known to have told, by peer. */
    presence({ url }) {
      const states = Object.values(this.#presences.get(url).getPeerStates().value)
      return { states: Object.fromEntries(states.map(s => [s.peerId, toTagged(s.value)])) }
    }

    stopPresence({ url }) {
      this.#presences.get(url).stop()
      return {}
    }

    ephemerals() {
      return { messages: this.#ephemerals }
    }

    subscribeRemotes({ storageIds }) {
      this.repo.subscribeToRemotes(storageIds)
      return {}
    }

    remoteHeads() {
      return { events: this.#remoteHeads }
    }

    async identity() {
      return {
        peerId: this.repo.networkSubsystem.peerId,
        storageId: await this.repo.storageId(),
        serverPeerId: this.connection.remotePeerId,
        serverStorageId: this.repo.getStorageIdOfPeer(this.connection.remotePeerId),
      }
    }

    stats() {
      const { connects, errors, closes, stats } = this.connection
      return { connects, peers: this.peers, errors, closes, ...stats }
    }

    /** The newest messages on the wire; sync messages with their heads, their version and how many parts they carry. */
    messages() {
      const messages = this.connection.messages().map(m => {
        if ((m.type !== "sync" && m.type !== "request") || !m.data) return m
        const data = new Uint8Array(Buffer.from(m.data, "base64"))
        const { heads, changes } = A.decodeSyncMessage(data)
        return { ...m, data: undefined, version: data[0] === 0x43 ? 2 : 1, dataBytes: data.length, heads, changes: changes.length }
      })
      return { messages }
    }

    /** Saves, waits until the sync states are on disk too, and ends the client. */
    async close({ abrupt = false }) {
      if (!abrupt) {
        await this.repo.flush()
        await sleep(SAVE_ROUNDS)
      }
      for (const presence of this.#presences.values()) presence.stop()
      stop(this.connection)
      if (!abrupt) await calls.stop(this.repo)
      // What the repo's timers still write must not meet the removal of the folder.
      else if (this.repo.storageSubsystem) await sleep(SAVE_ROUNDS)
      return {}
    }
  }
}
