import { raise } from "./link.js"

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handler = (value: any) => unknown

/** Handlers by name. One that fails harms no other. */
export class Emitter {
  #handlers = new Map<string, Set<Handler>>()

  on(name: string, handler: Handler): () => void {
    const set = this.#handlers.get(name) ?? new Set()
    this.#handlers.set(name, set.add(handler))
    return () => this.off(name, handler)
  }

  off(name: string, handler: Handler): void {
    this.#handlers.get(name)?.delete(handler)
  }

  emit(name: string, value: unknown): void {
    void this.all([name], value)
  }

  /** Calls the handlers of all names; resolves when they have done their work. */
  all(names: string[], value: unknown): Promise<unknown> {
    const handlers = names.flatMap(name => [...(this.#handlers.get(name) ?? [])])
    return Promise.all(handlers.map(async handler => handler(value)).map(done => done.catch(raise)))
  }
}
