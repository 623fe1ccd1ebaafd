/**
 * Gives a token. It is asked for every connection. `renew` says that the last one was refused or is about to expire, so
 * that a cached one won't do.
 */
export type TokenSource = (renew: boolean) => string | Promise<string>

/** How to reach the server. */
export interface LinkOptions {
  /** The server's address, as `https://concord.example.com`; a path before `/v1` is kept. */
  url: string
  token: TokenSource
  /** Milliseconds of the first backoff at most; each further one is up to twice as long. 500 unless told. */
  minDelay?: number
  /** Milliseconds of any backoff at most. 30,000 unless told. */
  maxDelay?: number
  /** The WebSocket class of a runtime that has none of its own. */
  WebSocket?: typeof WebSocket
  fetch?: typeof fetch
}

/** How the connection is. `stopped` needs a person: a tab focus or `reconnect()` tries once more. */
export interface Status {
  state: "connecting" | "online" | "offline" | "stopped"
  /** What carries the messages while online. */
  transport?: "websocket" | "sse" | "poll" | "http"
  /** Close code of the end, when the server gave one. */
  code?: number
  /** Why the connection ended, in the server's words where it said something. */
  reason?: string
}

/** Ends a connection or an attempt. Codes are WebSocket close codes; 0 means that there was none. */
export class Ended extends Error {
  constructor(
    readonly code: number,
    reason: string,
    /** Milliseconds that the server wants to have peace. */
    readonly after = 0,
  ) {
    super(reason)
  }
}

/** Says that something on the way takes no connections of this kind, while the server is within reach. */
export class Blocked extends Error {}

/** One way to talk. It returns or throws when the connection is over, at the latest when the signal is aborted. */
export type Transport = (signal: AbortSignal) => Promise<void>

type Timer = ReturnType<typeof setTimeout>

/** Milliseconds that an answer may take. */
const PATIENCE = 10_000
/** Milliseconds that the answer to a probe may take. */
const PULSE = 5_000
/** The same where the browser says that there is no network: only a server on this machine still answers. */
const FAINT = 1_000
/** Milliseconds of silence after which the other side is asked whether it is still there. */
const SILENCE = 25_000
/** Milliseconds that a connection has to last for the backoff to begin anew. */
const STABLE = 5_000
/** Milliseconds before its expiry in which a token is renewed at the latest. */
const RENEWAL = 30_000
/** Milliseconds after which a fallback makes way for another try of what is better. */
const FALLBACK = 300_000

/** Keeps a connection: transports in order of preference, backoff with full jitter, tokens, and an ear for the browser. */
export class Link {
  status: Status = { state: "connecting" }
  /** What to ask when a browser says that something has changed: is the connection still alive? */
  probe?: () => void
  #listeners = new Set<(status: Status) => void>()
  #run?: AbortController
  #transports: Transport[]
  #wake?: () => void
  #tries = 0
  /** The token in use. */
  token = ""
  #ticket = false
  #opened = false

  constructor(
    readonly options: LinkOptions,
    transports: (link: Link) => Transport[],
  ) {
    this.#transports = transports(this)
  }

