import { raise } from "./link.js"

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handler = (value: any) => unknown

/** Handlers by name. One that fails harms no other. */
export class Emitter {
  /** Of each handler whether it is called once only. */
  #handlers = new Map<string, Map<Handler, boolean>>()

  on(name: string, handler: Handler, once = false): () => void {
    const all = this.#handlers.get(name) ?? new Map<Handler, boolean>()
    this.#handlers.set(name, all.set(handler, once))
    return () => this.off(name, handler)
  }

  off(name: string, handler: Handler): void {
    this.#handlers.get(name)?.delete(handler)
  }

  /** Calls the handlers of a name; resolves when they have done their work. */
  async emit(name: string, value: unknown): Promise<void> {
    const calls = [...(this.#handlers.get(name) ?? [])].map(async ([handler, once]) => {
      if (once) this.off(name, handler)
      try {
        await handler(value)
      } catch (error) {
        raise(error)
      }
    })
    await Promise.all(calls)
  }
}
