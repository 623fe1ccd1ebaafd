import type { DocHandle } from "@automerge/automerge-repo/slim"
import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react"
import type { ReactNode } from "react"
import { countUnsaved, remember } from "./durable.js"
import type { ConcordEvents } from "./events.js"
import type { ConcordNetworkAdapter } from "./repo.js"
import type { Matching, Pattern, Presence } from "./types.js"

/** The two connections of an app. Hooks for documents need the adapter, the others the events. */
export interface Concord {
  events?: ConcordEvents
  adapter?: ConcordNetworkAdapter
}

const Context = createContext<Concord>({})

/** Gives the components below it their connections, and opens that of the events. */
export function ConcordProvider({ events, adapter, children }: Concord & { children?: ReactNode }): ReactNode {
  // Effects of children run before those of their parents: their handlers are there when events arrive.
  useEffect(() => events?.connect(), [events])
  const value = useMemo(() => ({ events, adapter }), [events, adapter])
  return createElement(Context.Provider, { value }, children)
}

export function useConcord(): Concord {
  return useContext(Context)
}

function useEvents(): ConcordEvents {
  const { events } = useConcord()
  if (!events) throw new Error("this hook needs <ConcordProvider events={…}> around it")
  return events
}

/** Calls a handler for each event of a type, as `invoice:paid`, `invoice:*` or `*`. The newest handler is called. */
export function useEvent<P extends Pattern>(pattern: P, handler: (event: Matching<P>) => unknown): void {
  const events = useEvents()
  const newest = useRef(handler)
  useEffect(() => {
    newest.current = handler
  })
  useEffect(() => events.on(pattern, event => newest.current(event)), [events, pattern])
}

/** Joins a room while the component is there. */
function useRoom(events: ConcordEvents, document: string | undefined): void {
  useEffect(() => (document ? events.subscribe(`document:${document}`) : undefined), [events, document])
}

/** Milliseconds between two looks at who has a document open. */
const LOOK = 15_000

/** Who is online; with a document's ID, who has that document open, to within 15 seconds. */
export function usePresence(document?: string): Presence[] {
  const events = useEvents()
  const subscribe = useCallback((change: () => void) => events.on("presence", change), [events])
  const everybody = useStore(subscribe, () => events.presence)
  const path = document && `/v1/presence?document=${encodeURIComponent(document)}`
  const viewers = useAnswer(path, () => events.request<{ users: Presence[] }>(path!), everybody, LOOK)
  return useMemo(
    () => (document ? (viewers?.users ?? []) : [...everybody.values()]).filter(({ online }) => online),
    [document, viewers, everybody],
  )
}

/** Who else types in a field of a document, or in any; and what to call for each key that is pressed. */
export function useTyping(document: string, field?: string): { typists: string[]; typing: (active?: boolean) => void } {
  const events = useEvents()
  useRoom(events, document)
  const subscribe = useCallback((change: () => void) => events.on("presence", change), [events])
  const all = useStore(subscribe, () => events.typists)
  const typists = useMemo(() => {
    const here = all.filter(t => t.document === document && (field === undefined || t.field === field))
    return [...new Set(here.map(t => t.user))]
  }, [all, document, field])
  const typing = useCallback((active = true) => field !== undefined && events.typing(document, field, active), [events, document, field])
  return { typists, typing }
}

/** A value that a conflict shows. */
export interface ConflictValue {
  user: string
  device?: string
  change: string
  received: string
  winner?: boolean
  value?: unknown
  [field: string]: unknown
}

/** A conflict as `GET /v1/conflicts` of the server's API lists it. */
export interface Conflict {
  id: string
  document: string
  type?: string
  kind: "update-update" | "delete-update" | "lost-edit" | "guarded"
  status: "open"
  /** JSON Pointer of the place. */
  path: string
  /** The same with `*` for each index. */
  field: string
  users: string[]
  values?: ConflictValue[]
  opened: string
  updated: string
  [field: string]: unknown
}

