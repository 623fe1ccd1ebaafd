export type { EventMap } from "./catalogue.js"
export { ConcordEvents } from "./events.js"
export type {
  ConcordEvent,
  EventOf,
  EventsOptions,
  Matching,
  Notices,
  Pattern,
  Presence,
  ServerError,
  Typist,
} from "./events.js"
export type { KeyValue } from "./storage.js"
export type { LinkOptions, Status, TokenSource } from "./link.js"
