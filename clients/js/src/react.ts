import type { DocHandle } from "@automerge/automerge-repo/slim"
import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react"
import type { ReactNode } from "react"
import { countUnsaved, remember } from "./durable.js"
import type { ConcordEvents, Matching, Pattern, Presence } from "./events.js"
import type { ConcordNetworkAdapter } from "./repo.js"

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
  const everybody = useSyncExternalStore(subscribe, () => events.presence)
  const viewers = useAnswer<{ users: Presence[] }>(document && `/v1/presence?document=${encodeURIComponent(document)}`, everybody, LOOK)
  return useMemo(
    () => (document ? (viewers.answer?.users ?? []) : [...everybody.values()]).filter(({ online }) => online),
    [document, viewers.answer, everybody],
  )
}

/** Who else types in a field of a document, or in any; and what to call for each key that is pressed. */
export function useTyping(document: string, field?: string): { typists: string[]; typing: (active?: boolean) => void } {
  const events = useEvents()
  useRoom(events, document)
  const subscribe = useCallback((change: () => void) => events.on("presence", change), [events])
  const all = useSyncExternalStore(subscribe, () => events.typists)
  const typists = useMemo(() => {
    const here = all.filter(t => t.document === document && (field === undefined || t.field === field))
    return [...new Set(here.map(t => t.user))]
  }, [all, document, field])
  const typing = useCallback((active = true) => events.typing(document, field ?? "", active), [events, document, field])
  return { typists, typing }
}

/** A conflict as the server lists it; `GET /v1/conflicts` in its API has all fields. */
export interface Conflict {
  id: string
  document: string
  kind: string
  status: string
  path: unknown
  values: unknown[]
  [field: string]: unknown
}

/** The open conflicts of a document, or of the company. */
export function useConflicts(document?: string): { conflicts: Conflict[]; refresh: () => void } {
  const [change, setChange] = useState(0)
  const refresh = useCallback(() => setChange(n => n + 1), [])
  const on = (event: { data: { document?: string } }) => {
    if (!document || event.data.document === document) refresh()
  }
  useEvent("document:conflict", on)
  useEvent("conflict:resolved", on)
  const path = `/v1/conflicts?status=open${document ? `&document=${encodeURIComponent(document)}` : ""}`
  const { answer } = useAnswer<{ conflicts: Conflict[] }>(path, change)
  return { conflicts: answer?.conflicts ?? NONE, refresh }
}

const NONE: Conflict[] = []

/** What a GET answers: anew when a dependency has changed, after a while, and when events were missed. */
function useAnswer<T>(path: string | undefined, dependency: unknown, every?: number): { answer?: T } {
  const events = useEvents()
  const [state, setState] = useState<{ path?: string; answer?: T }>({})
  useEffect(() => {
    if (!path) return
    let here = true
    const look = () =>
      events.request<T>(path).then(
        answer => here && setState({ path, answer }),
        () => {}, // what was known stays; the connection's status tells more
      )
    void look()
    const off = [events.on("gap", look), events.on("status", ({ state }) => state === "online" && look())]
    const timer = every ? setInterval(look, every) : undefined
    return () => {
      here = false
      clearInterval(timer)
      for (const end of off) end()
    }
  }, [events, path, dependency, every])
  return state.path === path ? state : {}
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
  const unsaved = useSyncExternalStore(subscribe, () => (handle ? countUnsaved(handle, adapter.serverStorageId) : 0))
  const offline = useSyncExternalStore(subscribe, () => adapter.status.state === "offline" || adapter.status.state === "stopped")
  return { state: offline ? "offline" : unsaved > 0 ? "saving" : "saved", unsaved }
}
