// A WebSocket whose other end is the test.

export class FakeSocket {
  /** All that were made, the newest last. */
  static all: FakeSocket[] = []
  readyState = 0
  sent: Record<string, unknown>[] = []
  onopen?: () => void
  onclose?: ((event: { code: number; reason: string }) => void) | null
  onmessage?: (event: { data: string }) => void

  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }

  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!
  }

  send(data: string): void {
    this.sent.push(JSON.parse(data))
  }

  close(): void {
    this.readyState = 3
  }

  open(): void {
    this.readyState = 1
    this.onopen!()
  }

  receive(...messages: object[]): void {
    for (const message of messages) this.onmessage!({ data: JSON.stringify(message) })
  }

  /** Ends the connection as the server does. */
  end(code: number, reason = ""): void {
    this.readyState = 3
    this.onclose?.({ code, reason })
  }

  /** What was sent of a type. */
  of(type: string): Record<string, unknown>[] {
    return this.sent.filter(message => message.type === type)
  }
}
