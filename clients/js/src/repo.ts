import { NetworkAdapter, cbor } from "@automerge/automerge-repo/slim"
import type { DocumentId, Message, PeerId, PeerMetadata, StorageId } from "@automerge/automerge-repo/slim"
import { Link, problem, sleep } from "./link.js"
import type { LinkOptions, Status } from "./link.js"

export type { LinkOptions, Status, TokenSource } from "./link.js"

export interface AdapterOptions extends LinkOptions {
  /** Milliseconds between two looks for news where WebSockets can't be had. 5,000 unless told. */
  pollInterval?: number
  /** Is told of refused changes and deleted documents. They are written to the console unless told. */
  onError?: (message: string) => void
}

/** Milliseconds for which a repo waits for the first connection before it says that documents are unavailable. */
const READY = 1_000

/** A network adapter of automerge-repo that signs in to Concord, stays connected, and comes back. */
export class ConcordNetworkAdapter extends NetworkAdapter {
  /** The storage ID under which handles know the server's heads, once it was connected. */
  serverStorageId?: StorageId
  #options: AdapterOptions
  #link: Link
  #server?: PeerId
  #send?: (message: Message) => void
  #ready = false
  #whenReady: Promise<void>
  #setReady!: () => void

  constructor(options: AdapterOptions) {
    super()
    this.#options = options
    this.#whenReady = new Promise(resolve => {
      this.#setReady = () => {
        this.#ready = true
        resolve()
      }
    })
    this.#link = new Link(options, () => [signal => this.#webSocket(signal), signal => this.#http(signal)])
  }

  get status(): Status {
    return this.#link.status
  }

  /** Calls back on every change of the status, until the returned function is called. */
  onStatus(listener: (status: Status) => void): () => void {
    return this.#link.onStatus(listener)
  }

  /** Tries at once instead of waiting, also after the connection was stopped. */
  reconnect(): void {
    this.#link.start()
  }

  isReady(): boolean {
    return this.#ready
  }

  whenReady(): Promise<void> {
    return this.#whenReady
  }

  connect(peerId: PeerId, peerMetadata: PeerMetadata = this.peerMetadata ?? {}): void {
    this.peerId = peerId
    this.peerMetadata = peerMetadata
    setTimeout(this.#setReady, READY)
    this.#link.start()
  }

  disconnect(): void {
    this.#link.stop()
    this.#gone()
  }

  /** Messages without a connection are dropped: the repo begins every exchange anew when the server is back. */
  send(message: Message): void {
    this.#send?.(message)
  }

  #found(peerId: PeerId, peerMetadata: PeerMetadata, transport: Status["transport"]): void {
    this.#server = peerId
    this.serverStorageId = peerMetadata.storageId
    this.#setReady()
    this.#link.online(transport)
    this.emit("peer-candidate", { peerId, peerMetadata })
  }

  #gone(): void {
    const peerId = this.#server
    this.#send = this.#server = undefined
    if (peerId) this.emit("peer-disconnected", { peerId })
  }

  #webSocket(signal: AbortSignal): Promise<void> {
    let send: (message: object) => void
    return this.#link.webSocket("/v1/sync", signal, {
      open: raw => {
        const senderId = this.peerId!
        send = message => raw(cbor.encode(message) as Uint8Array<ArrayBuffer>)
        this.#send = send
        send({ type: "join", senderId, peerMetadata: this.peerMetadata, supportedProtocolVersions: ["1"] })
      },
      message: data => this.#receive(cbor.decode(new Uint8Array(data as ArrayBuffer))),
      ping: () => send({ type: "concord-token", senderId: this.peerId, token: this.#link.token }),
      renew: token => send({ type: "concord-token", senderId: this.peerId, token }),
      close: () => this.#gone(),
    })
  }

  #receive(message: Message & { peerMetadata?: PeerMetadata; message?: string }): void {
    switch (message.type) {
      case "peer":
        return this.#found(message.senderId, message.peerMetadata ?? {}, "websocket")
      case "error":
        return this.#error(message.message ?? "")
      case "concord-token-answer":
        return
      default:
        this.emit("message", message)
    }
  }

  #error(message: string): void {
    const { onError = (text: string) => console.warn("concord:", text) } = this.#options
    onError(message)
  }

  /**
   * Exchanges sync messages by calls. A repo asks for news when it meets a peer, so the server is made to come and go.
   * Messages of one document wait for each other.
   */
  async #http(signal: AbortSignal): Promise<void> {
    const { host } = new URL(this.#options.url)
    const storageId = this.serverStorageId ?? (`concord-${host}` as StorageId)
    const peerId = `concord-${storageId}` as PeerId
    const queues = new Map<DocumentId, Promise<void>>()
    const appear = () => {
      this.#send = message => {
        const { documentId, data } = message
        if (!documentId || !data || (message.type !== "sync" && message.type !== "request")) return
        const before = queues.get(documentId)
        const turn = (before ?? Promise.resolve()).then(() => this.#exchange(peerId, documentId, data, signal)).catch(fail)
        queues.set(documentId, turn)
        void turn.then(() => queues.get(documentId) === turn && queues.delete(documentId))
      }
      this.#found(peerId, { storageId, isEphemeral: true }, "http")
    }
    let failure: Error | undefined
    const stop = new AbortController()
    signal.addEventListener("abort", () => stop.abort())
    const fail = (error: Error) => {
      failure ??= error
      stop.abort()
    }
    appear()
    this.#link.probe = () => void this.#link.call("/health").catch(fail)
    while (!stop.signal.aborted) {
      await sleep(this.#options.pollInterval ?? 5000, stop.signal)
      if (stop.signal.aborted || queues.size > 0) continue
      this.#gone()
      appear()
    }
    this.#gone()
    if (failure) throw failure
  }

  async #exchange(peerId: PeerId, documentId: DocumentId, data: Uint8Array, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream" }
    if (this.peerMetadata?.storageId) headers["Concord-Storage-Id"] = this.peerMetadata.storageId
    const response = await this.#link.call(`/v1/documents/${documentId}/sync`, {
      method: "POST",
      body: data as Uint8Array<ArrayBuffer>,
      headers,
      signal,
    })
    const message = { senderId: peerId, targetId: this.peerId!, documentId }
    if (response.status === 200) {
      const answer = new Uint8Array(await response.arrayBuffer())
      this.emit("message", { ...message, type: "sync", data: answer })
    } else if (response.status !== 204) {
      if (response.status !== 404) this.#error(await problem(response))
      this.emit("message", { ...message, type: "doc-unavailable" })
    }
    const refused = response.headers.get("Concord-Refused")
    if (refused) this.#error(`changes of ${documentId} were refused: ${refused}`)
  }
}
