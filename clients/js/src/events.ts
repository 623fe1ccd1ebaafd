import type { EventMap } from "./catalogue.js"
import { Emitter } from "./emitter.js"
import type { Handler } from "./emitter.js"
import { Blocked, Ended, Link } from "./link.js"
import type { Status } from "./link.js"
import { browserStorage, keep } from "./storage.js"
import type { KeyValue } from "./storage.js"
import { poll, stream } from "./streams.js"
import type { ConcordEvent, EventOf, EventsOptions, Matching, Notices, Pattern, Presence, ServerMessage, Typist } from "./types.js"

/** How many events are remembered to know repeats. */
const REMEMBERED = 2_000
/** How many events one call may tell to have been read. */
const READS = 1_000
/** Milliseconds for which acknowledgements gather. */
const ACK = 250
/** Milliseconds between two words that somebody is typing, and until it is over. */
const TYPING = 2_000
const TYPED = 5_000

/** Live events, and those that were missed. One instance serves a whole app. */
export class ConcordEvents {
  /** Who is or was online. Another map after each change. */
  presence: ReadonlyMap<string, Presence> = new Map()
  /** Who is typing in the documents whose rooms were joined. Another list after each change. */
  typists: readonly Typist[] = []
  /** The user and company of the token, once connected. */
  user?: string
  company?: string
  readonly device: string
  #options: EventsOptions
  #link: Link
  #emitter = new Emitter()
  #storage?: KeyValue
  #rooms = new Map<string, number>()
  #documents: string[] = []
  #seen = new Set<string>()
  #reads = new Set<string>()
  #handled: Promise<unknown> = Promise.resolve()
  #cursor = ""
  #acked = ""
  #told = ""
  #acking?: ReturnType<typeof setTimeout>
  #typed = new Map<string, number>()
  #forgetting = new Map<string, ReturnType<typeof setTimeout>>()
  #send?: (message: object) => void
  #restart?: () => void

