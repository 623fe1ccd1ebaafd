import { Ended, problem } from "./link.js"
import type { Link } from "./link.js"
import type { ServerMessage } from "./types.js"

/** Milliseconds that the first words of a stream may take: longer, and something on the way holds them back. */
const GREETING = 10_000
/** Milliseconds of silence after which a stream counts as dead. The server speaks more often. */
const SILENCE = 60_000
/** Seconds that the server may wait with an answer to a poll. */
const WAIT = 25

type Receive = (message: ServerMessage) => void

/** Reads server-sent events until they end. */
export async function stream(link: Link, query: () => URLSearchParams, signal: AbortSignal, receive: Receive): Promise<void> {
  const silence = new AbortController()
  const stop = () => silence.abort()
  signal.addEventListener("abort", stop)
  let timer = setTimeout(stop, GREETING)
  try {
    const response = await link.call(`/v1/events?${query()}`, { headers: { Accept: "text/event-stream" }, signal: silence.signal })
    if (!response.ok || !response.body) throw new Ended(0, await problem(response))
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    for (let text = ""; ; ) {
      const { done, value } = await reader.read()
      if (done) throw new Ended(0, "the stream ended")
      clearTimeout(timer)
      timer = setTimeout(stop, SILENCE)
      const parts = (text + decoder.decode(value, { stream: true })).split("\n\n")
      text = parts.pop()!
      for (const part of parts) {
        const data = part.split("\n").filter(line => line.startsWith("data:"))
        if (data.length > 0) receive(JSON.parse(data.map(line => line.slice(5)).join("\n")))
      }
    }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
    silence.abort()
  }
}

/** Asks again and again, and waits for each answer. */
export async function poll(link: Link, query: () => URLSearchParams, signal: AbortSignal, receive: Receive): Promise<void> {
  for (let wait = 0; !signal.aborted; wait = WAIT) {
    const search = query()
    search.set("wait", String(wait))
    const response = await link.call(`/v1/events/poll?${search}`, { signal })
    if (!response.ok) throw new Ended(0, await problem(response))
    const { messages, cursor } = (await response.json()) as { messages: ServerMessage[]; cursor: string }
    for (const message of messages) receive(message)
    receive({ type: "cursor", cursor })
  }
}