/** How many conflicts the hook lists at most, the newest first. */
const LISTED = 1_000

/** The open conflicts of a document, or of the company, with their values. They are looked at anew when one changes. */
export function useConflicts(document?: string): { conflicts: Conflict[]; refresh: () => void } {
  const [change, setChange] = useState(0)
  const refresh = useCallback(() => setChange(n => n + 1), [])
  const on = (event: { data: { document?: string } }) => {
    if (!document || event.data.document === document) refresh()
  }
  useEvent("document:conflict", on)
  useEvent("conflict:resolved", on)
  const query = `/v1/conflicts?status=open&values=true${document ? `&document=${encodeURIComponent(document)}` : ""}`
  const list = async (events: ConcordEvents) => {
    const all: Conflict[] = []
    for (let cursor = ""; ; ) {
      type Page = { conflicts: Conflict[]; next?: string }
      const page = await events.request<Page>(query + cursor)
      all.push(...page.conflicts)
      if (!page.next || all.length >= LISTED) return all
      cursor = `&cursor=${encodeURIComponent(page.next)}`
    }
  }
  return { conflicts: useAnswer(query, list, change) ?? NONE, refresh }
}

const NONE: never[] = []

/** Milliseconds for which changes gather before the server is asked again. */
const CALM = 50

/** What the server answers: asked anew when the key or the dependency has changed, now and then, and after a gap. */
function useAnswer<T>(key: string | undefined, ask: (events: ConcordEvents) => Promise<T>, dependency: unknown, every?: number): T | undefined {
  const events = useEvents()
  const [state, setState] = useState<{ key?: string; answer?: T }>({})
  const newest = useRef(ask)
  newest.current = ask
  useEffect(() => {
    if (!key) return
    let here = true
    const look = () =>
      newest.current(events).then(
        answer => here && setState({ key, answer }),
        () => {}, // what was known stays; the connection's status tells more
      )
    const off = [events.on("gap", look), events.on("status", ({ state }) => state === "online" && look())]
    const first = setTimeout(look, CALM)
    const timer = every ? setInterval(look, every) : undefined
    return () => {
      here = false
      clearTimeout(first)
      clearInterval(timer)
      for (const end of off) end()
    }
  }, [events, key, dependency, every])
  return state.key === key ? state.answer : undefined
}

/** Reads a store of ours, on a server as well. */
function useStore<T>(subscribe: (change: () => void) => () => void, get: () => T): T {
  return useSyncExternalStore(subscribe, get, get)
}

/** Where a document's changes are. */
export interface SyncStatus {
  /** `saved`: the server has all changes on disk. `saving`: some are on their way. `offline`: there is no connection. */
  state: "saved" | "saving" | "offline"
  /** How many changes the server hasn't told to have on disk. */
  unsaved: number
}

/** Whether what the user sees is on the server's disk. */
export function useSyncStatus(handle: DocHandle<unknown> | undefined): SyncStatus {
  const { adapter } = useConcord()
  if (!adapter) throw new Error("useSyncStatus needs <ConcordProvider adapter={…}> around it")
  const subscribe = useCallback(
    (change: () => void) => {
      const look = () => {
        if (handle) remember(handle, adapter.serverStorageId)
        change()
      }
      look()
      handle?.on("heads-changed", look)
      handle?.on("remote-heads", look)
      const off = adapter.onStatus(change)
      return () => {
        handle?.off("heads-changed", look)
        handle?.off("remote-heads", look)
        off()
      }
    },
    [handle, adapter],
  )
  const unsaved = useStore(subscribe, () => (handle ? countUnsaved(handle, adapter.serverStorageId) : 0))
  const offline = useStore(subscribe, () => adapter.status.state === "offline" || adapter.status.state === "stopped")
  return { state: offline ? "offline" : unsaved > 0 ? "saving" : "saved", unsaved }
}
