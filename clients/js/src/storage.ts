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
