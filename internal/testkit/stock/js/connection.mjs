// The stock client adapter with things around it that a test needs: a fresh one-time ticket for every attempt, an
// offline switch, counters, and a guard against an accident of its own. What it sends and how it retries is the stock
// adapter's doing.

/** An address at which nobody listens: being offline is, for the adapter, a refused connection. */
const NOWHERE = "ws://127.0.0.1:1/"

/** How many of the newest messages a client remembers, with their bytes. */
const REMEMBERED = 400

/** How long an attempt may stay half open before another one may start, in milliseconds: the stock retry interval. */
const PATIENCE = 5000

/**
 * Derives an adapter class from the stock one.
 * @param Stock the package's WebSocketClientAdapter
 * @param cbor  the package's own CBOR helper
 */
export function connectionClass(Stock, cbor) {
  return class Connection extends Stock {
    offline = false
    connects = 0
    errors = []
    closes = []
    stats = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }
    log = []
    #options
    #attempting = false
    #started = 0
    #watched

    /** options: {url, ticketURL?, token?, retry (ms)} */
    constructor(options) {
      super(options.url, options.retry)
      this.#options = options
    }

    setToken(token) {
      this.#options.token = token
    }

    /** Called by the repo at first, and by the stock adapter's own timers for every further attempt. */
    connect(peerId, peerMetadata) {
      // With a short retry interval the stock timers would start an attempt while another is under way.
      if (this.#attempting || this.isOpen()) return
      if (this.socket?.readyState === 0 && Date.now() - this.#started < PATIENCE) return
      this.#attempting = true
      this.#address()
        .catch(err => {
          this.errors.push(String(err.message ?? err))
          return NOWHERE
        })
        .then(url => {
          this.#attempting = false
          if (this.isOpen()) return
          this.#started = Date.now()
          this.url = this.offline ? NOWHERE : url
          super.connect(peerId, peerMetadata)
          this.#watch(this.socket)
        })
    }

    /**
     * Drops what arrives while the socket closes. The repo would answer in the middle of an update, the stock adapter
     * would throw because the socket isn't open, and the document would be left half updated ("outdated") for good.
     */
    receiveMessage(bytes) {
      if (this.isOpen()) super.receiveMessage(bytes)
    }

    async #address() {
      if (this.offline || !this.#options.ticketURL) return this.#options.url
      const response = await fetch(this.#options.ticketURL, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.#options.token}` },
      })
      if (!response.ok) throw new Error(`ticket refused: ${response.status} ${await response.text()}`)
      const { ticket } = await response.json()
      const url = new URL(this.#options.url)
      url.searchParams.set("ticket", ticket)
      return url.href
    }

    #watch(socket) {
      if (this.#watched === socket) return
      this.#watched = socket
      const send = socket.send.bind(socket)
      socket.send = (data, ...rest) => {
        this.#count("out", Buffer.from(data))
        return send(data, ...rest)
      }
      socket.on("message", data => this.#count("in", Buffer.from(data)))
      socket.on("open", () => this.connects++)
      socket.on("close", (code, reason) => this.closes.push({ code, reason: String(reason) }))
    }

    #count(direction, bytes) {
      const suffix = direction === "in" ? "In" : "Out"
      this.stats["messages" + suffix]++
      this.stats["bytes" + suffix] += bytes.length
      this.log.push({ direction, bytes })
      if (this.log.length > REMEMBERED) this.log.shift()
    }

    /** The remembered messages, decoded: direction, size and the fields that say what they carry. */
    messages() {
      return this.log.map(({ direction, bytes }) => {
        const m = cbor.decode(new Uint8Array(bytes))
        return {
          direction,
          bytes: bytes.length,
          type: m.type,
          documentId: m.documentId,
          senderId: m.senderId,
          targetId: m.targetId,
          text: m.type === "error" ? m.message : undefined,
          data: m.data ? Buffer.from(m.data).toString("base64") : undefined,
        }
      })
    }

    /** Cuts an open connection: "close" with a WebSocket close, "terminate" by dropping TCP. Resolves when it is closed. */
    cut(how) {
      const socket = this.socket
      if (!this.isOpen()) return Promise.resolve()
      return new Promise(resolve => {
        socket.once("close", resolve)
        socket[how]()
      })
    }

    goOffline(how) {
      this.offline = true
      return this.cut(how)
    }

    goOnline() {
      this.offline = false
      if (this.peerId) this.connect(this.peerId, this.peerMetadata)
    }

    isOpen() {
      return this.socket?.readyState === 1
    }
  }
}
