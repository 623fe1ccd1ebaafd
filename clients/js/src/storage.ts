/** Where a browser keeps things: localStorage, or what looks like it. */
export type KeyValue = Pick<Storage, "getItem" | "setItem">

/** A browser's storage, where there is one that may be used. */
export function browserStorage(): KeyValue | undefined {
  try {
    return typeof document === "undefined" ? undefined : localStorage
  } catch {
    return undefined
  }
}

/** Keeps a value if the storage has room for it: what is kept here is a help, and never all there is. */
export function keep(storage: KeyValue | undefined, key: string, value: string): void {
  try {
    storage?.setItem(key, value)
  } catch {
    // It is full.
  }
}
