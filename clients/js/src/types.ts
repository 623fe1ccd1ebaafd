import type { EventMap } from "./catalogue.js"
import type { LinkOptions, Status } from "./link.js"
import type { KeyValue } from "./storage.js"

/** Something that has happened. */
export interface ConcordEvent<Data = unknown, Type extends string = string> {
  /** Stable: the same event has the same ID however often it comes. */
  id: string
  type: Type
  /** `user:alice`, `company:acme` or `document:<id>`. */
  room: string
  /** RFC 3339. */
  time: string
  /** The user who caused it; nobody: the server. */
  from?: string
  receipts?: boolean
  /** The document that it is about. */
  document?: string
  data: Data
  /** Where it stands in the log; transient events stand nowhere. */
  cursor?: string
}

/** The event of a type. */
export type EventOf<Type extends keyof EventMap> = Type extends keyof EventMap ? ConcordEvent<EventMap[Type], Type> : never

/** A type, all types with a prefix, or all. */
export type Pattern = keyof EventMap | `${string}:*` | "*"

/** The events that a pattern stands for. */
export type Matching<P extends Pattern> = P extends "*"
  ? EventOf<keyof EventMap>
  : P extends `${infer Prefix}:*`
    ? EventOf<Extract<keyof EventMap, `${Prefix}:${string}`>>
    : P extends keyof EventMap
      ? EventOf<P>
      : never

/** What the client itself tells. */
export interface Notices {
  status: Status
  /** Events were missed for good, as after more than a day without a connection: load anew what is shown. */
  gap: { cursor: string }
  error: ServerError
  /** `presence` or `typists` has another value. */
  presence: undefined
}

export interface ServerError {
  code: string
  message: string
  limit?: string
  /** Seconds. */
  retryAfter?: number
}

export interface Presence {
  user: string
  online: boolean
  lastSeen?: string
}

export interface Typist {
  user: string
  document: string
  field: string
}

export interface EventsOptions extends LinkOptions {
  /** Names this device among those of its user. Made, and kept in the storage, unless told. */
  device?: string
  /** Rooms besides those of the user and the company, which everybody has. */
  rooms?: string[]
  /** Types that are wanted, as `invoice:*`; all unless told. Presence needs `user:*`. */
  types?: string[]
  /** Keeps device and cursor. localStorage unless told, where there is one. */
  storage?: KeyValue
  /** `auto` says of an event that it has arrived when all its handlers have run; `manual` leaves that to `ack`. */
  ack?: "auto" | "manual"
}

/** A message of the server, in any of the three transports. */
export interface ServerMessage {
  type: string
  cursor?: string
  event?: ConcordEvent
  recovered?: boolean
  user?: string
  company?: string
  presence?: string[]
  refused?: { room: string; message: string }[]
  code?: string | number
  message?: string
  limit?: string
  retryAfter?: number
}