  constructor(options: EventsOptions) {
    this.#options = options
    this.#storage = options.storage ?? browserStorage()
    this.device = options.device ?? this.#stored("concord:device", randomName)
    for (const room of options.rooms ?? []) this.#rooms.set(room, 1)
    this.#link = new Link(options, () => [
      signal => this.#webSocket(signal),
      signal => this.#fallback(signal, "sse", stream),
      signal => this.#fallback(signal, "poll", poll),
    ])
    this.#link.onStatus(status => void this.#emitter.emit("status", status))
  }

  get status(): Status {
    return this.#link.status
  }

  /** Connects, and stays connected. Add the handlers first: what arrives without one is gone. */
  connect(): void {
    this.#link.start()
  }

  close(): void {
    this.#flush()
    this.#link.stop()
  }

  /** Calls a handler for each event of a type, as `invoice:paid`, `invoice:*` or `*`, until the returned function is called. */
  on<N extends keyof Notices>(notice: N, handler: (value: Notices[N]) => void): () => void
  on<P extends Pattern>(pattern: P, handler: (event: Matching<P>) => unknown): () => void
  on(pattern: string, handler: Handler): () => void {
    return this.#emitter.on(pattern, handler)
  }

  once<N extends keyof Notices>(notice: N, handler: (value: Notices[N]) => void): () => void
  once<P extends Pattern>(pattern: P, handler: (event: Matching<P>) => unknown): () => void
  once(pattern: string, handler: Handler): () => void {
    return this.#emitter.on(pattern, handler, true)
  }

  off<N extends keyof Notices>(notice: N, handler: (value: Notices[N]) => void): void
  off<P extends Pattern>(pattern: P, handler: (event: Matching<P>) => unknown): void
  off(pattern: string, handler: Handler): void {
    this.#emitter.off(pattern, handler)
  }

  /** Joins a room, until the returned function was called as often as this one. Refusals are told as `error`. */
  subscribe(room: string): () => void {
    const count = this.#rooms.get(room) ?? 0
    this.#rooms.set(room, count + 1)
    if (count === 0) this.#change({ type: "subscribe", rooms: [room] })
    let joined = true
    return () => {
      if (!joined) return
      joined = false
      const left = this.#rooms.get(room)! - 1
      if (left > 0) return void this.#rooms.set(room, left)
      this.#rooms.delete(room)
      this.#change({ type: "unsubscribe", rooms: [room] })
    }
  }

  /** Says that this device has got an event, and all before it. For `ack: "manual"`. */
  ack(event: Pick<ConcordEvent, "cursor">): void {
    if (!event.cursor) return
    this.#acked = event.cursor
    this.#acking ??= setTimeout(() => this.#flush(), ACK)
  }

  /** Says that the user has read events. It reaches the server when that is within reach. */
  read(...ids: string[]): void {
    for (const id of ids) this.#reads.add(id)
    void this.#tellReads()
  }

  /** Says that the user is typing; to be called for each key. It is over after 5 seconds, or with `active` false. */
  typing(document: string, field: string, active = true): void {
    const key = `${document} ${field}`
    const last = this.#typed.get(key) ?? 0
    if (active ? Date.now() - last < TYPING : !last) return
    if (active) this.#typed.set(key, Date.now())
    else this.#typed.delete(key)
    if (this.#send) this.#send({ type: "typing", document, field, active })
    else if (this.status.state === "online") void this.#post("/v1/events/typing", { document, field, active, device: this.device })
  }

  /** Says which documents are on the screen, where they aren't open in a repo. */
  view(documents: string[]): void {
    this.#documents = documents
    this.#send?.({ type: "view", documents })
  }

  /** Calls the server's API as the user, and returns what it answers. */
  async request<T>(path: string, init?: RequestInit): Promise<T> {
    return this.#link.request<T>(path, init)
  }

  /** Changes rooms: of a transport without a way back by beginning anew. */
  #change(message: object): void {
    if (this.#send) this.#send(message)
    else this.#restart?.()
  }

  #post(path: string, body: object): Promise<boolean> {
    const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }
    return this.#link.request(path, init).then(
      () => true,
      (error: Error) => {
        // Of a lost connection the status tells. Acknowledgements and reads are told again with the next one.
        if (!(error instanceof TypeError)) void this.#emitter.emit("error", { code: "unavailable", message: error.message })
        return false
      },
    )
  }

  #webSocket(signal: AbortSignal): Promise<void> {
    let say: (message: object) => void
    return this.#link.webSocket("/v1/events", signal, {
      open: raw => {
        say = message => raw(JSON.stringify(message))
        const { types } = this.#options
        say({ type: "hello", device: this.device, cursor: this.#start(), rooms: [...this.#rooms.keys()], types })
        if (this.#documents.length > 0) say({ type: "view", documents: this.#documents })
        this.#send = say
      },
      message: data => {
        const message = JSON.parse(data as string) as ServerMessage
        if (message.type === "hello") this.#link.online("websocket")
        this.#receive(message)
      },
      ping: () => say({ type: "ping" }),
      renew: token => say({ type: "token", token }),
      close: () => {
        this.#send = undefined
        this.#told = "" // it may have been on its way
      },
    })
  }

  /** Serves a transport of which only the server speaks. It begins anew when rooms change. */
  async #fallback(signal: AbortSignal, name: "sse" | "poll", transport: typeof stream): Promise<void> {
    for (;;) {
      const turn = new AbortController()
      const stop = () => turn.abort()
      signal.addEventListener("abort", stop)
      this.#restart = stop
      let greeted = false
      try {
        const query = () => {
          const { types } = this.#options
          const pairs = Object.entries({ device: this.device, cursor: this.#start(), rooms: [...this.#rooms.keys()].join(), types: types?.join() })
          return new URLSearchParams(pairs.filter((pair): pair is [string, string] => Boolean(pair[1])))
        }
        await transport(this.#link, query, turn.signal, message => {
          if (!greeted) this.#link.online(name)
          greeted = true
          this.#receive(message)
        })
      } catch (error) {
        if (signal.aborted) return
        if (!turn.signal.aborted) throw greeted || (error instanceof Ended && (error.code || error.after)) ? error : new Blocked()
      } finally {
        signal.removeEventListener("abort", stop)
        this.#restart = undefined
      }
      if (signal.aborted) return
    }
  }

  /** The cursor to go on from; empty: the server knows what this device has acknowledged. */
  #start(): string {
    return this.#cursor || (this.#storage?.getItem(this.#cursorKey()) ?? "")
  }

  #cursorKey(): string {
    const { sub, company } = this.#link.claims()
    return `concord:cursor:${company}/${sub}/${this.device}`
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case "hello":
        return this.#greet(message)
      case "event":
        return this.#take(message.event!, message.cursor)
      case "gap":
        return this.#skip(message.cursor!)
      case "error":
        return void this.#emitter.emit("error", message)
      case "cursor": // nothing was there for this device up to here
        return this.#pass(message.cursor!)
      case "close": // a stream has no close codes of its own
        throw new Ended(Number(message.code), message.message ?? "")
    }
    this.#refuse(message)
  }

  #refuse({ refused }: ServerMessage): void {
    for (const { room, message } of refused ?? []) void this.#emitter.emit("error", { code: "forbidden", message: `${room}: ${message}` })
  }

  #greet(message: ServerMessage): void {
    const { user, company, cursor, recovered, presence } = message
    Object.assign(this, { user, company })
    this.#cursor = cursor ?? this.#cursor
    if (presence) {
      const all = new Map<string, Presence>()
      for (const [name, known] of this.presence) all.set(name, { ...known, online: false })
      for (const name of presence) all.set(name, { user: name, online: true })
      this.presence = all
      void this.#emitter.emit("presence", undefined)
    }
    this.#refuse(message)
    if (recovered === false) this.#skip(this.#cursor)
    void this.#tellReads()
    this.#flush()
  }

  #take(event: ConcordEvent, cursor?: string): void {
    if (cursor) event.cursor = cursor
    let handled: Promise<unknown> | undefined
    if (!this.#seen.has(event.id)) {
      this.#seen.add(event.id)
      if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!)
      if (event.type.startsWith("user:")) this.#meet(event as EventOf<"user:online" | "user:offline" | "user:typing">)
      const prefix = event.type.slice(0, event.type.indexOf(":"))
      handled = Promise.all([event.type, `${prefix}:*`, "*"].map(name => this.#emitter.emit(name, event)))
    }
    if (cursor) this.#pass(cursor, handled)
  }

  /** Goes on to a place in the log, and acknowledges it when what is before it has been dealt with. */
  #pass(cursor: string, handled?: Promise<unknown>): void {
    this.#cursor = cursor
    if (this.#options.ack === "manual") return
    const before = this.#handled
    this.#handled = Promise.all([before, handled]).then(() => this.ack({ cursor }))
  }

  #meet(event: EventOf<"user:online" | "user:offline" | "user:typing">): void {
    const { user } = event.data
    if (event.type === "user:typing") {
      if (user !== this.user) this.#types(event.data)
      return
    }
    const { lastSeen } = event.data
    this.presence = new Map(this.presence).set(user, { user, online: event.type === "user:online", lastSeen: lastSeen ?? undefined })
    void this.#emitter.emit("presence", undefined)
  }

  #types({ user, document, field, active }: EventMap["user:typing"]): void {
    const key = JSON.stringify([user, document, field])
    clearTimeout(this.#forgetting.get(key))
    this.#forgetting.delete(key)
    const others = this.typists.filter(t => t.user !== user || t.document !== document || t.field !== field)
    this.typists = active ? [...others, { user, document, field }] : others
    if (active) this.#forgetting.set(key, setTimeout(() => this.#types({ user, document, field, active: false }), TYPED))
    void this.#emitter.emit("presence", undefined)
  }

  /** Goes on after what can't be told any more. That is kept first: the app may load itself anew. */
  #skip(cursor: string): void {
    this.#cursor = this.#acked = cursor
    this.#flush()
    void this.#emitter.emit("gap", { cursor })
  }

  #flush(): void {
    clearTimeout(this.#acking)
    this.#acking = undefined
    const cursor = this.#acked
    if (!cursor || cursor === this.#told) return
    keep(this.#storage, this.#cursorKey(), cursor)
    if (this.#send) this.#send({ type: "ack", cursor })
    else if (this.status.state !== "online") return
    else void this.#post("/v1/events/ack", { device: this.device, cursor }).then(done => done || (this.#told = ""))
    this.#told = cursor
  }

  async #tellReads(): Promise<void> {
    while (this.#reads.size > 0 && this.status.state === "online") {
      const ids = [...this.#reads].slice(0, READS)
      for (const id of ids) this.#reads.delete(id)
      if (await this.#post("/v1/events/read", { ids })) continue
      for (const id of ids) this.#reads.add(id)
      return
    }
  }

  #stored(key: string, make: () => string): string {
    const value = this.#storage?.getItem(key) ?? make()
    keep(this.#storage, key, value)
    return value
  }
}

/** 128 random bits in hex. (randomUUID isn't there in pages of servers without TLS.) */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, "0")).join("")
}