  /** Calls back on every change of the status, until the returned function is called. */
  onStatus = (listener: (status: Status) => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    if (this.#run) return this.wake()
    const { signal } = (this.#run = new AbortController())
    this.#set({ state: "connecting" })
    const wake = () => this.wake()
    const late = () => document.visibilityState === "visible" && this.wake()
    const options = { signal }
    const page = globalThis as unknown as Partial<Window>
    page.addEventListener?.("online", wake, options)
    page.addEventListener?.("offline", () => this.probe?.(), options)
    page.addEventListener?.("focus", wake, options)
    page.document?.addEventListener("visibilitychange", late, options)
    void this.#keep(signal)
  }

  stop(): void {
    this.#run?.abort()
    this.#run = undefined
    this.#wake?.()
    this.#set({ state: "offline" })
  }

  /** Tries at once instead of waiting; looks whether an open connection is alive. */
  wake(): void {
    this.#tries = 0
    this.#wake?.()
    this.probe?.()
  }

  /** Says that the server has answered. */
  online(transport: Status["transport"]): void {
    this.#opened = true
    this.#set({ state: "online", transport })
  }

  async #keep(signal: AbortSignal): Promise<void> {
    let renewed = false
    while (!signal.aborted) {
      const began = Date.now()
      let end: Ended
      this.#opened = false
      try {
        this.token = await this.options.token(renewed)
        await this.#attempt(signal)
        continue
      } catch (error) {
        end = error instanceof Ended ? error : new Ended(0, String((error as Error).message ?? error))
      }
      if (signal.aborted) return
      if (this.#opened) {
        renewed = false
        if (Date.now() - began > STABLE) this.#tries = 0
      }
      const expired: boolean = end.code === 4401 && !renewed
      const final = end.code >= 4400 && end.code < 4500 && !expired
      renewed = expired
      this.#set({ state: final ? "stopped" : "offline", code: end.code || undefined, reason: end.message })
      await this.#pause(final ? undefined : Math.max(end.after, this.#backoff()))
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    for (const [i, transport] of this.#transports.entries()) {
      const attempt = new AbortController()
      const stop = () => attempt.abort()
      signal.addEventListener("abort", stop)
      const timer = i > 0 ? setTimeout(stop, FALLBACK) : undefined
      try {
        return await transport(attempt.signal)
      } catch (error) {
        if (!(error instanceof Blocked)) throw error
      } finally {
        clearTimeout(timer)
        signal.removeEventListener("abort", stop)
        this.probe = undefined
        attempt.abort()
      }
    }
    throw new Ended(0, "nothing that the server offers gets through")
  }

  #backoff(): number {
    const { minDelay = 500, maxDelay = 30_000 } = this.options
    return Math.random() * Math.min(maxDelay, minDelay * 2 ** this.#tries++)
  }

  #pause(ms?: number): Promise<void> {
    return new Promise<void>(resolve => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    }).finally(() => (this.#wake = undefined))
  }

  #set(status: Status): void {
    this.status = status
    for (const listener of [...this.#listeners]) listener(status)
  }

  /** Calls the server with the token. Throws Ended for what ends a connection; other answers are the caller's. */
  async call(path: string, init: RequestInit = {}, token = this.token): Promise<Response> {
    const headers = { ...init.headers, Authorization: `Bearer ${token}` }
    const send = this.options.fetch ?? fetch
    const response = await send(this.options.url.replace(/\/$/, "") + path, { ...init, headers })
    const { status } = response
    if (status === 401 || status === 429 || status >= 500) {
      if (status === 401) throw new Ended(4401, await problem(response))
      throw new Ended(0, await problem(response), Number(response.headers.get("Retry-After")) * 1000 || 0)
    }
    return response
  }

  /** Calls the server as the user and returns what it answers. Throws what it says is wrong. */
  async request<T>(path: string, init?: RequestInit): Promise<T> {
    let response: Response
    try {
      response = await this.call(path, init, (this.token ||= await this.options.token(false)))
    } catch (error) {
      if ((error as Ended).code !== 4401) throw error
      response = await this.call(path, init, (this.token = await this.options.token(true)))
    }
    if (!response.ok) throw new Error(await problem(response))
    const text = await response.text()
    return (text ? JSON.parse(text) : undefined) as T
  }

  /** What the token in use says. */
  claims(): { sub?: string; company?: string; exp?: number } {
    try {
      return JSON.parse(atob(this.token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")))
    } catch {
      return {}
    }
  }

  /** Talks over a WebSocket: with the token as subprotocol, or with a ticket where subprotocols don't get through. */
  async webSocket(path: string, signal: AbortSignal, session: Session): Promise<void> {
    const url = this.options.url.replace(/^http/, "ws").replace(/\/$/, "") + path
    if (!this.#ticket) {
      try {
        return await this.#converse(url, ["concord.v1", `bearer.${this.token}`], signal, session)
      } catch (error) {
        if (!(error instanceof Blocked)) throw error
      }
    }
    const response = await this.call("/v1/tickets", { method: "POST", signal: AbortSignal.timeout(PATIENCE) })
    if (!response.ok) throw new Ended(0, await problem(response))
    const { ticket } = (await response.json()) as { ticket: string }
    // As long as nothing says otherwise, tickets are the way.
    this.#ticket = true
    try {
      await this.#converse(`${url}?ticket=${encodeURIComponent(ticket)}`, undefined, signal, session)
    } catch (error) {
      this.#ticket &&= !(error instanceof Blocked)
      throw error
    }
  }

  /** Opens a WebSocket and serves it to its end. Throws Blocked when it closes unopened: browsers don't tell why. */
  #converse(url: string, protocols: string[] | undefined, signal: AbortSignal, session: Session): Promise<void> {
    const socket = new (this.options.WebSocket ?? WebSocket)(url, protocols)
    socket.binaryType = "arraybuffer"
    const timers: { deadline?: Timer; renewal?: Timer; heartbeat?: Timer } = {}
    let silent = false
    let opened = false
    return new Promise<void>((resolve, reject) => {
      const end = (code: number, reason: string) => reject(opened ? new Ended(code, reason) : new Blocked())
      const expect = (ms: number) => (timers.deadline ??= setTimeout(end, ms, 0, "the server doesn't answer"))
      const renew = () => {
        const left = (this.claims().exp ?? NaN) * 1000 - Date.now()
        if (!(left > 2000)) return
        const turn = async () => {
          try {
            session.renew((this.token = await this.options.token(true)))
          } catch {
            // The connection ends with the token that it has, and another is asked for then.
          }
          if (!signal.aborted) renew()
        }
        timers.renewal = setTimeout(turn, Math.min(Math.max(left / 2, left - RENEWAL), 2 ** 31 - 1))
      }
      const heard = () => {
        silent = false
        clearTimeout(timers.deadline)
        timers.deadline = undefined
      }
      expect(PATIENCE)
      signal.addEventListener("abort", () => resolve())
      socket.onerror = () => {} // onclose follows
      socket.onclose = event => end(event.code === 1005 || event.code === 1006 ? 0 : event.code, event.reason || "the connection was lost")
      socket.onmessage = event => {
        heard()
        try {
          session.message(event.data)
        } catch (error) {
          raise(error)
        }
      }
      socket.onopen = () => {
        opened = true
        this.probe = () => {
          expect(globalThis.navigator?.onLine === false ? FAINT : PULSE)
          session.ping()
        }
        timers.heartbeat = setInterval(() => {
          if (silent) this.probe?.()
          silent = true
        }, SILENCE)
        renew()
        session.open(data => {
          if (socket.readyState === 1) socket.send(data)
        })
      }
    }).finally(() => {
      for (const timer of Object.values(timers)) clearTimeout(timer)
      socket.onopen = socket.onclose = socket.onmessage = null
      socket.close()
      if (opened) session.close()
    })
  }
}

/** What is said over a WebSocket. */
export interface Session {
  open(send: (data: string | Uint8Array<ArrayBuffer>) => void): void
  message(data: unknown): void
  /** Sends something that is answered. */
  ping(): void
  /** Sends a newer token. */
  renew(token: string): void
  close(): void
}

/** What an answer says is wrong. */
export async function problem(response: Response): Promise<string> {
  const { detail, title } = await response.json().catch(() => ({}))
  return detail ?? title ?? `the server answered ${response.status}`
}

/** Resolves after some time, or when the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener("abort", end)
  })
}

/** Lets an error of a listener be seen as if nobody had caught it, and everything go on. */
export function raise(error: unknown): void {
  if (typeof reportError === "function") return reportError(error)
  setTimeout(() => {
    throw error
  })
}
